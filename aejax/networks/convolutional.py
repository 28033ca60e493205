"""Strided convolutional networks, and what every network needs that makes images smaller step by step."""

import dataclasses
import math
from typing import Any, Literal

import flax.linen as nn
import jax

from aejax.config import PositiveInt
from aejax.networks.convolution import Conv, ConvolutionMethod
from aejax.networks.layers import ACTIVATIONS, Activation, Initializer, make_dense


@dataclasses.dataclass(frozen=True, kw_only=True)
class StridedNetwork:
    """Resolutions from the image on, each with a width (channels) and a stride that divides height and width."""

    widths: tuple[PositiveInt, ...] = (32, 64)
    strides: tuple[PositiveInt, ...] = (2,)  # Of the resolutions; a single one serves for all.
    kernel_size: PositiveInt = 3
    activation: Activation = "relu"
    initializer: Initializer = "glorot_uniform"  # Also of the latent layer.
    method: ConvolutionMethod | None = None  # How convolutions are computed; null: the faster way on this backend.

    def resolutions(self) -> list[tuple[int, int]]:
        """Returns the (width, stride) of each resolution."""
        strides = self.strides * len(self.widths) if len(self.strides) == 1 else self.strides
        return list(zip(self.widths, strides, strict=True))

    def map_shape(self, image_shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Returns (height, width, channels) of the last resolution's output."""
        reduction = math.prod(stride for _, stride in self.resolutions())
        return image_shape[0] // reduction, image_shape[1] // reduction, (image_shape[2], *self.widths)[-1]

    def misfit(self, image_shape: tuple[int, ...]) -> str | None:
        """Returns why images of this shape do not fit, and what would do; None if they fit."""
        if len(self.strides) not in (1, len(self.widths)):
            return f"there are {len(self.widths)} widths and {len(self.strides)} strides; give one, or one for each"
        reduction = math.prod(stride for _, stride in self.resolutions())
        return indivisible(image_shape, reduction, f"the strides divide height and width by {reduction}")


def indivisible(image_shape: tuple[int, ...], divisor: int, because: str) -> str | None:
    """Returns which sizes near an image's would do, where height or width is no multiple of a divisor; else None."""
    height, width = image_shape[:2]
    if height % divisor == 0 and width % divisor == 0:
        return None
    choices = sorted({max(size // divisor, 1) * divisor for size in (height, width)})
    choices += [choices[-1] + divisor]
    return (
        f"{because}, so both must be multiples of it, such as {', '.join(map(str, choices))}; "
        f"the images are {height}x{width}"
    )


def make_conv(config: Any, width: int, stride: int, *, transpose: bool = False, bias: bool = True) -> Conv:
    """Returns a convolution, or the transpose of one, as the config of a network wants it."""
    how: dict[str, Any] = {"transpose": transpose, "method": config.method, "bias": bias}
    return Conv(width, config.kernel_size, stride, config.initializer, **how)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Convolutional(StridedNetwork):
    """A strided convolution for each resolution; without any, the latent sees the pixels."""

    kind: Literal["conv"] = "conv"
    bias: bool = True  # Whether a layer adds learned numbers, that of the latent and the mirror's among them.


class ConvolutionalEncoder(nn.Module):
    """[batch, height, width, channels] -> [batch, *map_shape]."""

    config: Convolutional

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the last resolution's map."""
        del train
        config, x = self.config, image
        for width, stride in config.resolutions():
            x = make_conv(config, width, stride, bias=config.bias)(x)
            x = ACTIVATIONS[config.activation](x)
        return x


class ConvolutionalDecoder(nn.Module):
    """[batch, latent] -> [batch, *image_shape], unbounded: a dense layer, then the encoder's convolutions transposed.

    The latent may be a map, [batch, height, width, latent]: see `LatentToMap`.
    """

    config: Convolutional
    image_shape: tuple[int, ...]

    @nn.compact
    def __call__(self, latent: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the likelihood's parameters."""
        del train
        config = self.config
        x = LatentToMap(config, self.image_shape, config.bias)(latent)
        x = ACTIVATIONS[config.activation](x) if config.widths else x
        outputs = [self.image_shape[-1], *config.widths[:-1]]
        for index, (_, stride) in reversed(list(enumerate(config.resolutions()))):
            x = make_conv(config, outputs[index], stride, transpose=True, bias=config.bias)(x)
            x = ACTIVATIONS[config.activation](x) if index else x
        return x


class LatentToMap(nn.Module):
    """A dense layer from the latent to the last resolution's map, [batch, *map_shape].

    Of a latent [batch, size] it makes all of the map; of one that is a map already, [batch, height, width, size], each
    position by itself (a convolution of 1 × 1).
    """

    config: StridedNetwork
    image_shape: tuple[int, ...]
    bias: bool = True

    @nn.compact
    def __call__(self, latent: jax.Array) -> jax.Array:
        """Returns the map, before any activation."""
        shape = self.config.map_shape(self.image_shape)
        size = shape[-1] if latent.ndim == 4 else math.prod(shape)
        dense = make_dense(size, self.config.initializer, use_bias=self.bias, name="dense")
        return dense(latent).reshape(-1, *shape)
