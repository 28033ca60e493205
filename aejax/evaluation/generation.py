"""How much drawn images are like real ones: distances of distributions, fidelity and variety, and copies of training.

Images are compared by their features, float32 [n, d], of any encoder: numbers are comparable only between models that
are judged by the same features of as many images. Distances of pairs are computed in blocks of rows, so memory grows
with n, not with its square.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from aejax.data import preprocessing
from aejax.data.preprocessing import Array
from aejax.data.resident import map_examples
from aejax.data.streamed import indexable, slice_of
from aejax.evaluation.pca import sum_over_blocks
from aejax.objectives.selection import kth_largest

NUM_NEIGHBORS = 5  # k of precision, recall, density and coverage.
MEMORIZED_RATIO = 1 / 3  # Of the distances to the nearest and the second nearest training image.
COPY = 0.5 / 255  # Distance at which an image is a copy: of a single pixel, that is less than stored images tell.
_ROWS_AT_ONCE = 250
_TRAINING_AT_ONCE = 1000  # Training images, which become floats only then.
_HIGHEST = jax.lax.Precision.HIGHEST  # TF32 has three digits, and distances are small differences of large numbers.


class Reference(NamedTuple):
    """What is known of the real images: computed once, whatever they are compared with."""

    features: jax.Array  # [n, d]
    radius: jax.Array  # [n], the distance of each from the k-th nearest other
    mean: jax.Array  # [d]
    covariance: jax.Array | None  # [d, d]; None of fewer images than features, of which it is not needed


def make_reference(features: jax.Array, k: int = NUM_NEIGHBORS) -> Reference:
    """Prepares real images for `compare`.

    Args:
      features: of the images, [n, d].
      k: which neighbor decides how far a real image's neighborhood reaches.

    Raises:
      ValueError: an image has fewer than k others.
    """
    radius = neighbor_radius(features, k)
    if len(features) < features.shape[1]:
        return Reference(features, radius, jnp.mean(features, axis=0), None)
    return Reference(features, radius, *gaussian_statistics(features))


def compare(reference: Reference, fake: jax.Array, k: int = NUM_NEIGHBORS) -> dict[str, jax.Array]:
    """Returns `frechet_distance`, `kernel_distance`, `precision`, `recall`, `density` and `coverage` as scalars.

    Args:
      reference: of the real images, made with the same k.
      fake: features of the drawn images, [m, d].
      k: see `precision_recall`.

    Raises:
      ValueError: there are no more than k drawn images.
    """
    return {
        "frechet_distance": _frechet_distance(reference, fake),
        "kernel_distance": kernel_distance(reference.features, fake),
        **_precision_recall(reference.features, reference.radius, fake, neighbor_radius(fake, k)),
        **_density_coverage(reference.features, reference.radius, fake, k),
    }


def gaussian_statistics(features: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the mean, [d], and the unbiased covariance, [d, d], of features [n, d], n > 1."""
    mean = jnp.mean(features, axis=0)
    centered = features - mean[None]
    return mean, jnp.matmul(centered.T, centered, precision=_HIGHEST) / max(len(features) - 1, 1)


def frechet_distance(mean1: jax.Array, cov1: jax.Array, mean2: jax.Array, cov2: jax.Array) -> jax.Array:
    """Returns ‖m1 − m2‖² + tr(C1 + C2 − 2 (C1 C2)^½), a scalar, in squared units of the features; never negative.

    It is the squared Wasserstein distance of two Gaussians (Dowson and Landau, "The Fréchet distance between
    multivariate normal distributions", 1982), of features known as FID (Heusel, Ramsauer, Unterthiner, Nessler and
    Hochreiter, "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", 2017). Estimated
    from few images it is too large. Singular covariances are no exception.

    Args:
      mean1: m1, [d].
      cov1: C1, symmetric and positive semidefinite, [d, d].
      mean2: m2, [d].
      cov2: C2, likewise.
    """
    # The eigenvalues of C1 C2 are the squares of the singular values of C1^½ C2^½. Taken as singular values, small ones
    # have the precision of the largest; as roots of eigenvalues they would have half of its digits.
    product = jnp.matmul(_square_root(cov1), _square_root(cov2), precision=_HIGHEST)
    overlap = jnp.sum(jnp.linalg.svd(product, compute_uv=False))
    distance = jnp.sum(jnp.square(mean1 - mean2)) + jnp.trace(cov1) + jnp.trace(cov2) - 2 * overlap
    return jnp.maximum(distance, 0.0)


