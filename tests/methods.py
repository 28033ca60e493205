"""What tests ask of methods by their names: what a study would train of a config, or measure of it."""

import functools

from aejax.methods.base import find_method


def make_task(method, image_shape, num_classes):
    """The function that makes a member's task of its config."""
    return functools.partial(find_method(method).task, image_shape=image_shape, num_classes=num_classes)
