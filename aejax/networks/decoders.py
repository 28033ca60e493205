"""Decoders: from a latent to the parameters of a likelihood, in the shape of the image."""

import dataclasses
import math
from typing import Literal

import flax.linen as nn
import jax

from aejax.config import PositiveInt
from aejax.networks.encoders import Encoder
from aejax.networks.layers import INITIALIZERS, Activation, DenseStack, Initializer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dense:
    """Dense layers from the latent, and one more to the pixels."""

    kind: Literal["dense"] = "dense"
    widths: tuple[PositiveInt, ...] | None = (
        None  # Of the hidden layers, from the latent on; null: the encoder's, reversed.
    )
    activation: Activation = "relu"
    initializer: Initializer = "glorot_uniform"


class DenseDecoder(nn.Module):
    """[batch, latent] -> [batch, *image_shape], unbounded."""

    config: Dense
    widths: tuple[int, ...]
    image_shape: tuple[int, ...]

    @nn.compact
    def __call__(self, latent: jax.Array) -> jax.Array:
        """Returns the likelihood's parameters."""
        config = self.config
        hidden = DenseStack(self.widths, config.activation, config.initializer)(latent)
        output = nn.Dense(math.prod(self.image_shape), kernel_init=INITIALIZERS[config.initializer])(hidden)
        return output.reshape(-1, *self.image_shape)


Decoder = Dense  # A union, told apart by `kind`, as soon as there are two.


def make_decoder(config: Decoder, encoder: Encoder, image_shape: tuple[int, ...]) -> nn.Module:
    """Returns the network that a config describes: [batch, latent] -> [batch, *image_shape].

    What the config leaves open mirrors the encoder.
    """
    widths = encoder.widths[::-1] if config.widths is None else config.widths
    return DenseDecoder(config, widths, image_shape)
