"""Principal components: the best linear autoencoder of images, so the baseline of every other; of features too."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp

from aejax.data.preprocessing import to_unit

_ROWS_AT_ONCE = 1000
_HIGHEST = jax.lax.Precision.HIGHEST


class PCA(NamedTuple):
    """An affine map between images of D pixels and codes, by orthonormal components."""

    mean: jax.Array  # [D]
    components: jax.Array  # [D, size], of falling variance


def fit_pca(image: jax.Array, size: int) -> PCA:
    """Returns the first `size` principal components of the images.

    The images [n, ...] are uint8, scaled to [0, 1] here, or float32. They are read in blocks, so those in uint8 never
    exist in float32 at once; the covariance of their D pixels does, [D, D]. A component's largest element is positive.

    Raises:
      ValueError: `size` is not in [1, D].
    """
    rows = image.reshape(image.shape[0], -1)
    num_pixels = rows.shape[1]
    if not 1 <= size <= num_pixels:
        raise ValueError(f"size must lie in [1, {num_pixels}], the pixels of an image; got {size}")
    mean = _sum_over_blocks(lambda x: jnp.sum(x, axis=0), rows) / rows.shape[0]

    def scatter(x: jax.Array) -> jax.Array:
        centered = x - mean[None]
        return jnp.matmul(centered.T, centered, precision=_HIGHEST)

    _, vectors = jnp.linalg.eigh(_sum_over_blocks(scatter, rows) / rows.shape[0])
    components = vectors[:, ::-1][:, :size]
    largest = jnp.take_along_axis(components, jnp.argmax(jnp.abs(components), axis=0)[None], axis=0)
    return PCA(mean, components * jnp.where(largest < 0, -1.0, 1.0))


def project(pca: PCA, image: jax.Array) -> jax.Array:
    """Returns the codes of images [batch, ...] (uint8 or float32, as fitted), [batch, size]."""
    rows = to_unit(image.reshape(image.shape[0], -1))
    return jnp.matmul(rows - pca.mean[None], pca.components, precision=_HIGHEST)


def whiten(features: Mapping[str, jax.Array], size: int) -> dict[str, jax.Array]:
    """Returns the first `size` principal components of the training features, or all, each of unit variance there.

    Args:
      features: by split, "train" among them: float32 [n, d].
      size: how many components.
    """
    axes = fit_pca(features["train"], min(size, features["train"].shape[1]))
    codes = {split: project(axes, x) for split, x in features.items()}
    deviation = jnp.std(codes["train"], axis=0, keepdims=True)
    # Directions without variance have rounding alone.
    varies = deviation > 1e-4 * jnp.max(deviation)
    scale = jnp.where(varies, 1 / jnp.where(varies, deviation, 1.0), 0.0)
    return {split: code * scale for split, code in codes.items()}


def reconstruct(pca: PCA, codes: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Returns the float32 images [batch, *shape] of codes [batch, size]; pixels may leave [0, 1]."""
    rows = jnp.matmul(codes, pca.components.T, precision=_HIGHEST) + pca.mean[None]
    return rows.reshape(-1, *shape)


def _sum_over_blocks(function: Callable[[jax.Array], jax.Array], rows: jax.Array) -> jax.Array:
    """Returns the sum of `function` over blocks of the rows as float32; function(block) sums over the block's rows."""
    num_blocks = rows.shape[0] // _ROWS_AT_ONCE
    head = rows[: num_blocks * _ROWS_AT_ONCE].reshape(num_blocks, _ROWS_AT_ONCE, rows.shape[1])
    rest = function(to_unit(rows[num_blocks * _ROWS_AT_ONCE :]))
    return jax.lax.scan(lambda total, block: (total + function(to_unit(block)), None), rest, head)[0]
