"""Residual networks with pre-activation blocks (He et al., 2016, "Identity Mappings in Deep Residual Networks")."""

import dataclasses
from typing import Literal

import flax.linen as nn
import jax

from aejax.config import NonNegativeInt, PositiveInt
from aejax.networks.convolutional import LatentToMap, StridedNetwork, make_conv
from aejax.networks.layers import ACTIVATIONS

Norm = Literal["group", "batch", "none"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Residual(StridedNetwork):
    """A stem, then for each resolution a strided convolution and residual blocks."""

    kind: Literal["resnet"] = "resnet"
    blocks: NonNegativeInt = 1  # Residual blocks of each resolution.
    norm: Norm = "group"
    groups: PositiveInt = 8  # Into which group normalisation divides the channels.

    def misfit(self, image_shape: tuple[int, ...]) -> str | None:
        """Returns why images of this shape do not fit, and what would do; None if they fit."""
        if not self.widths:
            return "there are no widths; give one for each resolution"
        odd = [width for width in self.widths if width % self.groups]
        if self.norm == "group" and odd:
            return f"groups={self.groups} does not divide the width {odd[0]}; choose widths that are multiples of it"
        return super().misfit(image_shape)


class NormActivation(nn.Module):
    """The normalisation that the config names, and its activation. Statistics of batches lie in `batch_stats`."""

    config: Residual

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns x normalised and activated, in its own shape and type."""
        config = self.config
        if config.norm == "group":
            x = nn.GroupNorm(config.groups, dtype=x.dtype)(x)
        elif config.norm == "batch":
            x = nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=x.dtype)(x)
        return ACTIVATIONS[config.activation](x)


class Block(nn.Module):
    """x + F(x) with two convolutions in F, each after a normalisation and an activation."""

    config: Residual

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns a map of the shape of x."""
        config, change = self.config, x
        for _ in range(2):
            change = NormActivation(config)(change, train=train)
            change = make_conv(config, x.shape[-1], 1)(change)
        return x + change


class ResidualEncoder(nn.Module):
    """[batch, height, width, channels] -> [batch, *map_shape]."""

    config: Residual

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the last resolution's map, normalised and activated."""
        config = self.config
        x = make_conv(config, config.widths[0], 1)(image)
        for width, stride in config.resolutions():
            x = make_conv(config, width, stride)(x)
            for _ in range(config.blocks):
                x = Block(config)(x, train=train)
        return NormActivation(config)(x, train=train)


class ResidualDecoder(nn.Module):
    """[batch, latent] -> [batch, *image_shape], unbounded: the encoder's resolutions, each in reverse.

    The latent may be a map, [batch, height, width, latent]: see `LatentToMap`.
    """

    config: Residual
    image_shape: tuple[int, ...]

    @nn.compact
    def __call__(self, latent: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the likelihood's parameters."""
        config = self.config
        x = LatentToMap(config, self.image_shape)(latent)
        outputs = [config.widths[0], *config.widths[:-1]]
        for width, (_, stride) in reversed(list(zip(outputs, config.resolutions(), strict=True))):
            for _ in range(config.blocks):
                x = Block(config)(x, train=train)
            x = make_conv(config, width, stride, transpose=True)(x)
        x = NormActivation(config)(x, train=train)
        return make_conv(config, self.image_shape[-1], 1, transpose=True)(x)
