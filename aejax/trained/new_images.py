"""Images that a trained model is asked about: those of a path, or the test images of its own data."""

import os
from typing import NamedTuple

import numpy as np

from aejax.data.load import Dataset
from aejax.data.sources.new_images import new_images
from aejax.errors import DataError
from aejax.trained.model import Trained


class AskedImages(NamedTuple):
    """Images in the form in which those are stored that a model was trained on, [n, height, width, channels].

    Each has a name: its file's, or its number, counted from 0. `label` is an array [n] or None; `notes` are lines that
    a person should know of.
    """

    image: np.ndarray
    name: list[str]
    label: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def read_images(path: str, trained: Trained) -> AskedImages:
    """Reads the images that a path leads to, as the data of a trained model were read; labels are those of an .npz.

    Raises:
      DataError: if they cannot be read, or are of another shape.
    """
    found, label = new_images(path, trained.config.data, trained.trained_on), None
    if path.endswith(".npz"):
        with np.load(os.path.expanduser(path)) as arrays:  # It has been read once, so it is one.
            label = arrays.get("label")
    return AskedImages(found.images, found.names, label, tuple(found.notes))


def own_test_images(dataset: Dataset) -> AskedImages:
    """Returns the test images of a data set.

    Raises:
      DataError: if it has none.
    """
    image, label = dataset.test.image, dataset.test.label
    if not len(image):
        raise DataError(f"{dataset.name} has no test images (data.test_size=0); name other images")
    named = None if label is None else np.array([dataset.classes.name(number) for number in label])
    return AskedImages(image, list(map(str, range(len(image)))), named)
