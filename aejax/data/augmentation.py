"""Random changes of training images on the device: for each example, step and member its own. Never in evaluation."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates
from jax.typing import ArrayLike

from aejax.config import NonNegativeInt, PositiveFloat, PositiveInt, Share, traced


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What may happen to a training image, in this order. By default nothing does."""

    flip: Share | None = traced(None)  # Probability of mirroring left and right; 0.5 for most photographs.
    rotation: PositiveFloat | None = traced(None)  # Largest angle either way, in degrees, about the center.
    shear: PositiveFloat | None = traced(None)  # Largest slant either way: columns between a row and the next.
    zoom: PositiveFloat | None = traced(None)  # Largest growth, and as often shrinking: 0.1 for 1 / 1.1 to 1.1 times.
    shift: NonNegativeInt = 0  # Most pixels up, down, left and right; what comes in is black.
    cutout: PositiveInt | None = traced(None)  # Side of a black square somewhere, in pixels (DeVries & Taylor, 2017).

    def is_on(self) -> bool:
        """Returns whether anything happens at all."""
        return bool(self.shift) or any(part is not None for part in (self.flip, self.cutout, *self._affine()))

    def _affine(self) -> tuple[ArrayLike | None, ...]:
        return self.rotation, self.shear, self.zoom


def augment(config: Augmentation, key: jax.Array, image: jax.Array) -> jax.Array:
    """Returns changed copies of images in [0, 1], float32 [batch, height, width, channels], each changed by itself."""
    keys = jax.random.split(key, image.shape[0])
    return jax.vmap(lambda key, image: _augment_one(config, key, image))(keys, image)


def _augment_one(config: Augmentation, key: jax.Array, image: jax.Array) -> jax.Array:
    import dm_pix

    # A key for each kind of change, used or not: switching one on leaves the others as they were.
    flip_key, rotation_key, shift_key, cutout_key, shear_key, zoom_key = jax.random.split(key, 6)
    height, width, channels = image.shape
    if config.flip is not None:
        image = dm_pix.random_flip_left_right(flip_key, image, probability=config.flip)
    if any(part is not None for part in config._affine()):
        draw = functools.partial(jax.random.uniform, minval=-1.0)
        angle = 0.0 if config.rotation is None else jnp.deg2rad(config.rotation) * draw(rotation_key)
        shear = 0.0 if config.shear is None else config.shear * draw(shear_key)
        zoom = 1.0 if config.zoom is None else (1 + jnp.asarray(config.zoom)) ** draw(zoom_key)
        image = transform(image, angle, shear, zoom)
    if config.shift:
        padded = dm_pix.pad_to_size(image, height + 2 * config.shift, width + 2 * config.shift)
        image = dm_pix.random_crop(shift_key, padded, (height, width, channels))
    if config.cutout is not None:
        image = _cut_out(cutout_key, image, config.cutout)
    return image


def transform(image: jax.Array, angle: ArrayLike, shear: ArrayLike = 0.0, zoom: ArrayLike = 1.0) -> jax.Array:
    """Returns an image [height, width, channels] zoomed, slanted and turned about its center; what comes in is black.

    `dm_pix.rotate` interpolates between channels as well, and takes 30 times as long on a CPU.

    Args:
      image: floats.
      angle: counter-clockwise, in radians.
      shear: how many columns to the right each row is moved beside the one below it.
      zoom: the factor by which things grow.
    """
    height, width, _ = image.shape
    centered = (jnp.arange(size) - (size - 1) / 2 for size in (height, width))
    rows, columns = jnp.meshgrid(*centered, indexing="ij")
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    # Where each pixel comes from: the inverses, in the opposite order.
    rows, columns = cos * rows + sin * columns, cos * columns - sin * rows
    columns = columns + shear * rows
    source = [rows / zoom + (height - 1) / 2, columns / zoom + (width - 1) / 2]
    sample = functools.partial(map_coordinates, coordinates=source, order=1, mode="constant")
    return jax.vmap(sample, in_axes=-1, out_axes=-1)(image)


def _cut_out(key: jax.Array, image: jax.Array, side: int) -> jax.Array:
    """Returns an image with a black square whose center is anywhere, so that parts of it may lie outside."""
    row_key, column_key = jax.random.split(key)
    row = jax.random.randint(row_key, (), 0, image.shape[0]) - side // 2
    column = jax.random.randint(column_key, (), 0, image.shape[1]) - side // 2
    return fill_square(image, row, column, side, 0.0)


def fill_square(image: jax.Array, row: ArrayLike, column: ArrayLike, side: ArrayLike, value: ArrayLike) -> jax.Array:
    """Returns an image [height, width, channels] whose pixels in a square, from (row, column) on, have one value."""
    inside = []
    for size, first in zip(image.shape[:2], (row, column), strict=True):
        coordinate = jnp.arange(size)
        inside.append((coordinate >= first) & (coordinate < first + side))
    square = inside[0][:, None] & inside[1][None, :]
    return jnp.where(square[:, :, None], value, image)
