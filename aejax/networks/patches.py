"""Patches of images: drawing them, normalizing and whitening them, and pooling what an encoder says of each place.

Source: Coates, Lee and Ng, "An analysis of single-layer networks in unsupervised feature learning", 2011; for the
two-sided soft threshold Coates and Ng, "The importance of encoding versus training with sparse coding and vector
quantization", 2011.
"""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax import lax

from aejax.config import NonNegativeFloat, PositiveFloat, PositiveInt, optional_part, traced
from aejax.networks.convolution import image_patches
from aejax.networks.layers import flatten
from aejax.networks.whitening import fit_whitening

Pool = Literal["sum", "mean", "max"]
NAMES_ABOVE = ("second", "third")  # Of the layers above the first.
Span = tuple[int, int]  # From one place on, up to another.

_NUMBERS_AT_ONCE = 2**20  # Of responses outside training: 8 times as many leave a CPU's cache, and take twice as long.
_HIGHEST = lax.Precision.HIGHEST


def layers_above(config: Any) -> dict[str, Any]:
    """The layers above the first that a config has, by the names of its fields."""
    return {name: layer for name in NAMES_ABOVE if (layer := getattr(config, name)) is not None}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchLayer:
    """Square patches of images or of maps, how they are normalized, and how responses to them become features."""

    INPUT: ClassVar[tuple[str, str]] = ("images", "pixels")  # What patches are of, and what that is made of.

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
            what, of_what = self.INPUT
            return f"size={self.size} is more than the {what}' {image_shape[0]} x {image_shape[1]} {of_what}"
        places = self.places(image_shape)
        if self.window is None and self.grid > min(places):
            return f"grid={self.grid} has more cells than the {places[0]} x {places[1]} places of a patch"
        if self.window is not None and self.window > min(places):
            return f"window={self.window} is more than the {places[0]} x {places[1]} places of a patch"
        numbers = math.prod(self.patch_shape(self.seen(image_shape)))
        if self.whitening is not None and self.fitted_to < numbers:
            return (
                f"fitted_to={self.fitted_to} patches are fewer than the {numbers} numbers of each, which is too few to "
                "whiten them; fit to more, or use whitening=null"
            )
        return None

    def seen(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of what is seen of images or maps of a shape: all of it."""
        return shape

    def places(self, image_shape: tuple[int, ...]) -> tuple[int, int]:
        """How many places of an image a patch has: (rows, columns)."""
        rows, columns = ((size - self.size) // self.stride + 1 for size in image_shape[:2])
        return rows, columns

    def patch_shape(self, image_shape: tuple[int, ...]) -> tuple[int, int, int]:
        """The shape of a patch: [size, size, channels]."""
        return self.size, self.size, image_shape[-1]

    def num_maps(self, num_responses: int) -> int:
        """How many maps its rectified responses are."""
        return num_responses * (2 if self.two_sided else 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerAbove(PatchLayer):
    """A layer above another: the family's autoencoder of patches of the maps below, trained once these are.

    The maps below are the rectified responses of the layer below, pooled over windows. With `groups` each group of
    units sees `group_size` of the maps: a random one, and those most similar to it.
    """

    INPUT: ClassVar[tuple[str, str]] = ("maps", "places")

    size: PositiveInt = 2  # Side of a patch, in places of the maps below.
    units: PositiveInt = 800  # Of all groups together; the family's latent_size, of a group's share of them.
    window_below: PositiveInt = 3  # Side of the windows over which responses below are pooled to maps, in places.
    stride_below: PositiveInt = 3  # Places from one of these windows to the next.
    pool_below: Pool = "max"
    groups: PositiveInt = 1
    group_size: PositiveInt | None = None  # Maps that a group sees; null: all.

    def maps_shape(self, below: PatchLayer, image_shape: tuple[int, ...], num_responses: int) -> tuple[int, int, int]:
        """The shape of the maps below: [rows, columns, maps], where the layer below has inputs of `image_shape`."""
        rows, columns = ((num - self.window_below) // self.stride_below + 1 for num in below.places(image_shape))
        return rows, columns, below.num_maps(num_responses)

    def misfit_below(self, below: PatchLayer, image_shape: tuple[int, ...], num_responses: int) -> str | None:
        """Returns which field does not go with the layer below, whose inputs have a shape, or None."""
        places = below.places(image_shape)
        if self.window_below > min(places):
            return f"window_below={self.window_below} is more than the {places[0]} x {places[1]} places below"
        shape = self.maps_shape(below, image_shape, num_responses)
        if self.group_size is not None and self.group_size > shape[-1]:
            return f"group_size={self.group_size} is more than the {shape[-1]} maps below"
        if self.units % self.groups:
            return f"groups={self.groups} cannot share units={self.units} evenly"
        return self.misfit(shape)

    def seen(self, maps_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the maps that a group sees."""
        return *maps_shape[:2], self.group_size or maps_shape[2]

    def step(self, below: PatchLayer) -> int:
        """How far apart two neighboring places of the maps are, in what the layer below sees."""
        return self.stride_below * below.stride

    def extent(self, num: int, below: PatchLayer) -> int:
        """The side of what the layer below must see for `num` places of the maps beside each other."""
        return ((num - 1) * self.stride_below + self.window_below - 1) * below.stride + below.size


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatchesConfig(PatchLayer):
    """An autoencoder of square patches, whose responses at all places of an image, pooled, are the image's features.

    In training each image gives `per_image` patches, drawn anew in every step. A patch is divided by its contrast and
    whitened (ZCA); what that takes is fitted to `fitted_to` patches of training images. At each place the encoder's
    responses z, before their activation, become max(z − threshold, 0), and max(−z − threshold, 0) beside it if
    `two_sided`. They are pooled over the cells of a grid, or over windows that may overlap.

    Layers above (`second`, `third`) are trained one after another, each on pooled maps of the one below it. Features
    are then those of all layers, or of the last.
    """

    second: LayerAbove | None = optional_part()  # A layer above; null: none.
    third: LayerAbove | None = optional_part()  # One above that.
    features_of: Literal["all", "last"] = "all"  # Of which layers classifiers are given features.

    @property
    def above(self) -> tuple[LayerAbove, ...]:
        """The layers above."""
        return tuple(layers_above(self).values())

    @property
    def layers(self) -> tuple[PatchLayer, ...]:
        """This layer and those above it."""
        return self, *self.above

    def misfit_of_layers(self, image_shape: tuple[int, ...], num_responses: int) -> str | None:
        """Returns which field of a layer does not go with images of a shape, or None.

        The first layer has `num_responses`.
        """
        misfit = self.misfit(image_shape)
        if misfit:
            return misfit
        below: PatchLayer = self
        for name, layer in layers_above(self).items():
            misfit = layer.misfit_below(below, image_shape, num_responses)
            if misfit:
                return f"{name}.{misfit}"
            image_shape = layer.maps_shape(below, image_shape, num_responses)
            below, num_responses = layer, layer.units
        return None

    def shapes(self, image_shape: tuple[int, ...], num_responses: int) -> list[tuple[int, ...]]:
        """The shapes of what layers see, [rows, columns, channels or maps]; the first layer has so many responses."""
        below, shapes = self.layers[0], [image_shape]
        for above in self.above:
            shapes.append(above.maps_shape(below, shapes[-1], num_responses))
            below, num_responses = above, above.units
        return shapes

    def patch_shapes(self, image_shape: tuple[int, ...], num_responses: int) -> list[tuple[int, ...]]:
        """The shapes of the patches that the autoencoders of layers see."""
        shapes = self.shapes(image_shape, num_responses)
        above = [layer.patch_shape(layer.seen(shape)) for layer, shape in zip(self.above, shapes[1:], strict=True)]
        return [self.patch_shape(image_shape), *above]

    def crop(self, layer: int) -> tuple[int, int]:
        """What of an image one patch of a layer needs: its side, and how many pixels apart two such places are."""
        side, step = self.layers[layer].size, 1
        for below, above in reversed(list(zip(self.layers, self.above[:layer], strict=False))):
            side, step = above.extent(side, below), step * above.step(below)
        return side, step

    def images_at_once(self, image_shape: tuple[int, ...], num_responses: int) -> int:
        """How many images are given features at once outside training."""
        shapes = self.shapes(image_shape, num_responses)
        patches = self.patch_shapes(image_shape, num_responses)
        numbers = math.prod(self.places(image_shape)) * num_responses
        for layer, shape, patch in zip(self.above, shapes[1:], patches[1:], strict=True):
            numbers = max(numbers, math.prod(layer.places(shape)) * max(layer.units, layer.groups * math.prod(patch)))
        return max(1, _NUMBERS_AT_ONCE // numbers)


def draw_patches(key: jax.Array, image: jax.Array, size: int, num: int, step: int = 1) -> jax.Array:
    """Draws `num` patches of each image, of any place alike: [batch · num, size, size, channels].

    Places are `step` pixels apart.
    """
    batch, height, width, channels = image.shape
    row_key, column_key = jax.random.split(key)
    row = step * jax.random.randint(row_key, (batch, num), 0, (height - size) // step + 1)
    column = step * jax.random.randint(column_key, (batch, num), 0, (width - size) // step + 1)

    side = jnp.arange(size)[None, None]
    rows, columns = row[:, :, None] + side, column[:, :, None] + side
    patches = image[jnp.arange(batch)[:, None, None, None], rows[:, :, :, None], columns[:, :, None, :]]
    return patches.reshape(-1, size, size, channels)


def contrast(rows: jax.Array, added: jax.typing.ArrayLike) -> tuple[jax.Array, jax.Array]:
    """The mean of each row, and the root of its variance and what is `added` to it; both [n, 1]."""
    return jnp.mean(rows, axis=1, keepdims=True), jnp.sqrt(jnp.var(rows, axis=1, keepdims=True) + added)


def patches_at_all_places(image: jax.Array, config: PatchLayer) -> jax.Array:
    """The patches of images [batch, height, width, channels] at every place, [batch, rows, columns, D]."""
    side, stride = (config.size, config.size), (config.stride, config.stride)
    return image_patches(image, side, stride, ((0, 0), (0, 0)))


def pooled(response: jax.Array, config: PatchLayer) -> jax.Array:
    """Rectifies and pools responses [batch, rows, columns, K] to features, [batch, cells · K], or twice as many."""
    signs = (1.0, -1.0) if config.two_sided else (1.0,)
    rows, columns = (spans(length, config) for length in response.shape[1:3])
    of_rows = _lines(response)
    cells = []
    for top, bottom in rows:
        # A row added to the next: XLA's sum over rows and columns takes as long on CPUs as the responses themselves.
        bands = [_combine([_rectify(sign * row, config) for row in of_rows[top:bottom]], config.pool) for sign in signs]
        of_columns = [_lines(band) for band in bands]
        for left, right in columns:
            cells += [_combine(lines[left:right], config.pool) for lines in of_columns]
    return flatten(jnp.stack(cells, axis=1))


def _lines(response: jax.Array) -> list[jax.Array]:
    """Cuts responses along their second axis; the gradient puts all together at once, where that of indices adds up."""
    return [jnp.squeeze(line, axis=1) for line in jnp.split(response, response.shape[1], axis=1)]


def _combine(parts: list[jax.Array], pool: Pool) -> jax.Array:
    """The elementwise sum, mean or maximum of arrays."""
    if pool == "max":
        return functools.reduce(jnp.maximum, parts)
    total = functools.reduce(jnp.add, parts)
    return total / len(parts) if pool == "mean" else total


def _rectify(response: jax.Array, config: PatchLayer) -> jax.Array:
    return jnp.maximum(response - config.threshold, 0.0)


def maps_of(response: jax.Array, below: PatchLayer, above: LayerAbove) -> jax.Array:
    """Rectifies responses of a layer, [batch, rows, columns, K], and pools them to maps for the layer above.

    Returns:
      [batch, rows, columns, maps], one for each window.
    """
    rectified = _rectify(response, below)
    if below.two_sided:
        rectified = jnp.concatenate([rectified, _rectify(-response, below)], axis=-1)
    side, stride = above.window_below, above.stride_below
    rows, columns = ((size - side) // stride * stride + 1 for size in response.shape[1:3])
    # The first places of all windows, the second ones, ...: XLA's gradient of a window's maximum is slow on CPUs.
    places = [
        rectified[:, row : row + rows : stride, column : column + columns : stride]
        for row in range(side)
        for column in range(side)
    ]
    return _combine(places, above.pool_below)


def similar_maps(rows: jax.Array, num: int, size: int, whitening: jax.typing.ArrayLike | None) -> jax.Array:
    """Groups maps by what they are of at the same places: int32 [num, size], ascending in each group.

    A group is a random map, and those whose squares, once all are standardized and whitened, correlate most with its.

    Source: Coates and Ng, "Selecting receptive fields in deep networks", 2011.

    Args:
      rows: the maps at some places, [n, maps].
      num: how many groups.
      size: how many maps each has.
      whitening: the strength; None: maps are not whitened.
    """
    deviation = jnp.std(rows, axis=0)
    standard = (rows - jnp.mean(rows, axis=0)[None]) / jnp.where(deviation > 0, deviation, 1.0)[None]
    if whitening is not None:
        standard = fit_whitening(standard, whitening).apply(standard)
    energy = jnp.square(standard)
    energy = energy - jnp.mean(energy, axis=0)[None]
    energy = energy / jnp.maximum(jnp.linalg.norm(energy, axis=0), jnp.finfo(jnp.float32).tiny)[None]
    order = jax.random.permutation(jax.random.key(0), rows.shape[1])
    seeds = order[jnp.arange(num) % len(order)]
    similarity = jnp.matmul(energy[:, seeds].T, energy, precision=_HIGHEST)
    similarity = similarity.at[jnp.arange(num), seeds].set(jnp.inf)
    return jnp.sort(lax.top_k(similarity, size)[1], axis=1).astype(jnp.int32)


def spans(length: int, config: PatchLayer) -> list[Span]:
    """Where cells begin and end along an axis of so many places; windows that would leave the image are left out."""
    if config.window is None:
        edges = [round(index * length / config.grid) for index in range(config.grid + 1)]
        return list(itertools.pairwise(edges))
    step = config.window_stride or -(-config.window // 2)
    return [(start, start + config.window) for start in range(0, length - config.window + 1, step)]


def tiles(length: int, size: int) -> Iterator[int]:
    """Yields where patches begin that cover an axis of so many pixels, the last one at its end."""
    yield from (min(start, length - size) for start in range(0, length, size))
