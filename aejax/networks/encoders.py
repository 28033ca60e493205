"""Encoders: from an image to hidden features, from which an autoencoder's heads read the latent."""

import dataclasses
from typing import Literal

import flax.linen as nn
import jax

from aejax.config import PositiveInt
from aejax.networks.layers import Activation, DenseStack, Initializer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dense:
    """Dense layers on the flattened image."""

    kind: Literal["dense"] = "dense"
    widths: tuple[PositiveInt, ...] = (256,)  # Of the hidden layers, from the image on; none: the latent sees pixels.
    activation: Activation = "relu"
    initializer: Initializer = "glorot_uniform"  # Also of the latent layer.


class DenseEncoder(nn.Module):
    """[batch, height, width, channels] -> [batch, features]."""

    config: Dense

    @nn.compact
    def __call__(self, image: jax.Array) -> jax.Array:
        """Returns the last layer's features."""
        config = self.config
        return DenseStack(config.widths, config.activation, config.initializer)(image.reshape(image.shape[0], -1))


Encoder = Dense  # A union, told apart by `kind`, as soon as there are two.
ENCODERS = {"dense": DenseEncoder}


def make_encoder(config: Encoder) -> nn.Module:
    """Returns the network that a config describes: [batch, height, width, channels] -> [batch, features]."""
    return ENCODERS[config.kind](config)
