"""Principal components: the best linear autoencoder of images, so the baseline of every other; of features too."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from aejax.data.demand import Demand
from aejax.data.demand import principal_axes as axes_demand
from aejax.data.preprocessing import to_unit
from aejax.data.streamed import StreamedImages

# Up to this side a matrix of all pairs of pixels, or of images, is decomposed as a whole: a minute on a CPU.
MOST_DECOMPOSED = 4096

_OVERSAMPLING, _NUM_ITERATIONS = 10, 8  # Of the leading axes alone, where both are more.
_ROWS_AT_ONCE = 1000
_HIGHEST = jax.lax.Precision.HIGHEST


class PCA(NamedTuple):
    """An affine map between images of D pixels and codes, by orthonormal components."""

    mean: jax.Array  # [D]
    components: jax.Array  # [D, size], of falling variance


def fit_pca(image: Any, size: int) -> PCA:
    """Returns the first `size` principal components of the images.

    The images [n, ...] are uint8, scaled to [0, 1] here, or float32, and may be streamed. What is decomposed is the
    covariance of their D pixels, [D, D]; of fewer images than pixels their products with each other, [n, n]; and where
    both are more than `MOST_DECOMPOSED`, neither: the leading components alone are then found by iteration (Halko,
    Martinsson and Tropp, "Finding structure with randomness", 2011, algorithm 4.4). Images in uint8 are read in blocks,
    and exist in float32 at once only if they are fewer than their pixels. A component's largest element is positive.
    Components in whose direction no image varies are 0 where there are fewer images than pixels.

    Raises:
      ValueError: `size` is not in [1, D].
    """
    num, num_pixels = image.shape[0], math.prod(image.shape[1:])
    if isinstance(image, StreamedImages):
        rows: Any = image if min(num, num_pixels) > MOST_DECOMPOSED or num >= num_pixels else _flat(image[:])
    else:
        rows = image.reshape(num, -1)
    if not 1 <= size <= num_pixels:
        raise ValueError(f"size must lie in [1, {num_pixels}], the pixels of an image; got {size}")
    mean = sum_over_blocks(lambda x: jnp.sum(x, axis=0), rows) / num
    if min(num, num_pixels) > MOST_DECOMPOSED:
        components = _leading_axes(rows, mean, size)
    elif num < num_pixels:
        axes = principal_axes(to_unit(rows) - mean[None])[1][:, ::-1][:, :size]
        present = jnp.any(axes != 0, axis=0, keepdims=True)
        # Of a small eigenvalue the products know the axis to few digits: once more made orthogonal to those before it.
        axes = jnp.where(present, jnp.linalg.qr(axes)[0], 0.0)
        components = jnp.pad(axes, ((0, 0), (0, size - axes.shape[1])))
    else:

        def scatter(x: jax.Array) -> jax.Array:
            centered = x - mean[None]
            return jnp.matmul(centered.T, centered, precision=_HIGHEST)

        _, vectors = jnp.linalg.eigh(sum_over_blocks(scatter, rows) / num)
        components = vectors[:, ::-1][:, :size]
    largest = jnp.take_along_axis(components, jnp.argmax(jnp.abs(components), axis=0)[None], axis=0)
    return PCA(mean, components * jnp.where(largest < 0, -1.0, 1.0))


def demand(num: int, num_pixels: int, size: int) -> Demand:
    """The demand of the first `size` components of `num` images."""
    if min(num, num_pixels) <= MOST_DECOMPOSED:
        return axes_demand(num, num_pixels)
    axes = min(size + _OVERSAMPLING, num_pixels)
    passes = Demand(4 * (3 * num_pixels * axes + 3 * _ROWS_AT_ONCE * num_pixels), 4 * num * num_pixels * axes)
    return Demand(passes.num_bytes, (_NUM_ITERATIONS + 1) * (passes.flop + 4 * num_pixels * axes**2))


def principal_axes(rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the eigenvalues of XᵀX / n, rising, and its eigenvectors [d, r], r = min(n, d): all that are not zero.

    X are the rows [n, d]. Of fewer rows than columns XXᵀ is decomposed, and the eigenvector of a zero eigenvalue is 0.
    """
    size, dimension = rows.shape
    if size >= dimension:
        return jnp.linalg.eigh(jnp.matmul(rows.T, rows, precision=_HIGHEST) / size)
    eigenvalues, left = jnp.linalg.eigh(jnp.matmul(rows, rows.T, precision=_HIGHEST) / size)
    axes = jnp.matmul(rows.T, left, precision=_HIGHEST)
    # Of a zero eigenvalue there is no axis, but rounding alone.
    length = jnp.sqrt(jnp.maximum(eigenvalues, 0.0) * size)
    present = eigenvalues > 1e-6 * jnp.max(eigenvalues)
    return jnp.where(present, eigenvalues, 0.0), axes * jnp.where(present, 1 / jnp.where(present, length, 1.0), 0.0)[
        None
    ]


