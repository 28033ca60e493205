"""Training on arrays in memory, without files: a first version for single members."""

import hashlib
import warnings
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from aejax.data.description import DataDescription
from aejax.data.load import Dataset, Split
from aejax.data.resident import make_resident
from aejax.experiment import Config
from aejax.methods.base import find_method
from aejax.methods.zoo import SUBJECT
from aejax.trained.model import Trained
from aejax.training.loop import train as train_members
from aejax.training.population import Members, share
from aejax.training.state import Status


def train(
    configs: Sequence[Config],
    image: np.ndarray,
    label: np.ndarray | None = None,
    rows: Sequence[np.ndarray] | None = None,
) -> list[Trained]:
    """Trains autoencoders on images in memory, each on rows of its own.

    Args:
      configs: of the members, checked.
      image: [n, height, width, channels], uint8 or float32 in [0, 1].
      label: int32 [n], from 0 on; None: there is none.
      rows: the indices of the images that each member is trained on; None: all.
    """
    whole = np.arange(len(image))
    chosen = [whole] * len(configs) if rows is None else rows
    return [_train_one(config, image[own], label, own) for config, own in zip(configs, chosen, strict=True)]


def _train_one(config: Config, image: np.ndarray, label: np.ndarray | None, own: np.ndarray) -> Trained:
    num_classes = None if label is None else int(label.max()) + 1
    order = np.random.default_rng(0).permutation(len(image))
    held_out = config.data.validation_size or 0
    cut = lambda part: Split(image[part], None if label is None else label[own][part])  # noqa: E731
    validation, train, test = cut(order[:held_out]), cut(order[held_out:]), cut(order[:0])
    digest = hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()[:16]
    dataset = Dataset("images", train, validation, test, num_classes, digest)
    resident = make_resident(dataset, config.data.preprocessing)
    method, members, curves = find_method(SUBJECT), Members([config]), []
    make_task: Any = lambda config: method.task(config, image.shape[1:], num_classes)  # noqa: E731
    trained = train_members(
        members, make_task, share(resident), write=lambda _, metrics: curves.append(metrics), description="training"
    )
    (variables,) = [members.fetch([state.evaluated_variables()]) for state in trained.states]
    if members.fetch([state.status for state in trained.states])[0] == Status.DIVERGED:
        warnings.warn("training diverged; the model is at its last finite state", stacklevel=2)
    metrics = {name: np.concatenate([chunk[name][0] for chunk in curves]) for name in (curves[0] if curves else {})}
    trained_epochs = metrics.get("epoch", np.zeros(0)) > 0
    metrics = {name: values[trained_epochs] for name, values in metrics.items()}
    return Trained(
        SUBJECT,
        config,
        DataDescription.of(dataset),
        jax.device_get(resident.preprocessing),
        jax.tree.map(lambda leaf: leaf[0], variables),
        metrics,
    )
