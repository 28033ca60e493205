"""Robustness: what corrupting test images does to their reconstructions and to the linear probe.

After Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", 2019:
corruptions at five severities that training does not know. Noise and contrast have the strengths of their ImageNet-C;
the others are chosen for small images. Their mean corruption error needs two methods, so it is the report's.
"""

import functools
import math
from collections.abc import Callable
from typing import cast

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from aejax import rng
from aejax.data import preprocessing
from aejax.data.augmentation import fill_square
from aejax.data.preprocessing import Array
from aejax.evaluation import image_metrics

CORRUPTED = "corrupted"  # What their features are called beside those of the splits.
NUM_IMAGES = 1000  # The first of the test images: the features of thirty copies are kept at once.
SEED = 0  # What is drawn never depends on a run's seed: all members and methods meet the same images.

# How strong each corruption is at severities 1 to 5.
STRENGTHS = {
    "noise": (0.08, 0.12, 0.18, 0.26, 0.38),  # Standard deviation of Gaussian noise.
    "blur": (0.02, 0.04, 0.06, 0.08, 0.1),  # Standard deviation of a Gaussian window, as a share of the shorter side.
    "occlusion": (0.125, 0.25, 0.375, 0.5, 0.625),  # Side of a gray square, as a share of the shorter side.
    "contrast": (0.4, 0.3, 0.2, 0.1, 0.05),  # What is left of each pixel's distance from its image's mean.
    "shift": (0.05, 0.1, 0.15, 0.2, 0.25),  # Along both axes, as a share of the shorter side.
    "rotation": (10.0, 20.0, 30.0, 40.0, 50.0),  # Degrees, one way or the other.
}

_GRAY = 0.5  # Visible on black and on white.
_IMAGES_AT_ONCE = 250


def corrupt(name: str, image: jax.Array, strength: ArrayLike) -> jax.Array:
    """Returns corrupted copies of images, both float32 [n, height, width, channels] in [0, 1].

    What is drawn (noise, a place, a direction) depends on the corruption and an image's index alone: it is the same at
    every strength, so that a stronger corruption of an image is the weaker one, and more.
    """
    key = rng.stream(rng.root(SEED), name)

    def one(row: tuple[jax.Array, jax.Array]) -> jax.Array:
        index, image = row
        return jnp.clip(_CORRUPTIONS[name](rng.at(key, index), image, jnp.asarray(strength)), 0.0, 1.0)

    num = image.shape[0]
    return jax.lax.map(one, (jnp.arange(num), image), batch_size=min(_IMAGES_AT_ONCE, num))


def describe(
    encode: Callable[[jax.Array], jax.Array] | None,
    reconstruct: Callable[[jax.Array], jax.Array] | None,
    stored: Array,
) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """Returns how far reconstructions of corrupted test images are from the CLEAN images, and the corrupted features.

    Args:
      encode: gives the features of images in [0, 1]; None: they are not wanted.
      reconstruct: gives their reconstructions; None: there are none.
      stored: the test images, of which the first `NUM_IMAGES` are taken.

    Returns:
      `test_<corruption>_<severity>_mse` and their mean `test_corrupted_mse`, scalars, if there are reconstructions; and
      under `CORRUPTED` the features [corruptions * severities, images, size], if they are wanted.
    """
    image = preprocessing.to_unit(stored[:NUM_IMAGES])
    corruptions = [functools.partial(corrupt, name, image) for name in STRENGTHS]
    index = [i for i, strengths in enumerate(STRENGTHS.values()) for _ in strengths]
    strength = [strength for strengths in STRENGTHS.values() for strength in strengths]

    def one(setting: tuple[jax.Array, jax.Array]) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
        corrupted = jax.lax.switch(setting[0], corruptions, setting[1])
        errors, features = {}, {}
        if reconstruct is not None:
            errors["mse"] = jnp.mean(image_metrics.mean_squared_error(image, reconstruct(corrupted)))
        if encode is not None:
            features[CORRUPTED] = encode(corrupted)
        return errors, features

    # A loop over all of them, because thirty networks in one program would take long to compile.
    errors, features = jax.lax.map(one, (jnp.asarray(index), jnp.asarray(strength)))
    return _by_name("mse", errors["mse"]) if errors else {}, features


def accuracies(
    accuracy: Callable[[jax.Array, jax.Array], jax.Array], features: jax.Array, label: jax.Array
) -> dict[str, jax.Array]:
    """Returns `test_<corruption>_<severity>_probe_accuracy` and their mean `test_corrupted_probe_accuracy`, scalars.

    Args:
      accuracy: of a classifier that was fitted to clean images, as `linear_probe` returns it.
      features: of corrupted images, as `describe` returned them.
      label: of the test images.
    """
    label = label[: features.shape[1]]
    return _by_name("probe_accuracy", jax.lax.map(lambda one: accuracy(one, label), features))


def _by_name(metric: str, values: jax.Array) -> dict[str, jax.Array]:
    """Returns values [corruptions * severities] as scalars by name, and their mean."""
    names = [
        f"test_{name}_{severity}_{metric}"
        for name, strengths in STRENGTHS.items()
        for severity in range(1, len(strengths) + 1)
    ]
    return dict(zip(names, values, strict=True)) | {f"test_corrupted_{metric}": jnp.mean(values)}


# What follows is of one image, [height, width, channels]; the result may leave [0, 1].


def _add_noise(key: jax.Array, image: jax.Array, strength: jax.Array) -> jax.Array:
    return image + strength * jax.random.normal(key, image.shape)


def _blur(key: jax.Array, image: jax.Array, strength: jax.Array) -> jax.Array:
    import dm_pix

    del key
    side = _side(image)
    radius = math.ceil(3 * STRENGTHS["blur"][-1] * side)
    # What lies beyond the edge is like the edge; black would darken it.
    padded = jnp.pad(image, ((radius, radius), (radius, radius), (0, 0)), "edge")
    return dm_pix.gaussian_blur(padded, strength * side, 2 * radius + 1, padding="VALID")


def _occlude(key: jax.Array, image: jax.Array, strength: jax.Array) -> jax.Array:
    height, width, _ = image.shape
    side = jnp.round(strength * _side(image))
    # Places of larger squares hold those of smaller ones.
    share = jax.random.uniform(key, (2,))
    row, column = jnp.floor(share[0] * (height - side + 1)), jnp.floor(share[1] * (width - side + 1))
    return fill_square(image, row, column, side, _GRAY)


def _reduce_contrast(key: jax.Array, image: jax.Array, strength: jax.Array) -> jax.Array:
    import dm_pix

    del key
    return dm_pix.adjust_contrast(image, strength)


def _shift(key: jax.Array, image: jax.Array, strength: jax.Array) -> jax.Array:
    import dm_pix

    pixels = strength * _side(image) * jax.random.rademacher(key, (2,), jnp.float32)
    return dm_pix.affine_transform(image, jnp.ones(3), offset=jnp.append(pixels, 0.0), mode="constant")


def _rotate(key: jax.Array, image: jax.Array, strength: jax.Array) -> jax.Array:
    import dm_pix

    angle = jnp.deg2rad(strength) * jax.random.rademacher(key, (), jnp.float32)
    return dm_pix.rotate(image, cast(float, angle), mode="constant")


def _side(image: jax.Array) -> int:
    return min(image.shape[:2])


_CORRUPTIONS = {
    "noise": _add_noise,
    "blur": _blur,
    "occlusion": _occlude,
    "contrast": _reduce_contrast,
    "shift": _shift,
    "rotation": _rotate,
}
