"""Drawing images: by a generator or anything else that makes them of a key, in blocks, in the form of a data set."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from aejax import rng
from aejax.data import preprocessing
from aejax.data.resident import ResidentData
from aejax.samplers.generator import IMAGES_AT_ONCE

NUM_OF_CLASS, MOST_CLASSES = 6, 16  # In a picture of classes.
Draw = Callable[[int, jax.Array], jax.Array]  # How many and a key -> images.


def sampling_key(seed: jax.typing.ArrayLike, stream: str) -> jax.Array:
    """Returns the key that drawn images follow from; `seed` is that of the drawing, not of the training."""
    return rng.stream(rng.root(seed), f"{stream} images")


def expected_images(model: Any, variables: Any, data: ResidentData, label: jax.typing.ArrayLike | None = None) -> Draw:
    """What a generator draws, in pixel space, float32 and neither cut nor rounded: perhaps of one class alone."""

    def draw(num: int, key: jax.Array) -> jax.Array:
        labels = None if label is None else jnp.full(num, label, jnp.int32)
        output: Any = model.apply(variables, num, key, labels, method="generate")
        return preprocessing.invert(data.preprocessing, output, output)

    return draw


def generated(model: Any, variables: Any, data: ResidentData) -> Draw:
    """Draws images from a generator, in the form in which images of the data are stored."""
    draw = expected_images(model, variables, data)
    return lambda num, key: to_stored(data, draw(num, key))


def of_classes(model: Any, variables: Any, data: ResidentData) -> jax.Array:
    """Draws a few codes from the generator of a conditional family, and decodes each as each of the first classes.

    Returns:
      Images as stored, [NUM_OF_CLASS, at most MOST_CLASSES, height, width, channels], the same in every study.
    """
    num_classes, key = min(model.autoencoder.num_classes, MOST_CLASSES), sampling_key(0, "classes")
    output: Any = model.apply(variables, NUM_OF_CLASS, key, num_classes, method="generate_classes")
    shown = output.reshape(-1, *output.shape[2:])
    return to_stored(data, preprocessing.invert(data.preprocessing, shown, shown)).reshape(output.shape)


def to_stored(data: ResidentData, image: jax.Array) -> jax.Array:
    """Returns images in pixel space, in the form in which those of the data are stored; NaN is black."""
    image = jnp.clip(jnp.nan_to_num(image), 0, 1)
    stored = data.image["train"].dtype
    return jnp.round(255 * image).astype(jnp.uint8) if stored == jnp.uint8 else image.astype(stored)


def draw_block(draw: Draw, key: jax.Array, index: jax.typing.ArrayLike) -> jax.Array:
    """Returns the block of images at an index of all that follow from a key, [IMAGES_AT_ONCE, height, width, channels].

    So how many are asked for changes none of the first.
    """
    return draw(IMAGES_AT_ONCE, rng.at(key, index))


def draw_splits(draw: Draw, num: Mapping[str, int]) -> dict[str, jax.Array]:
    """Draws `num` images to stand beside each split, which are the same in every study."""

    def draw_all(count: int, key: jax.Array) -> jax.Array:
        images = jax.lax.map(functools.partial(draw_block, draw, key), jnp.arange(-(-count // IMAGES_AT_ONCE)))
        return images.reshape(-1, *images.shape[2:])[:count]

    return {split: draw_all(count, sampling_key(0, split)) for split, count in num.items()}
