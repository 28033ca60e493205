"""Which squares of an image are hidden and which are seen: drawn on the device, in numbers that are known beforehand.

Squares lie beside each other and cover the image. They are counted row by row, as a vision transformer counts tokens.
Several squares of an image, one below the other, are a strip: [squares · side, side, channels].
"""

import functools
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aejax.data.augmentation import draw_rectangles

Pattern = Literal["random", "block", "grid"]
Grid = tuple[int, int]  # Rows and columns of squares.

_NUM_BLOCKS = 16  # Rectangles that are drawn for "block"; the first few cover what is to be hidden.


class Masks(NamedTuple):
    """The squares of each image that are seen, and those that are hidden: together each of them once."""

    visible: jax.Array  # int32 [batch, visible squares]
    hidden: jax.Array  # int32 [batch, hidden squares]

    @property
    def order(self) -> jax.Array:
        """The visible squares and after them the hidden ones, int32 [batch, squares]."""
        return jnp.concatenate([self.visible, self.hidden], axis=1)

    @property
    def inverse(self) -> jax.Array:
        """The place of each square in `order`, int32 [batch, squares]: the inverse permutation."""
        return jnp.argsort(self.order, axis=1)

    @property
    def is_hidden(self) -> jax.Array:
        """Whether each square is hidden, bool [batch, squares]."""
        return self.inverse >= self.visible.shape[1]


def num_hidden(ratio: float, num_squares: int) -> int:
    """Returns how many of some squares are hidden: the whole number nearest to the ratio's share of them."""
    return math.floor(ratio * num_squares + 0.5)


def draw_masks(key: jax.Array, num_images: int, grid: Grid, hidden: int, pattern: Pattern) -> Masks:
    """Returns masks that hide exactly so many squares of each image, each image's drawn by itself.

    Args:
      key: of the draw.
      num_images: how many images there are.
      grid: rows and columns of squares.
      hidden: how many squares are hidden.
      pattern: random: any squares alike. block: rectangles of squares, one after another, until so many are covered (of
        the last a random part); each has the area of a quarter to all of the hidden squares, and sides in the ratio of
        0.3 to 1 / 0.3. grid: visible squares are as far from each other as so many can be; where the grid begins is
        random. Of hidden shares of 3/4 and 1/2 it is every second square of every second row, and a chessboard.

    Source: He et al., "Masked autoencoders are scalable vision learners", 2022, for all three; for blocks Bao, Dong,
    Piao and Wei, "BEiT: BERT pre-training of image transformers", 2022, algorithm 1.
    """
    order = jnp.argsort(_RANKS[pattern](key, num_images, grid, hidden), axis=1)
    num_visible = math.prod(grid) - hidden
    return Masks(order[:, :num_visible], order[:, num_visible:])


# Each returns a number for every square, [images, squares]: those with the largest are hidden.


def _random_ranks(key: jax.Array, num_images: int, grid: Grid, hidden: int) -> jax.Array:
    del hidden
    return jax.random.uniform(key, (num_images, math.prod(grid)))


def _block_ranks(key: jax.Array, num_images: int, grid: Grid, hidden: int) -> jax.Array:
    block_key, tie_key = jax.random.split(key)
    areas = (hidden / 4, float(hidden))
    blocks = draw_rectangles(block_key, (num_images, _NUM_BLOCKS, 1, 1), grid, areas)
    rows, columns = jnp.arange(grid[0])[:, None], jnp.arange(grid[1])[None]
    is_covered = blocks.contain(rows[None, None], columns[None, None]).reshape(num_images, _NUM_BLOCKS, -1)
    first = jnp.where(jnp.any(is_covered, axis=1), jnp.argmax(is_covered, axis=1), _NUM_BLOCKS)
    return jax.random.uniform(tie_key, first.shape) - first


def _grid_ranks(key: jax.Array, num_images: int, grid: Grid, hidden: int) -> jax.Array:
    del hidden
    threshold = _ordered_dither(max(grid))
    first = jax.random.randint(key, (2, num_images, 1, 1), 0, len(threshold))
    rows = (first[0] + jnp.arange(grid[0])[None, :, None]) % len(threshold)
    columns = (first[1] + jnp.arange(grid[1])[None, None]) % len(threshold)
    return jnp.asarray(threshold)[rows, columns].reshape(num_images, -1)


@functools.cache
def _ordered_dither(size: int) -> np.ndarray:
    """Returns the places of a square grid in an order in which the first of them are always spread evenly.

    The index matrix of ordered dithering, of the least power of two that is at least `size` (Bayer, "An optimum method
    for two-level rendition of continuous-tone pictures", 1973).
    """
    matrix = np.zeros((1, 1), np.int32)
    while len(matrix) < size:
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    return matrix


_RANKS: dict[Pattern, Callable[[jax.Array, int, Grid, int], jax.Array]] = {
    "random": _random_ranks,
    "block": _block_ranks,
    "grid": _grid_ranks,
}


def to_squares(image: jax.Array, side: int) -> jax.Array:
    """Returns the squares of images [batch, height, width, channels], [batch, squares, side, side, channels]."""
    batch, height, width, channels = image.shape
    squares = image.reshape(batch, height // side, side, width // side, side, channels).transpose(0, 1, 3, 2, 4, 5)
    return squares.reshape(batch, -1, side, side, channels)


def to_image(squares: jax.Array, grid: Grid) -> jax.Array:
    """Returns images from their squares: the inverse of `to_squares`."""
    batch, _, side, _, channels = squares.shape
    rows = squares.reshape(batch, *grid, side, side, channels).transpose(0, 1, 3, 2, 4, 5)
    return rows.reshape(batch, grid[0] * side, grid[1] * side, channels)


def take_squares(image: jax.Array, indices: jax.Array, side: int) -> jax.Array:
    """Returns the squares of images at indices [batch, n] as strips, [batch, n · side, side, channels]."""
    batch, channels = image.shape[0], image.shape[-1]
    squares = to_squares(image, side).reshape(batch, -1, side * side * channels)
    taken = jnp.take_along_axis(squares, indices[:, :, None], axis=1)
    return taken.reshape(batch, indices.shape[1] * side, side, channels)


def put_squares(image: jax.Array, indices: jax.Array, strip: jax.Array) -> jax.Array:
    """Returns images with the squares of strips, [batch, n · side, side, channels], at indices [batch, n]."""
    batch, height, width, channels = image.shape
    side = strip.shape[2]
    own = strip.reshape(batch, indices.shape[1], side, side, channels).astype(image.dtype)
    squares = to_squares(image, side).at[jnp.arange(batch)[:, None], indices].set(own)
    return to_image(squares, (height // side, width // side))


def cover(image: jax.Array, masks: Masks, side: int, value: jax.Array) -> jax.Array:
    """Returns images whose hidden squares have one value for each channel, [channels]."""
    height, width = image.shape[1:3]
    grid = masks.is_hidden.reshape(-1, height // side, width // side)
    is_hidden = jnp.repeat(jnp.repeat(grid, side, axis=1), side, axis=2)
    return jnp.where(is_hidden[..., None], value[None, None, None].astype(image.dtype), image)