def _frechet_distance(reference: Reference, fake: jax.Array) -> jax.Array:
    """Returns the distance of the Gaussians with the moments of the real and of the drawn images' features."""
    if reference.covariance is not None:
        return frechet_distance(reference.mean, reference.covariance, *gaussian_statistics(fake))
    # The roots of the eigenvalues of C1 C2 are the singular values of the products of images with each other, too.
    fake_mean = jnp.mean(fake, axis=0)
    real = (reference.features - reference.mean[None]) / math.sqrt(max(len(reference.features) - 1, 1))
    drawn = (fake - fake_mean[None]) / math.sqrt(max(len(fake) - 1, 1))
    overlap = jnp.sum(jnp.linalg.svd(jnp.matmul(real, drawn.T, precision=_HIGHEST), compute_uv=False))
    variances = jnp.sum(jnp.square(real)) + jnp.sum(jnp.square(drawn))
    return jnp.maximum(jnp.sum(jnp.square(reference.mean - fake_mean)) + variances - 2 * overlap, 0.0)


def _square_root(matrix: jax.Array) -> jax.Array:
    """Returns the symmetric root of a positive semidefinite matrix; what is zero up to rounding counts as zero."""
    eigenvalues, axes = jnp.linalg.eigh(matrix)
    noise = len(matrix) * jnp.finfo(matrix.dtype).eps * eigenvalues[-1]
    root = jnp.sqrt(jnp.where(eigenvalues > noise, eigenvalues, 0.0))
    return jnp.matmul(axes * root[None], axes.T, precision=_HIGHEST)


def kernel_distance(x: jax.Array, y: jax.Array) -> jax.Array:
    """Returns an unbiased estimate of the squared discrepancy of two distributions by the kernel (x·y / d + 1)³.

    A scalar without unit; its expectation is zero where the distributions are equal, so it may be negative. Of features
    known as KID (Bińkowski, Sutherland, Arbel and Gretton, "Demystifying MMD GANs", 2018); here over all pairs, where
    the paper averages over subsets.

    Args:
      x: draws of the one, [m, d], m > 1.
      y: draws of the other, [n, d], n > 1.
    """

    def excess(own: jax.Array, other: jax.Array) -> jax.Array:
        """Returns how much more similar each is to the others of its kind than to the other kind, [len(own)]."""

        def block(indices: jax.Array) -> jax.Array:
            def similarity(columns: jax.Array) -> jax.Array:
                product = jnp.matmul(own[indices], columns.T, precision=_HIGHEST)
                return (product / own.shape[1] + 1) ** 3

            is_self = indices[:, None] == jnp.arange(len(own))[None]
            within = jnp.sum(jnp.where(is_self, 0.0, similarity(own)), axis=1) / max(len(own) - 1, 1)
            return within - jnp.mean(similarity(other), axis=1)

        return map_examples(block, len(own), _ROWS_AT_ONCE)

    # Row by row the difference is small, and so is what rounding takes from its mean.
    return jnp.mean(excess(x, y)) + jnp.mean(excess(y, x))


def precision_recall(real: jax.Array, fake: jax.Array, k: int = NUM_NEIGHBORS) -> dict[str, jax.Array]:
    """Returns `precision` and `recall`, scalars in [0, 1].

    The neighborhood of an image reaches to its k-th nearest other of its own kind. Precision is the share of drawn
    images that lie in the neighborhood of some real one, recall the share of real ones in that of some drawn one.

    Source: Kynkäänniemi, Karras, Laine, Lehtinen and Aila, "Improved precision and recall metric for assessing
    generative models", 2019, equations 1 and 2.

    Args:
      real: features of real images, [n, d], n > k.
      fake: features of drawn images, [m, d], m > k.
      k: see above.

    Raises:
      ValueError: there are too few of either.
    """
    return _precision_recall(real, neighbor_radius(real, k), fake, neighbor_radius(fake, k))