def _flat(image: jax.Array) -> jax.Array:
    return image.reshape(image.shape[0], -1)


def _leading_axes(rows: Any, mean: jax.Array, size: int) -> jax.Array:
    """Returns the first `size` principal axes [D, size] of rows [n, D] as stored, by iteration of a few more."""
    num, num_pixels = rows.shape[0], math.prod(rows.shape[1:])

    def multiply(axes: jax.Array) -> jax.Array:
        """Returns the covariance times axes."""

        def of_block(x: jax.Array) -> jax.Array:
            centered = x - mean[None]
            product = jnp.matmul(centered, axes, precision=_HIGHEST)
            return jnp.matmul(centered.T, product, precision=_HIGHEST)

        return sum_over_blocks(of_block, rows) / num

    start = jax.random.normal(jax.random.key(0), (num_pixels, min(size + _OVERSAMPLING, num_pixels)))
    refine = lambda _, axes: jnp.linalg.qr(multiply(axes))[0]  # noqa: E731
    axes = jax.lax.fori_loop(0, _NUM_ITERATIONS, refine, jnp.linalg.qr(start)[0])
    _, rotation = jnp.linalg.eigh(jnp.matmul(axes.T, multiply(axes), precision=_HIGHEST))
    return jnp.matmul(axes, rotation[:, ::-1][:, :size], precision=_HIGHEST)


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


def sum_over_blocks(function: Callable[..., jax.Array], rows: Any, *others: jax.Array) -> jax.Array:
    """Returns the sum of `function` over blocks of the rows as float32; function(block) sums over the block's rows.

    Rows may be images that are streamed. Of `others`, arrays with as many rows, the function is given the same rows.
    """
    if isinstance(rows, StreamedImages):
        starts = jnp.arange(0, rows.shape[0] // _ROWS_AT_ONCE * _ROWS_AT_ONCE, _ROWS_AT_ONCE)
        read = lambda indices: function(to_unit(_flat(rows[indices])), *(x[indices] for x in others))  # noqa: E731
        add = lambda total, start: (total + read(start + jnp.arange(_ROWS_AT_ONCE)), None)  # noqa: E731
        return jax.lax.scan(add, read(jnp.arange(len(starts) * _ROWS_AT_ONCE, rows.shape[0])), starts)[0]
    arrays = (rows, *others)
    whole = rows.shape[0] // _ROWS_AT_ONCE * _ROWS_AT_ONCE
    blocks = tuple(x[:whole].reshape(-1, _ROWS_AT_ONCE, *x.shape[1:]) for x in arrays)
    of_block = lambda first, *rest: function(to_unit(first), *rest)  # noqa: E731
    rest = of_block(*(x[whole:] for x in arrays))
    return jax.lax.scan(lambda total, block: (total + of_block(*block), None), rest, blocks)[0]
