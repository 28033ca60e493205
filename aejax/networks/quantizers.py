"""From vectors to codes of a finite set, and back: codebooks that are learned, and grids that are not.

A code has no gradient. All that is here pretends that quantization is the identity (`straight_through`).
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from aejax.data.resident import map_examples

_TINY = float(np.finfo(np.float32).tiny)


def straight_through(x: jax.Array, quantized: jax.Array) -> jax.Array:
    """Returns `quantized`, to the bit, with the gradient of x (Bengio, Léonard and Courville, 2013)."""
    return jax.lax.stop_gradient(quantized) + (x - jax.lax.stop_gradient(x))


# Codebooks.


class Codebook(NamedTuple):
    """Vectors, float32 [size, width], and how often each is the nearest, [size]: 1 where all are as often."""

    vectors: jax.Array
    usage: jax.Array


def nearest(x: jax.Array, vectors: jax.Array) -> jax.Array:
    """Returns which of the vectors [size, width] is the nearest to each of x [n, width], int32 [n].

    Of equals it is the first. A block at a time, which stays in a CPU's cache and keeps memory from growing with n; two
    minima of floats take a quarter of the time of XLA's argmin there.
    """
    size = len(vectors)
    half_norm = 0.5 * jnp.sum(jnp.square(vectors), axis=1)[None]
    position = jnp.arange(size, dtype=jnp.float32)[None]

    def block(rows: jax.Array) -> jax.Array:
        # TF32 would choose other vectors.
        distance = half_norm - jnp.matmul(x[rows], vectors.T, precision=jax.lax.Precision.HIGHEST)
        smallest = jnp.min(distance, axis=1, keepdims=True)
        first = jnp.min(jnp.where(distance == smallest, position, size - 1.0), axis=1)
        return first.astype(jnp.int32)

    most = 2**20 if jax.default_backend() == "cpu" else 2**25  # Distances at once.
    return map_examples(block, x.shape[0], max(most // size, 1))


def follow(codebook: Codebook, x: jax.Array, index: jax.Array, decay: jax.typing.ArrayLike) -> Codebook:
    """Returns a codebook whose vectors have moved towards the x that they are the nearest to.

    Source: van den Oord, Vinyals and Kavukcuoglu, "Neural discrete representation learning", 2017, appendix A.1: with
    moving averages N of how many and m of their sum, a vector is m / N. Since m = N e, the vectors and N are all that
    has to be kept: e ← e + (1 − decay) (Σ x − n e) / N. That needs no correction of its start and no smoothing: where
    Σ x and n are 0, a vector stays.

    Args:
      codebook: what moves.
      x: [n, width].
      index: of the nearest vector, int32 [n].
      decay: of the averages; with 0 each vector becomes the mean of its x, an iteration of Lloyd's algorithm.
    """
    vectors, usage = codebook
    size = len(vectors)
    number: jax.Array = jax.ops.segment_sum(jnp.ones(len(x)), index, size)
    change = jax.ops.segment_sum(x, index, size) - number[:, None] * vectors
    share = (1 - decay) * size / len(x)
    used = jnp.asarray(decay * usage + share * number)
    return Codebook(vectors + share * change / jnp.maximum(used, _TINY)[:, None], used)


def revive(codebook: Codebook, x: jax.Array, error: jax.Array, below: jax.typing.ArrayLike, key: jax.Array) -> Codebook:
    """Returns a codebook in which vectors that are hardly ever the nearest are replaced with some x.

    These are drawn by their errors, as k-means++ begins (Arthur and Vassilvitskii, 2007): most places of an image may
    be the same background, which has its code already. A new vector begins with twice the usage that it needs, so it
    has log 2 / (1 − decay) steps to be the nearest to something.

    Args:
      codebook: what loses them.
      x: [n, width].
      error: the squared distance of each x to its nearest vector, [n].
      below: the usage under which a vector is replaced.
      key: of the draws.
    """
    vectors, usage = codebook
    total = jnp.cumsum(error)
    draw = jax.random.uniform(key, usage.shape) * total[-1]
    row = jnp.minimum(jnp.searchsorted(total, draw, side="right"), len(x) - 1)
    dead = usage < below
    return Codebook(jnp.where(dead[:, None], x[row], vectors), jnp.where(dead, 2 * below, usage))


def squared_distance(x: jax.Array, y: jax.Array) -> jax.Array:
    """Returns ‖x − y‖² along the last axis."""
    return jnp.sum(jnp.square(x - y), axis=-1)


def lloyd(codebook: Codebook, x: jax.Array, key: jax.Array, num_iterations: int) -> Codebook:
    """Returns the codebook after iterations of Lloyd's algorithm on x [n, width]; vectors without x are replaced."""

    def iteration(codebook: Codebook, key: jax.Array) -> tuple[Codebook, None]:
        index = nearest(x, codebook.vectors)
        error = squared_distance(x, codebook.vectors[index])
        return revive(follow(codebook, x, index, 0.0), x, error, _TINY, key), None

    return jax.lax.scan(iteration, codebook, jax.random.split(key, num_iterations))[0]