def density_coverage(real: jax.Array, fake: jax.Array, k: int = NUM_NEIGHBORS) -> dict[str, jax.Array]:
    """Returns `density`, at least 0 and about 1 where the distributions are equal, and `coverage` in [0, 1], scalars.

    Density is the mean number of real images in whose neighborhoods a drawn one lies, divided by k; coverage the share
    of real images in whose neighborhood there is a drawn one. Real outliers, whose neighborhoods are wide, say less
    than they do in `precision_recall`, and drawn ones nothing.

    Source: Naeem, Oh, Uh, Choi and Yoo, "Reliable fidelity and diversity metrics for generative models", 2020,
    equations 3 and 4.

    Args:
      real: features of real images, [n, d], n > k.
      fake: features of drawn images, [m, d].
      k: which neighbor decides how far a neighborhood reaches.

    Raises:
      ValueError: a real image has fewer than k others.
    """
    return _density_coverage(real, neighbor_radius(real, k), fake, k)


def _precision_recall(
    real: jax.Array, real_radius: jax.Array, fake: jax.Array, fake_radius: jax.Array
) -> dict[str, jax.Array]:
    return {
        "precision": jnp.mean(_num_around(fake, real, real_radius) > 0),
        "recall": jnp.mean(_num_around(real, fake, fake_radius) > 0),
    }


def _density_coverage(real: jax.Array, radius: jax.Array, fake: jax.Array, k: int) -> dict[str, jax.Array]:
    nearest = _map_distances(lambda distance, _: jnp.min(distance, axis=1), real, fake)
    return {
        "density": jnp.mean(_num_around(fake, real, radius)) / k,
        "coverage": jnp.mean(nearest <= radius),
    }


def neighbor_radius(features: jax.Array, k: int) -> jax.Array:
    """Returns the distance of each from the k-th nearest other, [n], for features [n, d].

    Raises:
      ValueError: k is not in [1, n − 1].
    """
    if not 1 <= k < len(features):
        raise ValueError(f"k must lie in [1, {len(features) - 1}], the others that an image has; got {k}")

    def kth(distance: jax.Array, indices: jax.Array) -> jax.Array:
        is_self = indices[:, None] == jnp.arange(len(features))[None]
        # lax.top_k takes twelve times as long on a CPU.
        return -kth_largest(jnp.where(is_self, -jnp.inf, -distance), k, axis=1)[:, 0]

    return _map_distances(kth, features, features)


def _num_around(queries: jax.Array, centers: jax.Array, radius: jax.Array) -> jax.Array:
    """Returns in how many neighborhoods each query lies, int32 [queries]."""
    inside = lambda distance, _: jnp.sum(distance <= radius[None], axis=1, dtype=jnp.int32)  # noqa: E731
    return _map_distances(inside, queries, centers)


def _map_distances(function: Callable[[jax.Array, jax.Array], Any], queries: jax.Array, others: jax.Array) -> Any:
    """Maps a function of distances [block, others] and indices [block] over blocks of queries."""
    # Products of centered features are smaller, and so is what is lost in their difference.
    center = jnp.mean(others, axis=0, keepdims=True)
    queries, others = queries - center, others - center
    norms = jnp.sum(jnp.square(others), axis=1)

    def block(indices: jax.Array) -> Any:
        return function(jnp.sqrt(_squared_distances(queries[indices], others, norms)), indices)

    return map_examples(block, len(queries), _ROWS_AT_ONCE)


def _squared_distances(x: jax.Array, y: jax.Array, y_norms: jax.Array) -> jax.Array:
    products = jnp.matmul(x, y.T, precision=_HIGHEST)
    return jnp.maximum(jnp.sum(jnp.square(x), axis=1)[:, None] + y_norms[None] - 2 * products, 0.0)


def gaussian_like(stored: jax.Array, num: int, key: jax.Array) -> jax.Array:
    """Returns draws from a Gaussian with the mean and the covariance of images' pixels, float32 [num, *image shape].

    A sum of images with normal weights has their covariance, so that no matrix of all pairs of pixels is needed.

    Args:
      stored: the images, [n, height, width, channels].
      num: how many are drawn.
      key: of the draws.
    """
    rows = stored.reshape(len(stored), -1)
    mean = sum_over_blocks(lambda x: jnp.sum(x, axis=0), rows) / len(rows)
    weight = jax.random.normal(key, (len(rows), num)) / math.sqrt(len(rows))

    def weigh(x: jax.Array, weight: jax.Array) -> jax.Array:
        return jnp.matmul(weight.T, x - mean[None], precision=_HIGHEST)

    return (mean[None] + sum_over_blocks(weigh, rows, weight)).reshape(num, *stored.shape[1:])


