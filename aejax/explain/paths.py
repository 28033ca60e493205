"""Ways between the codes of two images: what a decoder makes of them, and what a classifier takes them for."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aejax.errors import DataError

Path = Literal["linear", "spherical"]


class Ways(NamedTuple):
    """What lies on ways between pairs of codes, both ends among it."""

    image: np.ndarray  # [pairs, steps, height, width, channels], as the decoder gives them.
    probability: np.ndarray  # [pairs, steps, classes], float32.


def interpolate(start: jax.Array, end: jax.Array, num: int, path: Path) -> jax.Array:
    """Returns latents on the way between two, [n, num, size], both ends among them.

    Args:
      start: [n, size].
      end: [n, size].
      num: how many on each way.
      path: "linear", or "spherical": at an even angular speed, with lengths between those of the ends, which stays
        where a Gaussian prior of many units has its mass (Shoemake, "Animating rotation with quaternion curves", 1985).
    """
    share = jnp.linspace(0.0, 1.0, num)[None, :, None]
    if path == "linear":
        return (1 - share) * start[:, None] + share * end[:, None]
    lengths = [jnp.linalg.norm(x, axis=-1, keepdims=True) for x in (start, end)]
    units = [x / jnp.maximum(length, 1e-12) for x, length in zip((start, end), lengths, strict=True)]
    cosine = jnp.clip(jnp.sum(units[0] * units[1], axis=-1, keepdims=True), -1.0, 1.0)
    angle = jnp.arccos(cosine)[:, None]
    sine = jnp.sin(angle)
    safe = jnp.where(sine < 1e-4, 1.0, sine)
    weights = [jnp.where(sine < 1e-4, part, jnp.sin(part * angle) / safe) for part in (1 - share, share)]
    direction = weights[0] * units[0][:, None] + weights[1] * units[1][:, None]
    return ((1 - share) * lengths[0][:, None] + share * lengths[1][:, None]) * direction


def class_pairs(label: np.ndarray, num: int, seed: int) -> np.ndarray:
    """Returns the indices of pairs of images, each of two classes, [num, 2], drawn by the seed.

    Every two classes, in either direction, are as likely; while there are enough of these, none occurs twice.

    Args:
      label: integers [n]; -1 is no class.
      num: how many pairs.
      seed: of what is drawn.

    Raises:
      DataError: if all images are of one class.
    """
    present = np.unique(label[label >= 0])
    if len(present) < 2:
        raise DataError(f"a way between classes needs images of two; these are all of class {present.tolist()}")
    generator = np.random.default_rng(seed)
    pairs = np.array([(left, right) for left in present for right in present if left != right])
    chosen = np.concatenate([generator.permutation(pairs) for _ in range(-(-num // len(pairs)))])[:num]
    return np.array([[generator.choice(np.flatnonzero(label == end)) for end in pair] for pair in chosen])


def class_paths(
    start: jax.Array,
    end: jax.Array,
    num: int,
    path: Path,
    *,
    decode: Callable[[jax.Array], jax.typing.ArrayLike],
    probabilities: Callable[[jax.Array], jax.Array],
) -> Ways:
    """Returns the images and the classes' probabilities on the ways between codes.

    Args:
      start: codes of images of one class each, [pairs, size].
      end: codes of images of another, [pairs, size].
      num: how many steps each way has, both ends among them.
      path: as in `interpolate`.
      decode: from codes [n, size] to images [n, height, width, channels].
      probabilities: from codes [n, size] to [n, classes].
    """
    latent = interpolate(start, end, num, path)
    flat = latent.reshape(-1, latent.shape[-1])
    image, probability = (np.asarray(function(flat)) for function in (decode, probabilities))
    ways = latent.shape[:2]
    return Ways(image.reshape(*ways, *image.shape[1:]), probability.reshape(*ways, -1))
