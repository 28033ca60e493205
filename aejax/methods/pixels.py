"""The images themselves: what no features have to be learned for."""

from typing import Any

import jax

from aejax.data import preprocessing
from aejax.data.resident import ResidentData, images_at_once
from aejax.evaluation.suite import Representation
from aejax.experiment import Config
from aejax.methods.base import Method
from aejax.training.step import Task


class Pixels(Method):
    """Raw pixels as features."""

    def represent(self, task: Task | None, variables: Any, config: Config, data: ResidentData) -> Representation:
        """The images, flattened, in [0, 1] and without preprocessing."""
        del task, variables, config

        def encode(stored: jax.Array) -> jax.Array:
            return preprocessing.to_unit(stored).reshape(stored.shape[0], -1)

        return Representation(encode, at_once=images_at_once(data.image["train"].shape[1:]))
