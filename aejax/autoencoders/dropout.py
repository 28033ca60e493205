"""Dropout of the latent: no unit may rely on another one being there (Hinton et al., 2012; Srivastava et al., 2014)."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.config import Rate, traced


@dataclasses.dataclass(frozen=True, kw_only=True)
class DropoutConfig(Family):
    """Loss: −log p(x | decode(r · encode(x) / (1 − rate))) with r ~ Bernoulli(1 − rate) for each latent unit.

    Outside training nothing is dropped; the code is then the expectation of the code in training.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    Departures: only units of the latent are dropped. Kept units are scaled up in training; the paper scales weights
    down afterwards, and names this as equivalent.
    """

    kind: Literal["dropout"] = "dropout"
    rate: Rate = traced(0.2)  # Probability that a unit is dropped.


class Dropout(Autoencoder):
    """The networks of `DropoutConfig`. Outside training nothing is dropped."""

    config: DropoutConfig

    def activate(self, preactivation: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent, [batch, latent_size]; in training with units dropped."""
        latent = super().activate(preactivation)
        if not train:
            return latent
        kept = 1 - self.config.rate
        return jnp.where(jax.random.bernoulli(self.make_rng("noise"), kept, latent.shape), latent / kept, 0.0)
