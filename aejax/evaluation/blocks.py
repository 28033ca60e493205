"""Features a block of examples at a time: computed or read from a cache, and added up, never held for all at once."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from aejax.data.resident import ResidentData, map_examples
from aejax.data.streamed import indexable
from aejax.evaluation.views import ALONE, Views

ROWS = 2000  # Examples in a block, at most: enough to multiply fast, and few beside a matrix of all pairs of features.
CACHED_BYTES = 3_000_000_000  # Of features, at most, that several passes read from memory; more are computed anew.

# A symmetric matrix is cut into strips of at least so many rows, and so many strips at most.
_STRIP, _MOST_STRIPS = 512, 8
_HIGHEST = jax.lax.Precision.HIGHEST


@dataclasses.dataclass(frozen=True)
class Blocks:
    """The n examples of one split in blocks of one size; the last repeats the last example as often as it has room."""

    features: Callable[[jax.Array], jax.Array]  # The number of a block -> features, float32 [rows, d].
    label: jax.Array  # int32 [n]
    # Likewise of one of the views of the images over which scores are averaged, by the number of the block and its own.
    view: Callable[[jax.Array, jax.Array], jax.Array] | None = None
    num_views: int = 1  # View 0 is the images.
    most: int = ROWS  # Rows of a block.

    @property
    def num_blocks(self) -> int:
        """The number of blocks."""
        return max(1, -(-len(self.label) // self.most))

    def index(self, block: jax.typing.ArrayLike) -> jax.Array:
        """Returns the examples of a block, int32 [rows]."""
        return jnp.minimum(self._place(block), len(self.label) - 1)

    def counts(self, block: jax.typing.ArrayLike) -> jax.Array:
        """Returns 1 for each example of a block and 0 for each repetition, float32 [rows]."""
        return (self._place(block) < len(self.label)).astype(jnp.float32)

    def _place(self, block: jax.typing.ArrayLike) -> jax.Array:
        rows = -(-len(self.label) // self.num_blocks)
        return jnp.asarray(block) * rows + jnp.arange(rows)

    def scored(self, block: jax.Array) -> jax.Array:
        """Returns the features that linear scores are of, [rows, d]: the mean over all views."""
        own, view = self.features(block), self.view
        if view is None or self.num_views == 1:
            return own
        add = lambda total, number: (total + view(block, number), None)  # noqa: E731
        return jax.lax.scan(add, own, jnp.arange(1, self.num_views))[0] / self.num_views

    def scan(self, function: Callable[[Any, jax.Array], tuple[Any, Any]], start: Any) -> tuple[Any, Any]:
        """Scans `function(carry, number of the block)`, which returns a carry and arrays [rows, ...], over the blocks.

        Returns the last carry and the arrays of all examples, [n, ...].
        """
        carry, rows = jax.lax.scan(function, start, jnp.arange(self.num_blocks))
        return carry, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[: len(self.label)], rows)

    def cached(self) -> "Blocks":
        """Returns the same blocks, whose features are computed once and held, float32 [blocks, rows, d]."""
        held = jax.lax.map(self.features, jnp.arange(self.num_blocks))
        return dataclasses.replace(self, features=lambda block: held[block])


def blocks_of(
    encode: Callable[[jax.Array], jax.Array],
    at_once: int,
    data: ResidentData,
    split: str,
    *,
    rows: int,
    views: Views = ALONE,
    doubled: bool = False,
) -> Blocks:
    """Returns the examples of a split of data with labels, in blocks of at most so many rows.

    Args:
      encode: stored images -> features.
      at_once: how many images it is given at most.
      data: images that all have labels.
      split: the split.
      rows: of a block, at most.
      views: of an image, over which its scores are to be averaged.
      doubled: whether the mirror images follow as examples of their own.
    """
    stored, label = indexable(data.image[split]), jnp.asarray(data.label[split])
    blocks = Blocks(lambda block: block, jnp.concatenate([label, label]) if doubled else label, most=rows)

    def features(block: jax.Array, view: jax.typing.ArrayLike = 0) -> jax.Array:
        index = blocks.index(block)

        def of(chosen: jax.Array) -> jax.Array:
            example = index[chosen]
            image, mirrored = stored[example % len(label)], (example >= len(label))[:, None, None, None]
            seen = views.of(jnp.where(mirrored, image[:, :, ::-1], image), view)
            return encode(seen).astype(jnp.float32)

        return map_examples(of, len(index), at_once)

    return dataclasses.replace(blocks, features=features, view=features, num_views=views.num)


def weighted_sums(weights: jax.Array, features: jax.Array) -> jax.Array:
    """Returns the sums of features [rows, d] with K weights for each row, [rows, K]: [K, d].

    Weights of zero are added, to a multiple of 32. With few weights and thousands of features XLA's product is wrong in
    its first columns, now and then, on CPUs where two members run side by side (jax 0.10 and 0.12): searches then end
    without having converged.
    """
    num = weights.shape[1]
    padded = jnp.pad(weights, ((0, 0), (0, -num % 32)))
    return jnp.matmul(jax.lax.optimization_barrier(padded.T), features, precision=_HIGHEST)[:num]


class Standardization(NamedTuple):
    """What makes features alike in size: mean and 1 / standard deviation, 0 of a constant feature; both [d]."""

    mean: jax.Array
    scale: jax.Array

    def apply(self, features: jax.Array) -> jax.Array:
        """Returns standardized features, [rows, d]."""
        return (features - self.mean[None]) * self.scale[None]


class Sums(NamedTuple):
    """What is added up over examples of d features and C classes.

    Of the matrix XᵀX the lower triangle is kept, in strips: rows [a, b) as far as column b.
    """

    sizes: jax.Array  # [C], examples of each class
    total: jax.Array  # [C, d], of their features
    strips: tuple[jax.Array, ...]  # [b - a, b]

    @property
    def size(self) -> jax.Array:
        """The number of examples."""
        return jnp.sum(self.sizes)

    @property
    def mean(self) -> jax.Array:
        """The mean of the features, [d]."""
        return jnp.sum(self.total, axis=0) / self.size

    @property
    def cross(self) -> jax.Array:
        """The covariance of the features with one-hot labels, [d, C]."""
        return self.total.T / self.size - jnp.outer(self.mean, self.sizes / self.size)

    def add(self, features: jax.Array, label: jax.Array, counts: jax.Array) -> "Sums":
        """Returns the sums with those of a block: features [rows, d], labels int32 [rows], and which count [rows]."""
        counted = features * counts[:, None]
        member = jax.nn.one_hot(label, len(self.sizes)) * counts[:, None]
        return Sums(
            self.sizes + jnp.sum(member, axis=0),
            self.total + weighted_sums(member, counted),
            tuple(
                strip + jnp.matmul(counted[:, slice(*rows)].T, counted[:, : rows[1]], precision=_HIGHEST)
                for strip, rows in zip(self.strips, _strips(features.shape[1]), strict=True)
            ),
        )

    def about(self, center: jax.Array, scale: jax.Array) -> "Sums":
        """Returns the sums over (features − the mean) · scale, where `center` is the mean."""

        def change(strip: jax.Array, rows: tuple[int, int]) -> jax.Array:
            moved = strip - self.size * jnp.outer(center[slice(*rows)], center[: rows[1]])
            return moved * jnp.outer(scale[slice(*rows)], scale[: rows[1]])

        strips = tuple(map(change, self.strips, _strips(len(center))))
        return Sums(self.sizes, (self.total - jnp.outer(self.sizes, center)) * scale[None], strips)

    def diagonal(self) -> jax.Array:
        """Returns the diagonal of XᵀX, [d]."""
        return jnp.concatenate([jnp.diagonal(strip, offset=strip.shape[1] - len(strip)) for strip in self.strips])

    def covariance(self, diagonal: jax.typing.ArrayLike = 0.0) -> jax.Array:
        """Returns the covariance of the features with a number added on its diagonal; [d, d], the lower triangle."""
        mean, dimension = self.mean, self.total.shape[1]

        def full(strip: jax.Array, rows: tuple[int, int]) -> jax.Array:
            covariance = strip / self.size - jnp.outer(mean[slice(*rows)], mean[: rows[1]])
            return jnp.pad(covariance, ((0, 0), (0, dimension - rows[1])))

        matrix = jnp.concatenate(list(map(full, self.strips, _strips(dimension))))
        return matrix + diagonal * jnp.eye(dimension, dtype=matrix.dtype)


def no_sums(num_features: int, num_classes: int) -> Sums:
    """Returns the sums over no example."""
    strips = tuple(jnp.zeros((after - first, after)) for first, after in _strips(num_features))
    return Sums(jnp.zeros(num_classes), jnp.zeros((num_classes, num_features)), strips)


def standardized_sums(blocks: Blocks, num_features: int, num_classes: int) -> tuple[Standardization, Sums]:
    """Standardizes the features of examples; returns how, and the sums over them standardized, in one pass."""
    # From the first block's mean on, so that nothing cancels; and this from the first example on, so that a constant
    # feature has no deviation at all.
    first = blocks.features(jnp.zeros((), jnp.int32))
    shift = first[0] + jnp.mean(first - first[:1], axis=0)

    def add(sums: Sums, block: jax.Array) -> tuple[Sums, None]:
        features = blocks.features(block) - shift[None]
        return sums.add(features, blocks.label[blocks.index(block)], blocks.counts(block)), None

    sums, _ = blocks.scan(add, no_sums(num_features, num_classes))
    center = sums.mean
    mean = shift + center
    deviation = jnp.sqrt(jnp.maximum(sums.diagonal() / sums.size - center**2, 0.0))
    varies = deviation > 1e-6 * jnp.abs(mean)
    scale = jnp.where(varies, 1 / jnp.where(varies, deviation, 1.0), 0.0)
    return Standardization(mean, scale), sums.about(center, scale)


def _strips(num_features: int) -> Sequence[tuple[int, int]]:
    """Returns the first row of each strip, and the one after its last."""
    num = max(1, min(_MOST_STRIPS, num_features // _STRIP))
    return list(itertools.pairwise(num_features * index // num for index in range(num + 1)))
