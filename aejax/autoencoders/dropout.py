"""Dropout of the latent: no unit may rely on another one being there (Hinton et al., 2012; Srivastava et al., 2014)."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder, Family
from aejax.config import Rate, traced


@dataclasses.dataclass(frozen=True, kw_only=True)
class DropoutConfig(Family):
    """Loss: −log p(x | decode(r · encode(x) / (1 − rate))) with r ~ Bernoulli(1 − rate) for each latent unit.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014. Units are
    scaled in training, which it gives as another way than smaller weights outside it: so their expectation is the code
    that is used there.
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
