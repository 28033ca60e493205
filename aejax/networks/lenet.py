"""Networks after LeNet: convolutions that keep the size of a map, and the largest value of each square of 2 × 2.

Source: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998; with batch
normalization (Ioffe and Szegedy, 2015) and without the dense layer before the last as in Ruff et al., "Deep one-class
classification", 2018.
"""

import dataclasses
import math
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.config import PositiveInt
from aejax.networks.convolution import ConvolutionMethod
from aejax.networks.convolutional import indivisible, make_conv
from aejax.networks.layers import ACTIVATIONS, Activation, Initializer, flatten, max_pool


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeNet:
    """For each width a convolution, batch normalization, the activation, and the largest values of 2 × 2 squares."""

    kind: Literal["lenet"] = "lenet"
    widths: tuple[PositiveInt, ...] = (8, 4)  # Channels of the convolutions, from the image on.
    kernel_size: PositiveInt = 5
    activation: Activation = "leaky_relu"
    initializer: Initializer = "glorot_uniform"  # Also of the latent layer.
    method: ConvolutionMethod | None = None  # How convolutions are computed; null: the faster way on this backend.
    norm: Literal["batch", "none"] = "batch"
    # Whether a layer adds learned numbers, that of the latent and the mirror's among them; batch normalization learns
    # to shift and scale, too.
    bias: bool = True

    def sizes(self, image_shape: tuple[int, ...]) -> list[tuple[int, int]]:
        """Returns (height, width) of the image and of the map behind each convolution."""
        height, width = image_shape[:2]
        return [(height // 2**level, width // 2**level) for level in range(len(self.widths) + 1)]

    def misfit(self, image_shape: tuple[int, ...]) -> str | None:
        """Returns why images of this shape do not fit, and what would do; None if they fit."""
        if not self.widths:
            return "there are no widths; give one for each convolution"
        divisor = 2 ** len(self.widths)
        return indivisible(image_shape, divisor, f"{len(self.widths)} halvings divide height and width by {divisor}")


class NormalizedConv(nn.Module):
    """A convolution of stride 1, or its transpose, normalized and activated: [..., h, w, inputs] -> [..., width]."""

    config: LeNet
    width: int
    transpose: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns the map, in its parameters' type. Statistics of batches lie in `batch_stats`."""
        config = self.config
        normalized = config.norm == "batch"
        bias = config.bias and not normalized  # It would be subtracted again.
        x = make_conv(config, self.width, 1, transpose=self.transpose, bias=bias)(x)
        if normalized:
            learned: dict[str, Any] = {"use_scale": config.bias, "use_bias": config.bias}
            x = nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=x.dtype, **learned)(x)
        return ACTIVATIONS[config.activation](x)


class LeNetEncoder(nn.Module):
    """[batch, height, width, channels] -> [batch, height / 2ⁿ, width / 2ⁿ, widths[-1]]."""

    config: LeNet

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the last map."""
        x = image
        for width in self.config.widths:
            x = max_pool(NormalizedConv(self.config, width)(x, train=train), 2)
        return x


class LeNetDecoder(nn.Module):
    """[batch, latent] -> [batch, *image_shape], unbounded, without a dense layer.

    The latent itself, activated, is a map of half the height and width of the encoder's last one, zeros after its
    numbers where these do not fill it. Then each pixel becomes a square of 2 × 2 and a transposed convolution follows,
    as often as the encoder has convolutions and once more.
    """

    config: LeNet
    image_shape: tuple[int, ...]

    @nn.compact
    def __call__(self, latent: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the likelihood's parameters."""
        config = self.config
        sizes = config.sizes(self.image_shape)
        height, width = (-(-size // 2) for size in sizes[-1])
        channels = -(-math.prod(latent.shape[1:]) // (height * width))
        flat = flatten(latent)
        filled = jnp.pad(flat, ((0, 0), (0, height * width * channels - flat.shape[1])))
        x = ACTIVATIONS[config.activation](filled.reshape(-1, height, width, channels))
        for size, features in zip(sizes[:0:-1], config.widths[::-1], strict=True):
            x = NormalizedConv(config, features, transpose=True)(_enlarge(x, size), train=train)
        return make_conv(config, self.image_shape[-1], 1, transpose=True, bias=config.bias)(_enlarge(x, sizes[0]))


def _enlarge(x: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Returns maps with each pixel as a square of 2 × 2, cut to a height and width."""
    doubled = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
    return doubled[:, : size[0], : size[1]]
