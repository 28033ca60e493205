"""Noise in the latent: codes that lie too close cannot be told apart (Poole, Sohl-Dickstein and Ganguli, 2014)."""

import dataclasses
from typing import Literal

import jax

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.config import NonNegativeFloat, traced
from aejax.networks.layers import Activation


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentNoiseConfig(Family):
    """Loss: −log p(x | decode(encode(x) + ε)) with ε ~ N(0, scale²) for each latent unit.

    Outside training there is no noise. With an unbounded `latent_activation` a code can grow until the noise no longer
    matters; with tanh, the default, it stays in [−1, 1].

    Source: Poole, Sohl-Dickstein and Ganguli, "Analyzing noise in autoencoders and deep networks", 2014.

    Departures: noise is added in one place, after the activation of the latent; the paper also adds it to the input
    and before the activation.
    """

    kind: Literal["latent_noise"] = "latent_noise"
    latent_activation: Activation = "tanh"
    scale: NonNegativeFloat = traced(0.3)  # Standard deviation of the noise.


class LatentNoise(Autoencoder):
    """The networks of `LatentNoiseConfig`. Outside training there is no noise."""

    config: LatentNoiseConfig

    def activate(self, preactivation: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent, [batch, latent_size]; in training with noise added."""
        latent = super().activate(preactivation)
        if not train:
            return latent
        return latent + self.config.scale * jax.random.normal(self.make_rng("noise"), latent.shape)
