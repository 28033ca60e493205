"""Dense networks."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax

from aejax.config import PositiveInt
from aejax.networks.layers import ACTIVATIONS, ALL, Activation, DenseStack, Initializer, flatten, make_dense


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dense:
    """Dense layers on the flattened image."""

    kind: Literal["dense"] = "dense"
    widths: tuple[PositiveInt, ...] = (256,)  # Of the hidden layers, from the image on; none: the latent sees pixels.
    activation: Activation = "relu"
    initializer: Initializer = "glorot_uniform"  # Also of the latent layer.
    bias: bool = True  # Whether a layer adds learned numbers, that of the latent and the mirror's among them.

    def misfit(self, image_shape: tuple[int, ...]) -> str | None:
        """Returns None: images of any size fit."""
        del image_shape
        return None


class DenseEncoder(nn.Module):
    """[batch, height, width, channels] -> [batch, widths[-1]]."""

    config: Dense

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False, part: slice = ALL) -> jax.Array:
        """Returns the last layer's features; with `part`, of an input of these layers only."""
        del train
        config = self.config
        return DenseStack(config.widths, config.activation, config.initializer, config.bias)(flatten(image), part)


class DenseDecoder(nn.Module):
    """[batch, latent] -> [batch, *image_shape], unbounded: the widths in reverse, and a layer to the pixels."""

    config: Dense
    image_shape: tuple[int, ...]

    @nn.compact
    def __call__(self, latent: jax.Array, *, train: bool = False, part: slice = ALL) -> jax.Array:
        """Returns the likelihood's parameters; with `part`, what these layers make of an input of theirs."""
        del train
        config = self.config
        layers = range(len(config.widths) + 1)[part]
        hidden = DenseStack(config.widths[::-1], config.activation, config.initializer, config.bias)(latent, part)
        if len(config.widths) not in layers:
            return hidden
        size = math.prod(self.image_shape)
        output = make_dense(size, config.initializer, use_bias=config.bias, name="Dense_0")(hidden)
        return output.reshape(-1, *self.image_shape)


def encoder_kernels(params: Any) -> list[jax.Array]:
    """Returns the kernels of a `DenseEncoder` with these parameters, [inputs, outputs] each, from the image on."""
    layers = params.get("DenseStack_0", {})
    return [layers[f"Dense_{index}"]["kernel"] for index in range(len(layers))]  # "Dense_10" sorts before "Dense_2".


class TransposedDenseDecoder(nn.Module):
    """A `DenseDecoder` whose kernels are another network's, transposed: only the biases are its own."""

    config: Dense
    image_shape: tuple[int, ...]

    @nn.compact
    def __call__(self, latent: jax.Array, kernels: Sequence[jax.Array]) -> jax.Array:
        """Returns the likelihood's parameters, [batch, *image_shape], computed in the kernels' type.

        Args:
          latent: [batch, latent].
          kernels: from the image to the latent, [inputs, outputs] each.
        """
        x = latent
        for index, kernel in reversed(list(enumerate(kernels))):
            bias = self.param(f"bias_{index}", nn.initializers.zeros, (kernel.shape[0],))
            x = x.astype(kernel.dtype) @ kernel.T + bias[None]
            x = ACTIVATIONS[self.config.activation](x) if index else x
        return x.reshape(-1, *self.image_shape)