class Nearest(NamedTuple):
    """Of each image the training images that are nearest to it."""

    training_index: jax.Array  # Of the nearest, int32 [n].
    distance: jax.Array  # From it, [n], Euclidean, of pixels in [0, 1].
    second_distance: jax.Array  # From the second nearest, [n].
    memorized: jax.Array  # The share of images that are all but copies, a scalar.


def nearest_training(image: jax.Array, training: Array) -> Nearest:
    """The training images nearest to some images, and how many of these are memorized.

    An image counts as memorized if it is less than a third as far from its nearest training image as from the second
    nearest (Yoon, Choi, Kwon and Ryu, "Diffusion probabilistic models generalize when they fail to memorize", 2023), or
    if it is a copy up to rounding. Pixels are all that this knows. So it misses a copy that is moved, turned or
    brightened, and one of an image that training has twice, unless it is exact; and it suspects an image that is merely
    simple, such as an all but black one where training has a single such.

    Args:
      image: [n, height, width, channels], in [0, 1].
      training: at least two images as they are stored, [training, height, width, channels].
    """
    num, size = len(training), min(_TRAINING_AT_ONCE, len(training))
    training = indexable(training)
    floats = lambda stored: preprocessing.to_unit(stored).reshape(len(stored), -1)  # noqa: E731
    norms = map_examples(lambda indices: jnp.sum(jnp.square(floats(training[indices])), axis=1), num, size)

    def block(rows: jax.Array) -> tuple[jax.Array, jax.Array]:
        queries = image[rows]
        flat = queries.reshape(len(rows), -1)

        def visit(least: tuple[jax.Array, jax.Array], first: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
            # The last part begins early enough to be as long as the others: what it repeats does not count.
            start = jnp.minimum(first, num - size)
            part, part_norms = (slice_of(x, start, size) for x in (training, norms))
            squares = _squared_distances(flat, floats(part), part_norms)
            squares = jnp.where((start + jnp.arange(size) < first)[None], jnp.inf, squares)
            indices = jnp.broadcast_to(start + jnp.arange(size)[None], squares.shape)
            both = [jnp.concatenate(pair, axis=1) for pair in zip(least, (squares, indices), strict=True)]
            return _two_least(*both), None

        initial = jnp.full((len(rows), 2), jnp.inf), jnp.broadcast_to(jnp.arange(-2, 0)[None], (len(rows), 2))
        (_, index), _ = jax.lax.scan(visit, initial, jnp.arange(0, num, size))
        # Once more, as differences: of a copy these are zero, up to how a level was divided by 255.
        difference = queries[:, None] - preprocessing.to_unit(training[index])
        return index, jnp.sqrt(jnp.sum(jnp.square(difference), axis=(2, 3, 4)))

    index, distance = map_examples(block, len(image), _ROWS_AT_ONCE)
    nearest, second = jnp.min(distance, axis=1), jnp.max(distance, axis=1)
    memorized = jnp.mean((nearest < COPY) | (nearest < MEMORIZED_RATIO * second))
    return Nearest(jnp.where(distance[:, 0] == nearest, index[:, 0], index[:, 1]), nearest, second, memorized)


def _two_least(values: jax.Array, index: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the two least values of each row, [n, 2], and their entries of `index`.

    By minima, because argmin and sorting take several times as long on a CPU.
    """
    least, indices = [], []
    for _ in range(2):
        least.append(jnp.min(values, axis=1, keepdims=True))
        candidates = jnp.where(values == least[-1], index, jnp.iinfo(index.dtype).max)
        indices.append(jnp.min(candidates, axis=1, keepdims=True))
        values = jnp.where(index == indices[-1], jnp.inf, values)
    return jnp.concatenate(least, axis=1), jnp.concatenate(indices, axis=1)
