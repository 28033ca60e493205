"""A prior: a Gaussian around 0 that learns the deviation of each unit."""

import dataclasses
from typing import Literal

import jax.numpy as jnp

from aejax.objectives.priors import PRIORS, GaussianMixture, PriorConfig


@PRIORS.register
@dataclasses.dataclass(frozen=True, kw_only=True)
class ScaledPrior(PriorConfig):
    kind: Literal["scaled"] = "scaled"

    def parameters(self, key, num_units, image_shape):
        return {"log_deviation": jnp.zeros((1, num_units))}

    def distribution(self, parameters, num_units, encode):
        log_deviation = parameters["log_deviation"].astype(jnp.float32)
        return GaussianMixture(jnp.zeros(1), jnp.zeros((1, num_units)), 2 * log_deviation)
