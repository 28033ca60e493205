"""Robustness: what corrupting test images does to their reconstructions and to the linear probe.

After Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", 2019:
corruptions at five severities that training does not know. Noise and contrast have the strengths of their ImageNet-C;
the others are chosen for small images. Their mean corruption error needs two methods, so it is the report's.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from aejax import rng
from aejax.data import preprocessing
from aejax.data.augmentation import fill_square, transform
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

    What is drawn for each image (noise, a place, a direction) is the same at every strength, so that a stronger
    corruption of an image is the weaker one, and more.
    """
    key = rng.stream(rng.root(SEED), name)
    return jnp.clip(_CORRUPTIONS[name](key, image, jnp.asarray(strength)), 0.0, 1.0)


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


# What follows may leave [0, 1].


def _add_noise(key: jax.Array, image: jax.Array, strength: jax.Array) -> jax.Array:
    return image + strength * jax.random.normal(key, image.shape)


def _blur(key: jax.Array, image: jax.Array, strength: jax.Array) -> jax.Array:
    del key
    deviation = strength * _side(image)

    def window(size: int) -> jax.Array:
        weights = jnp.exp(-jnp.square(_distance(size) / deviation) / 2)
        return weights / jnp.sum(weights, axis=1, keepdims=True)  # Of pixels inside: edges do not darken.

    return _mix(window(image.shape[1])[None], image, window(image.shape[2])[None])


def _occlude(key: jax.Array, image: jax.Array, strength: jax.Array) -> jax.Array:
    num, height, width, _ = image.shape
    side = jnp.round(strength * _side(image))

    def one(row: tuple[jax.Array, jax.Array]) -> jax.Array:
        share, image = row
        # Larger squares hold the smaller ones.
        top, left = jnp.floor(share[0] * (height - side + 1)), jnp.floor(share[1] * (width - side + 1))
        return fill_square(image, top, left, side, _GRAY)

    return _map(one, (jax.random.uniform(key, (num, 2)), image))


def _reduce_contrast(key: jax.Array, image: jax.Array, strength: jax.Array) -> jax.Array:
    import dm_pix

    del key
    return dm_pix.adjust_contrast(image, strength)


def _shift(key: jax.Array, image: jax.Array, strength: jax.Array) -> jax.Array:
    pixels = strength * _side(image) * jax.random.rademacher(key, (2, image.shape[0], 1, 1), jnp.float32)

    def interpolation(size: int, pixels: jax.Array) -> jax.Array:
        return jnp.maximum(1 - jnp.abs(_distance(size)[None] - pixels), 0.0)

    return _mix(interpolation(image.shape[1], pixels[0]), image, interpolation(image.shape[2], pixels[1]))


def _rotate(key: jax.Array, image: jax.Array, strength: jax.Array) -> jax.Array:
    angle = jnp.deg2rad(strength) * jax.random.rademacher(key, image.shape[:1], jnp.float32)
    return _map(lambda row: transform(row[1], row[0]), (angle, image))


def _map(function: Callable[[Any], jax.Array], rows: Any) -> jax.Array:
    """Maps a function over the rows of arrays, as many at once as fit into memory."""
    return jax.lax.map(function, rows, batch_size=min(_IMAGES_AT_ONCE, rows[1].shape[0]))


def _distance(size: int) -> jax.Array:
    """Returns [size, size]: how far output pixel i lies behind input pixel j."""
    coordinate = jnp.arange(size, dtype=jnp.float32)
    return coordinate[:, None] - coordinate[None, :]


def _mix(rows: jax.Array, image: jax.Array, columns: jax.Array) -> jax.Array:
    """Returns images whose pixel (i, j) is the sum over pixels (h, w) weighted by rows[i, h] and columns[j, w].

    As matrix products: XLA's convolutions are slow on a CPU. The weights are of each image, or of all (n = 1).
    """
    highest = jax.lax.Precision.HIGHEST
    n = (image.shape[0],)
    rows, columns = (jnp.broadcast_to(x, n + x.shape[1:]) for x in (rows, columns))
    return jnp.einsum("nih,nhwc,njw->nijc", rows, image, columns, precision=highest)


def _side(image: jax.Array) -> int:
    return min(image.shape[1:3])


_CORRUPTIONS = {
    "noise": _add_noise,
    "blur": _blur,
    "occlusion": _occlude,
    "contrast": _reduce_contrast,
    "shift": _shift,
    "rotation": _rotate,
}
