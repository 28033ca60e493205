"""Random changes of training images on the device: for each example, step and member its own. Never in evaluation."""

import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates
from jax.typing import ArrayLike
from pydantic import Field

from aejax import rng
from aejax.config import NonNegativeInt, PositiveFloat, PositiveInt, Share, traced

Strength = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
ErasedShare = Annotated[float, Field(ge=0.02, le=1, allow_inf_nan=False)]
Turn = Annotated[float, Field(ge=0, le=0.5, allow_inf_nan=False)]
LUMA = (0.299, 0.587, 0.114)  # Of red, green and blue: ITU-R 601, as where pictures become gray.
_LEAST_ERASED = 0.02  # Of an image: the share that random erasing takes at least.
_LONGEST = 1 / 0.3  # Of a rectangle: how much longer one side may be than the other.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes of a training image, which happen in this order. By default nothing does.

    Colors change as torchvision's ColorJitter changes them, but always in this order. A strength s draws a factor f
    from 1 - s to 1 + s for each image, and the image becomes f * image + (1 - f) * other, cut to [0, 1]. A strength of
    0 changes nothing.
    """

    brightness: Strength | None = traced(None)  # The other image is black.
    contrast: Strength | None = traced(None)  # The other image is uniform: the mean of the image's gray version.
    saturation: Strength | None = traced(None)  # The other image is the gray version (luma of ITU-R 601).
    hue: Turn | None = traced(None)  # Largest turn of the color circle (of HSV) either way; 0.5 reaches every hue.
    flip: Share | None = traced(None)  # Probability of mirroring left and right; 0.5 for most photographs.
    rotation: PositiveFloat | None = traced(None)  # Largest angle either way, in degrees, about the center.
    shear: PositiveFloat | None = traced(None)  # Largest slant either way: columns between a row and the next.
    zoom: PositiveFloat | None = traced(None)  # Largest growth, and as often shrinking: 0.1 for 1 / 1.1 to 1.1 times.
    shift: NonNegativeInt = 0  # Most pixels up, down, left and right; what comes in is black.
    cutout: PositiveInt | None = traced(None)  # Side of a black square somewhere, in pixels (DeVries & Taylor, 2017).
    # Probability that a rectangle becomes noise, uniform in [0, 1] (random erasing, Zhong et al., 2020); its sides have
    # the ratio of 0.3 to 1 / 0.3, and it takes 0.02 of the image to `erasing_area`.
    erasing: Share | None = traced(None)
    erasing_area: ErasedShare = traced(0.4)

    def is_on(self) -> bool:
        """Returns whether anything happens at all."""
        parts = (self.flip, self.cutout, self.erasing, *self._affine(), *self._colors())
        return bool(self.shift) or any(part is not None for part in parts)

    def misfits(self, field: str, image_shape: tuple[int, ...]) -> Iterator[str]:
        """Yields which changes images of a shape cannot have; `field` is the path of this config in the whole one."""
        if image_shape[-1] != len(LUMA):
            for name in ("saturation", "hue"):
                if getattr(self, name) is not None:
                    channels = "one channel" if image_shape[-1] == 1 else f"{image_shape[-1]} channels"
                    yield f"{field}.{name} changes the colors of red, green and blue; images of {channels} have none"

    def _colors(self) -> tuple[ArrayLike | None, ...]:
        return self.brightness, self.contrast, self.saturation, self.hue

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
    if any(part is not None for part in config._colors()):
        image = _recolor(config, rng.stream(key, "colors"), image)
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
    if config.erasing is not None:
        image = _erase(rng.stream(key, "erasing"), image, config.erasing, config.erasing_area)
    return image


def _recolor(config: Augmentation, key: jax.Array, image: jax.Array) -> jax.Array:
    brightness_key, contrast_key, saturation_key, hue_key = jax.random.split(key, 4)
    draw = functools.partial(jax.random.uniform, minval=-1.0)
    if config.brightness is not None:
        image = brighten(image, 1 + config.brightness * draw(brightness_key))
    if config.contrast is not None:
        image = change_contrast(image, 1 + config.contrast * draw(contrast_key))
    if config.saturation is not None:
        image = saturate(image, 1 + config.saturation * draw(saturation_key))
    if config.hue is not None:
        image = turn_hue(image, config.hue * draw(hue_key))
    return image


def brighten(image: jax.Array, factor: ArrayLike) -> jax.Array:
    """Returns an image [height, width, channels] in [0, 1] with its pixels multiplied by a factor, cut to [0, 1]."""
    return _blend(image, 0.0, factor)


def change_contrast(image: jax.Array, factor: ArrayLike) -> jax.Array:
    """Returns an image in [0, 1] with its differences from its mean gray multiplied by a factor, cut to [0, 1]."""
    gray = _gray(image) if image.shape[-1] == len(LUMA) else image
    return _blend(image, gray.mean(), factor)


def saturate(image: jax.Array, factor: ArrayLike) -> jax.Array:
    """Returns an RGB image in [0, 1] with its differences from its gray multiplied by a factor, cut to [0, 1]."""
    return _blend(image, _gray(image), factor)


def turn_hue(image: jax.Array, turn: ArrayLike) -> jax.Array:
    """Returns an RGB image in [0, 1] with hues (of HSV) turned by a share of the color circle; of 0 exactly the image.

    Red becomes green after a third of a turn.
    """
    import dm_pix

    return jnp.where(turn == 0, image, jnp.clip(dm_pix.adjust_hue(image, turn), 0.0, 1.0))


def _gray(image: jax.Array) -> jax.Array:
    """Returns the luma of an RGB image, [height, width, 1]."""
    return jnp.sum(image * jnp.asarray(LUMA)[None, None], axis=-1, keepdims=True)


def _blend(image: jax.Array, other: ArrayLike, factor: ArrayLike) -> jax.Array:
    factor = jnp.asarray(factor)
    return jnp.clip(factor * image + (1 - factor) * other, 0.0, 1.0)


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


def _erase(key: jax.Array, image: jax.Array, probability: ArrayLike, most: ArrayLike) -> jax.Array:
    """Returns an image with noise in a rectangle of at most a share of it, with a probability; else the image."""
    area = image.shape[0] * image.shape[1]
    chance_key, rectangle_key, noise_key = jax.random.split(key, 3)
    rectangle = draw_rectangles(rectangle_key, (), image.shape[:2], (_LEAST_ERASED * area, most * area))
    is_erased = jax.random.bernoulli(chance_key, probability)
    noise = jax.random.uniform(noise_key, image.shape)
    return jnp.where(is_erased & rectangle.of_image(image.shape[:2]), noise, image)


def fill_square(image: jax.Array, row: ArrayLike, column: ArrayLike, side: ArrayLike, value: ArrayLike) -> jax.Array:
    """Returns an image [height, width, channels] whose pixels in a square, from (row, column) on, have one value."""
    square = Rectangles(row, column, side, side)
    return jnp.where(square.of_image(image.shape[:2]), value, image)


class Rectangles(NamedTuple):
    """Rectangles of pixels, or of other places of a grid: arrays of one shape."""

    top: ArrayLike
    left: ArrayLike
    height: ArrayLike
    width: ArrayLike

    def contain(self, row: jax.Array, column: jax.Array) -> jax.Array:
        """Whether the places in rows and columns lie in them, of the shape that all have when they are broadcast."""
        inside_rows = (row >= self.top) & (row < self.top + jnp.asarray(self.height))
        return inside_rows & (column >= self.left) & (column < self.left + jnp.asarray(self.width))

    def of_image(self, size: tuple[int, ...]) -> jax.Array:
        """Whether each pixel of an image lies in a single rectangle, bool [height, width, 1]."""
        return self.contain(jnp.arange(size[0])[:, None, None], jnp.arange(size[1])[None, :, None])


def draw_rectangles(
    key: jax.Array, shape: tuple[int, ...], size: tuple[int, ...], areas: tuple[ArrayLike, ArrayLike]
) -> Rectangles:
    """Returns rectangles within a grid, at random places, as arrays of `shape`.

    Their areas are uniform between two numbers of places, and their heights 0.3 to 1 / 0.3 times their widths, uniform
    in the logarithm; then sides are rounded, and cut where they are longer than the grid's.
    """
    draws = jax.random.uniform(key, (4, *shape))
    area = areas[0] + (areas[1] - jnp.asarray(areas[0])) * draws[0]
    stretch = jnp.exp(0.5 * math.log(_LONGEST) * (2 * draws[1] - 1))  # The root of height / width.
    height = jnp.clip(jnp.round(jnp.sqrt(area) * stretch), 1, size[0])
    width = jnp.clip(jnp.round(jnp.sqrt(area) / stretch), 1, size[1])
    top, left = jnp.floor(draws[2] * (size[0] - height + 1)), jnp.floor(draws[3] * (size[1] - width + 1))
    return Rectangles(top, left, height, width)
