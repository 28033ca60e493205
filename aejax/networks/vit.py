"""Vision transformers (Dosovitskiy et al., 2021) with fixed sine-cosine positions, as encoder and decoder."""

import dataclasses
import math
from collections.abc import Callable
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from aejax.config import PositiveInt
from aejax.networks.convolution import Conv
from aejax.networks.convolutional import indivisible
from aejax.networks.layers import ACTIVATIONS, Activation, Initializer, make_dense
from aejax.networks.masks import take_squares

Attend = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ViT:
    """Square patches as tokens, and pre-norm transformer blocks on them."""

    kind: Literal["vit"] = "vit"
    patch_size: PositiveInt = 4
    width: PositiveInt = 128  # Of a token.
    depth: PositiveInt = 4  # Blocks.
    heads: PositiveInt = 4
    expansion: PositiveInt = 4  # Width of a block's hidden layer, in widths of a token.
    activation: Activation = "gelu"
    initializer: Initializer = "glorot_uniform"  # Also of the latent layer.

    def grid(self, image_shape: tuple[int, ...]) -> tuple[int, int]:
        """Returns the rows and columns of tokens."""
        return image_shape[0] // self.patch_size, image_shape[1] // self.patch_size

    def misfit(self, image_shape: tuple[int, ...]) -> str | None:
        """Returns why images of this shape do not fit, and what would do; None if they fit."""
        if self.width % 4 or self.width % self.heads:
            return f"width={self.width} must be a multiple of 4 (positions) and of heads={self.heads}"
        return indivisible(image_shape, self.patch_size, f"patches are {self.patch_size} pixels high and wide")


def sincos_positions(grid: tuple[int, int], width: int) -> np.ndarray:
    """Returns fixed two-dimensional positions, float32 [1, rows · columns, width].

    A quarter of the width each is sin and cos of the row, and sin and cos of the column, at wavelengths from 2π to
    2π · 10,000 (Vaswani et al., 2017, section 3.5; in two dimensions as in He et al., 2022).
    """
    frequencies = 10_000.0 ** -(np.arange(width // 4) / (width // 4))
    row, column = np.meshgrid(np.arange(grid[0]), np.arange(grid[1]), indexing="ij")
    angles = [position.reshape(-1, 1) * frequencies for position in (row, column)]
    positions = np.concatenate([wave(angle) for angle in angles for wave in (np.sin, np.cos)], axis=1)
    return positions[None].astype(np.float32)


class TransformerBlock(nn.Module):
    """Self-attention, then a hidden layer, each on normalised tokens and added to them."""

    config: ViT

    @nn.compact
    def __call__(self, tokens: jax.Array, attend: Attend = jax.nn.dot_product_attention) -> jax.Array:
        """Returns tokens of the same shape, [batch, tokens, width].

        Args:
          tokens: which they are.
          attend: from queries, keys and values, [batch, tokens, heads, width / heads] each, to what is attended to.
        """
        config, norm = self.config, lambda: nn.LayerNorm(dtype=tokens.dtype)
        batch, count, width = tokens.shape
        joint = make_dense(3 * width, config.initializer, name="query_key_value")(norm()(tokens))
        query, key, value = jnp.split(joint.reshape(batch, count, 3 * config.heads, width // config.heads), 3, axis=2)
        attended = attend(query, key, value).reshape(tokens.shape)
        tokens = tokens + make_dense(width, config.initializer, name="output")(attended)
        hidden = make_dense(config.expansion * width, config.initializer, name="expand")(norm()(tokens))
        return tokens + make_dense(width, config.initializer, name="contract")(ACTIVATIONS[config.activation](hidden))


class ClassToken(nn.Module):
    """[batch, tokens, width] -> [batch, 1 + tokens, width]: a learned token before those of the image."""

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        """Returns the tokens after the learned one."""
        batch, _, width = tokens.shape
        token = self.param("token", nn.initializers.normal(0.02), (width,))
        return jnp.concatenate([jnp.broadcast_to(token[None, None], (batch, 1, width)), tokens], axis=1)


class ViTEncoder(nn.Module):
    """[batch, height, width, channels] -> [batch, tokens, config.width]."""

    config: ViT
    class_token: bool = False  # Whether a learned token stands before those of the image.

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False, visible: jax.Array | None = None) -> jax.Array:
        """Returns the tokens after the last block, normalised.

        Args:
          image: the images.
          train: changes nothing.
          visible: indices of the tokens that enter, int32 [batch, visible tokens]; None: all of them. The others are
            not computed.
        """
        del train
        config = self.config
        positions = jnp.asarray(sincos_positions(config.grid(image.shape[1:]), config.width))
        if visible is not None:
            image, positions = take_squares(image, visible, config.patch_size), positions[0][visible]
        tokens = Conv(config.width, config.patch_size, config.patch_size, config.initializer, name="patches")(image)
        tokens = tokens.reshape(tokens.shape[0], -1, config.width)
        tokens = tokens + positions.astype(tokens.dtype)
        if self.class_token:
            tokens = ClassToken(name="class_token")(tokens)
        for index in range(config.depth):
            tokens = TransformerBlock(config, name=f"Block_{index}")(tokens)
        return nn.LayerNorm(dtype=tokens.dtype)(tokens)


class ViTDecoder(nn.Module):
    """[batch, latent] -> [batch, *image_shape], unbounded: a dense layer to tokens, blocks, and tokens to patches."""

    config: ViT
    image_shape: tuple[int, ...]

    @nn.compact
    def __call__(self, latent: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the likelihood's parameters."""
        del train
        config = self.config
        grid = config.grid(self.image_shape)
        count = math.prod(grid)
        tokens = make_dense(count * config.width, config.initializer, name="dense")(latent)
        tokens = tokens.reshape(-1, count, config.width)
        tokens = tokens + jnp.asarray(sincos_positions(grid, config.width), tokens.dtype)
        for index in range(config.depth):
            tokens = TransformerBlock(config, name=f"Block_{index}")(tokens)
        tokens = nn.LayerNorm(dtype=tokens.dtype)(tokens).reshape(-1, *grid, config.width)
        channels, size = self.image_shape[-1], config.patch_size
        return Conv(channels, size, size, config.initializer, transpose=True, name="patches")(tokens)
