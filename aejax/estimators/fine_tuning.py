"""Fine-tuning a trained autoencoder's encoder by labels, on images in memory."""

import dataclasses
from collections.abc import Mapping

import jax
import numpy as np

from aejax.data.resident import ResidentData
from aejax.experiment import Config
from aejax.methods.base import find_method
from aejax.methods.roles import Role
from aejax.methods.zoo import named
from aejax.trained.model import Trained
from aejax.training.fit import fit
from aejax.training.step import init_state

(METHOD,) = named(Role.PRETRAINED)


def fine_tune(
    trained: Trained,
    config: Config,
    image: Mapping[str, np.ndarray],
    label: Mapping[str, np.ndarray],
    num_classes: int,
) -> Trained:
    """Trains the encoder and a linear layer on its features by labels, as the config's `fine_tuning` says.

    Args:
      trained: the autoencoder.
      config: that it was trained by, with the fields of fine-tuning.
      image: of the splits "train" and "validation", as the autoencoder is given them. The second is trained on too,
        unless the config's `data.validation_size` asks for images to choose by.
      label: likewise, int32 from 0 on.
      num_classes: labels lie in [0, num_classes).
    """
    method = find_method(METHOD)
    if not config.data.validation_size:
        parts = image, label
        both = [np.concatenate([part["train"], part["validation"]]) for part in parts]
        image, label = ({"train": part, "validation": part[:0]} for part in both)
    data = jax.device_put(ResidentData(dict(image), dict(label), trained.preprocessing))
    task = method.task(config, trained.trained_on.image_shape, num_classes)
    assert task is not None, "what is trained has a task"
    state = jax.jit(lambda given, data: init_state(task, data, given))(method.warm_start(trained.variables), data)
    fitted = fit(task, data, state=state)
    described = dataclasses.replace(trained.trained_on, num_classes=num_classes)
    variables, curves = jax.device_get((fitted.variables, fitted.curves))
    return Trained(METHOD, config, described, trained.preprocessing, variables, curves)