class Quantized(NamedTuple):
    """What codebooks make of n vectors."""

    vectors: jax.Array  # [n, width], with the gradient of what was quantized.
    indices: jax.Array  # int32 [n, depth].
    # Σ over the codebooks of ‖z − e‖², [n]: two of the same value, of which the encoder learns by the first alone and
    # the codebook by the second.
    commitment: jax.Array
    distance: jax.Array


class Codebooks(nn.Module):
    """Codebooks one after another, each of what those before it leave: [n, width] -> codes [n, depth].

    They are parameters, or follow moving averages and lie in the collection "codebook".
    """

    depth: int
    size: int
    width: int
    are_parameters: bool
    decay: Any  # A number, or a tracer.
    revive_below: Any  # Likewise; None: none is replaced.

    def setup(self) -> None:
        """Makes the codebooks, and of those that move by themselves their usage."""
        shape, bound = (self.depth, self.size, self.width), 1 / self.size

        def init_vectors() -> jax.Array:
            return jax.random.uniform(self.make_rng("params"), shape, minval=-bound, maxval=bound)

        self.vectors = self.variable("params" if self.are_parameters else "codebook", "vectors", init_vectors)
        if not self.are_parameters:
            self.usage = self.variable("codebook", "usage", jnp.ones, shape[:2])

    def quantize(self, x: jax.Array, *, train: bool = False) -> Quantized:
        """Quantizes x, float32 [n, width]; in training, codebooks that move by themselves move."""
        rest, total, indices, terms = x, jnp.zeros_like(x), [], []
        for level in range(self.depth):
            vectors, constant = self.vectors.value[level].astype(jnp.float32), jax.lax.stop_gradient(rest)
            index = nearest(constant, vectors)
            chosen = vectors[index]
            fixed = jax.lax.stop_gradient(chosen)
            terms.append((squared_distance(rest, fixed), squared_distance(constant, chosen)))
            if train and not self.are_parameters:
                self._move(level, constant, index, terms[-1][0])
            indices.append(index)
            rest, total = rest - fixed, total + fixed
        commitment, distance = (sum(parts[1:], start=parts[0]) for parts in zip(*terms, strict=True))
        return Quantized(straight_through(x, total), jnp.stack(indices, axis=1), commitment, distance)

    def look_up(self, index: jax.Array) -> jax.Array:
        """Returns the vectors of codes int32 [..., depth], float32 [..., width]."""
        # From 0 on as `quantize` adds them up: to the same bits.
        total = jnp.zeros((*index.shape[:-1], self.width))
        for level in range(self.depth):
            total = total + self.vectors.value[level].astype(jnp.float32)[index[..., level]]
        return total

    def fit(self, x: jax.Array, *, num_iterations: int) -> None:
        """Lets the codebooks begin as the means that Lloyd's algorithm finds of x, [n, width], and of what is left."""
        for level in range(self.depth):
            key = jax.random.key(level)
            initial = Codebook(self.vectors.value[level], jnp.ones(self.size))
            codebook = lloyd(initial, x, key, num_iterations)
            self._keep(level, codebook)
            x = x - codebook.vectors[nearest(x, codebook.vectors)]

    def _move(self, level: int, x: jax.Array, index: jax.Array, error: jax.Array) -> None:
        codebook = Codebook(self.vectors.value[level], self.usage.value[level])
        codebook = follow(codebook, x, index, self.decay)
        if self.revive_below is not None:
            key = jax.random.fold_in(self.make_rng("noise"), level)
            codebook = revive(codebook, x, error, self.revive_below, key)
        self._keep(level, codebook)

    def _keep(self, level: int, codebook: Codebook) -> None:
        self.vectors.value = self.vectors.value.at[level].set(codebook.vectors)
        if not self.are_parameters:
            self.usage.value = self.usage.value.at[level].set(codebook.usage)


