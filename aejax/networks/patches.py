"""Patches of images: drawing them, normalizing and whitening them, and pooling what an encoder says of each place.

Source: Coates, Lee and Ng, "An analysis of single-layer networks in unsupervised feature learning", 2011; for the
two-sided soft threshold Coates and Ng, "The importance of encoding versus training with sparse coding and vector
quantization", 2011.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from aejax.config import NonNegativeFloat, PositiveFloat, PositiveInt, traced
from aejax.networks.convolution import image_patches
from aejax.networks.layers import flatten

Pool = Literal["sum", "mean", "max"]
Span = tuple[int, int]  # From one place on, up to another.

_NUMBERS_AT_ONCE = 2**20  # Of responses outside training: 8 times as many leave a CPU's cache, and take twice as long.
_POOLS: dict[str, Any] = {"sum": jnp.sum, "mean": jnp.mean, "max": jnp.max}
_HIGHEST = lax.Precision.HIGHEST


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchesConfig:
    """An autoencoder of square patches, whose responses at all places of an image, pooled, are the image's features.

    In training each image gives `per_image` patches, drawn anew in every step. A patch is divided by its contrast and
    whitened (ZCA); what that takes is fitted to `fitted_to` patches of training images. At each place the encoder's
    responses z, before their activation, become max(z − threshold, 0), and max(−z − threshold, 0) beside it if
    `two_sided`. They are pooled over the cells of a grid, or over windows that may overlap.
    """

    size: PositiveInt = 6  # Side of a patch, in pixels.
    per_image: PositiveInt = 4  # Patches of each image in a step of training.
    # Added to a patch's variance before it is divided by its root; null: patches keep mean and contrast.
    contrast: PositiveFloat | None = traced(1.5e-4)  # 10 gray levels squared.
    whitening: PositiveFloat | None = traced(0.1)  # Added to the variances along the principal axes; null: none.
    fitted_to: PositiveInt = 100_000  # Patches to which the whitening is fitted.
    stride: PositiveInt = 1  # Pixels between the places of an image.
    two_sided: bool = True
    threshold: NonNegativeFloat = traced(0.25)
    pool: Pool = "sum"
    grid: PositiveInt = 2  # Cells of the grid, each way.
    window: PositiveInt | None = None  # Side of a window, in places; null: the grid.
    window_stride: PositiveInt | None = None  # Places from a window to the next; null: half its side.

    def misfit(self, image_shape: tuple[int, ...]) -> str | None:
        """Returns which field does not go with images of a shape, [height, width, channels], or None."""
        if self.size > min(image_shape[:2]):
            return f"size={self.size} is more than the images' {image_shape[0]} x {image_shape[1]} pixels"
        places = self.places(image_shape)
        if self.window is None and self.grid > min(places):
            return f"grid={self.grid} has more cells than the {places[0]} x {places[1]} places of a patch"
        if self.window is not None and self.window > min(places):
            return f"window={self.window} is more than the {places[0]} x {places[1]} places of a patch"
        return None

    def places(self, image_shape: tuple[int, ...]) -> tuple[int, int]:
        """How many places of an image a patch has: (rows, columns)."""
        rows, columns = ((size - self.size) // self.stride + 1 for size in image_shape[:2])
        return rows, columns

    def patch_shape(self, image_shape: tuple[int, ...]) -> tuple[int, int, int]:
        """The shape of a patch: [size, size, channels]."""
        return self.size, self.size, image_shape[-1]

    def images_at_once(self, image_shape: tuple[int, ...], num_responses: int) -> int:
        """How many images are given features at once outside training."""
        return max(1, _NUMBERS_AT_ONCE // (math.prod(self.places(image_shape)) * num_responses))


class Whitening(NamedTuple):
    """What is taken from the patches of D numbers that are normalized, and what they are multiplied by."""

    mean: jax.Array  # [D]
    forward: jax.Array  # [D, D], symmetric
    inverse: jax.Array  # [D, D]

    def apply(self, rows: jax.Array) -> jax.Array:
        """Whitens rows [n, D]."""
        return jnp.matmul(rows - self.mean[None], self.forward, precision=_HIGHEST)

    def invert(self, rows: jax.Array) -> jax.Array:
        """Undoes `apply`."""
        return jnp.matmul(rows, self.inverse, precision=_HIGHEST) + self.mean[None]


def no_whitening(size: int) -> Whitening:
    """The whitening that leaves patches of `size` numbers as they are."""
    return Whitening(jnp.zeros(size), jnp.eye(size), jnp.eye(size))


def fit_whitening(rows: jax.Array, strength: jax.typing.ArrayLike) -> Whitening:
    """Fits ZCA whitening to rows [n, D]: variances along principal axes become λ / (λ + strength)."""
    mean = jnp.mean(rows, axis=0)
    centered = rows - mean[None]
    covariance = jnp.matmul(centered.T, centered, precision=_HIGHEST) / len(rows)
    variance, axes = jnp.linalg.eigh(covariance)
    deviation = jnp.sqrt(jnp.maximum(variance, 0.0) + strength)[None]
    forward, inverse = (jnp.matmul(axes * scale, axes.T, precision=_HIGHEST) for scale in (1 / deviation, deviation))
    return Whitening(mean, forward, inverse)


def draw_patches(key: jax.Array, image: jax.Array, size: int, num: int) -> jax.Array:
    """Draws `num` patches of each image, of any place alike: [batch · num, size, size, channels]."""
    batch, height, width, channels = image.shape
    row_key, column_key = jax.random.split(key)
    row = jax.random.randint(row_key, (batch, num), 0, height - size + 1)
    column = jax.random.randint(column_key, (batch, num), 0, width - size + 1)

    side = jnp.arange(size)[None, None]
    rows, columns = row[:, :, None] + side, column[:, :, None] + side
    patches = image[jnp.arange(batch)[:, None, None, None], rows[:, :, :, None], columns[:, :, None, :]]
    return patches.reshape(-1, size, size, channels)


def contrast(rows: jax.Array, added: jax.typing.ArrayLike) -> tuple[jax.Array, jax.Array]:
    """The mean of each row, and the root of its variance and what is `added` to it; both [n, 1]."""
    return jnp.mean(rows, axis=1, keepdims=True), jnp.sqrt(jnp.var(rows, axis=1, keepdims=True) + added)


def patches_at_all_places(image: jax.Array, config: PatchesConfig) -> jax.Array:
    """The patches of images [batch, height, width, channels] at every place, [batch, rows, columns, D]."""
    side, stride = (config.size, config.size), (config.stride, config.stride)
    return image_patches(image, side, stride, ((0, 0), (0, 0)))


def pooled(response: jax.Array, config: PatchesConfig) -> jax.Array:
    """Rectifies and pools responses [batch, rows, columns, K] to features, [batch, cells · K], or twice as many."""
    signs = (1.0, -1.0) if config.two_sided else (1.0,)
    rows, columns = (spans(length, config) for length in response.shape[1:3])
    cells = [
        _pool(sign * response[:, top:bottom, left:right], config)
        for top, bottom in rows
        for left, right in columns
        for sign in signs
    ]
    return flatten(jnp.stack(cells, axis=1))


def _pool(cell: jax.Array, config: PatchesConfig) -> jax.Array:
    rectified = jnp.maximum(cell - config.threshold, 0.0)
    return _POOLS[config.pool](rectified, axis=(1, 2))


def spans(length: int, config: PatchesConfig) -> list[Span]:
    """Where cells begin and end along an axis of so many places; windows that would leave the image are left out."""
    if config.window is None:
        edges = [round(index * length / config.grid) for index in range(config.grid + 1)]
        return list(itertools.pairwise(edges))
    step = config.window_stride or -(-config.window // 2)
    return [(start, start + config.window) for start in range(0, length - config.window + 1, step)]


def tiles(length: int, size: int) -> Iterator[int]:
    """Yields where patches begin that cover an axis of so many pixels, the last one at its end."""
    yield from (min(start, length - size) for start in range(0, length, size))