# Grids: each number of a vector is one of a few levels, whatever the others are.


def bound_levels(x: jax.Array, levels: Sequence[int]) -> jax.Array:
    """Returns x [..., width] within the range that rounds to the levels of each number, [..., width].

    These are −⌊L / 2⌋, …, ⌈L / 2⌉ − 1. Source: Mentzer, Minnen, Agustsson and Tschannen, "Finite scalar quantization:
    VQ-VAE made simple", 2024, section 3.1 and appendix A.1. An even number of levels has none in the middle: half a
    level is taken off, and the tanh shifted so that 0 stays close to 0 (by the paper's tan; the inverse of tanh has no
    value there for two levels).
    """
    number = np.asarray(levels)
    half = (number - 1) * (1 - 1e-3) / 2
    offset = np.where(number % 2 == 0, 0.5, 0.0)
    return jnp.tanh(x + _row(np.tan(offset / half), x)) * _row(half, x) - _row(offset, x)


def quantize_levels(x: jax.Array, levels: Sequence[int]) -> jax.Array:
    """Returns the levels of x [..., width], scaled to lie in [−1, 1], with the gradient of what is rounded."""
    bounded = bound_levels(x, levels)
    return straight_through(bounded, jnp.round(bounded)) / _row(np.asarray(levels) // 2, x)


def levels_to_index(quantized: jax.Array, levels: Sequence[int]) -> jax.Array:
    """Returns the codes of quantized vectors [..., width], int32 [...]: mixed radix, the first number fastest."""
    half = np.asarray(levels) // 2
    digit = jnp.round(quantized * _row(half, quantized) + _row(half, quantized)).astype(jnp.int32)
    return jnp.sum(digit * _row(_place_values(levels), digit).astype(jnp.int32), axis=-1)


def index_to_levels(index: jax.Array, levels: Sequence[int]) -> jax.Array:
    """Returns the quantized vectors of codes int32 [...], float32 [..., width]: what `levels_to_index` undoes."""
    index = index[..., None]
    digit = index // _row(_place_values(levels), index) % _row(np.asarray(levels), index)
    half = _row(np.asarray(levels) // 2, index)
    return (digit - half).astype(jnp.float32) / half.astype(jnp.float32)


def _place_values(levels: Sequence[int]) -> np.ndarray:
    return np.array([math.prod(levels[:index]) for index in range(len(levels))])


def _row(numbers: np.ndarray, like: jax.Array) -> jax.Array:
    """Returns numbers [width] with as many axes as an array, of its type."""
    return jnp.asarray(numbers, like.dtype).reshape((1,) * (like.ndim - 1) + (-1,))


# Signs: a grid with two levels, −1 and 1.


def sign_entropies(logit: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the entropy of each code given its vector, [n], and that of their mean distribution, a scalar: in nats.

    Signs are taken to be independent given the vector, 1 with probability σ(logit), so the first is a sum over them.
    The second is of all 2^width codes, and has no such form. Of a mean over n of products, the first half of the signs
    times the second, it takes one product of two matrices.

    Args:
      logit: [n, width].
    """
    positive, negative = jax.nn.sigmoid(logit), jax.nn.sigmoid(-logit)
    each = positive * jax.nn.softplus(-logit) + negative * jax.nn.softplus(logit)
    middle = logit.shape[1] // 2
    first, second = (
        _product(negative[:, part], positive[:, part]) for part in (slice(None, middle), slice(middle, None))
    )
    mean = jnp.matmul(first.T, second, precision=jax.lax.Precision.HIGHEST) / len(logit)
    # Where it underflows, the slope of −p log p would be infinite.
    return jnp.sum(each, axis=1), -jnp.sum(mean * jnp.log(jnp.maximum(mean, _TINY)))


def _product(negative: jax.Array, positive: jax.Array) -> jax.Array:
    """Returns the probabilities of all signs together, [n, 2^width], from those of each, [n, width]."""
    joint = jnp.ones((len(positive), 1), positive.dtype)
    for column in range(positive.shape[1]):
        joint = jnp.concatenate([joint * negative[:, column, None], joint * positive[:, column, None]], axis=1)
    return joint
