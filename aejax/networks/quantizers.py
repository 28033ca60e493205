"""From vectors to codes of a finite set, and back: the gradient of that, and codebooks.

A code has no gradient. What is here takes that of a function that is fixed while it is differentiated: the identity
(`straight_through`), or the rotation and rescaling that take a vector to its code's (`rotate`).
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from aejax.data.resident import map_examples

_TINY = float(np.finfo(np.float32).tiny)
_SHORT = 1e-6  # The length below which a vector has no direction.


def straight_through(x: jax.Array, quantized: jax.Array) -> jax.Array:
    """Returns `quantized`, to the bit, with the gradient of x (Bengio, Léonard and Courville, 2013)."""
    return jax.lax.stop_gradient(quantized) + (x - jax.lax.stop_gradient(x))


def rotate(x: jax.Array, quantized: jax.Array) -> jax.Array:
    """Returns `quantized`, to the bit, with the gradient of the rotation and rescaling that take x there, held fixed.

    The Jacobian is ‖q‖ / ‖x‖ · R, where R = I − 2 r rᵀ + 2 q̂ x̂ᵀ turns x̂, the direction of x, to q̂, that of q, and r is
    the direction of x̂ + q̂. Where x or q is shorter than 1e-6, so that there is nothing to turn, it is the identity.

    Source: Fifty et al., "Restructuring vector quantization with the rotation trick", 2024.

    Args:
      x: [..., width].
      quantized: likewise.
    """
    fixed, target = jax.lax.stop_gradient(x), jax.lax.stop_gradient(quantized)
    start, end = unit(fixed), unit(target)
    between = unit(start + end)
    turned = x - 2 * between * _dot(between, x) + 2 * end * _dot(start, x)
    has_direction = (_dot(start, start) > 0) & (_dot(end, end) > 0)
    scale = jnp.sqrt(_dot(target, target) / jnp.where(has_direction, _dot(fixed, fixed), 1.0))
    return straight_through(jnp.where(has_direction, scale * turned, x), quantized)


Gradient = Literal["straight_through", "rotation"]
GRADIENTS: dict[Gradient, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "straight_through": straight_through,
    "rotation": rotate,
}


def unit(x: jax.Array) -> jax.Array:
    """Returns x [..., width] divided by its length; where that is below 1e-6, zeros, which have no gradient."""
    square = _dot(x, x)
    has_direction = square > _SHORT**2
    return jnp.where(has_direction, x * jax.lax.rsqrt(jnp.where(has_direction, square, 1.0)), 0.0)


def _dot(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.sum(x * y, axis=-1, keepdims=True)


# Codebooks.


class Codebook(NamedTuple):
    """Vectors, float32 [size, width], and how often each is the nearest, [size]: 1 where all are as often."""

    vectors: jax.Array
    usage: jax.Array


def nearest(x: jax.Array, vectors: jax.Array) -> jax.Array:
    """Returns which of the vectors [size, width] is the nearest to each of x [n, width], int32 [n].

    Of equals it is the first. A block of x at a time, so that memory does not grow with n, nor with the size of the
    codebook: there are 2^20 distances at once on a CPU, whose cache these stay in (4 MB), 2^25 elsewhere (134 MB), and
    those of one x at least. Two minima of floats take a quarter of the time of XLA's argmin there.
    """
    size, vectors = len(vectors), jax.lax.stop_gradient(vectors)
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


def follow(
    codebook: Codebook, x: jax.Array, index: jax.Array, decay: jax.typing.ArrayLike, *, on_sphere: bool = False
) -> Codebook:
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
      on_sphere: whether vectors are divided by their lengths then; with decay 0 that is spherical k-means.
    """
    vectors, usage = codebook
    size = len(vectors)
    number: jax.Array = jax.ops.segment_sum(jnp.ones(len(x)), index, size)
    change = jax.ops.segment_sum(x, index, size) - number[:, None] * vectors
    share = (1 - decay) * size / len(x)
    used = jnp.asarray(decay * usage + share * number)
    moved = vectors + share * change / jnp.maximum(used, _TINY)[:, None]
    return Codebook(unit(moved) if on_sphere else moved, used)


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


def lloyd(
    codebook: Codebook, x: jax.Array, key: jax.Array, num_iterations: int, *, on_sphere: bool = False
) -> Codebook:
    """Returns the codebook after iterations of Lloyd's algorithm on x [n, width]; vectors without x are replaced."""

    def iteration(codebook: Codebook, key: jax.Array) -> tuple[Codebook, None]:
        index = nearest(x, codebook.vectors)
        error = squared_distance(x, codebook.vectors[index])
        return revive(follow(codebook, x, index, 0.0, on_sphere=on_sphere), x, error, _TINY, key), None

    return jax.lax.scan(iteration, codebook, jax.random.split(key, num_iterations))[0]


class Quantized(NamedTuple):
    """What codebooks make of n vectors."""

    vectors: jax.Array  # [n, width], with the gradient of what was quantized.
    indices: jax.Array  # int32 [n, codebooks].
    # Σ over the codebooks of ‖z − e‖², [n]: two of the same value, of which the encoder learns by the first alone and
    # the codebook by the second. z and e are what is compared: of `code_width` numbers, and of length 1 on spheres.
    commitment: jax.Array
    distance: jax.Array


class Moving(NamedTuple):
    """How codebooks follow moving averages; numbers, or tracers."""

    decay: Any
    revive_below: Any  # None: none is replaced.


class Codebooks(nn.Module):
    """Codebooks one after another, each of what those before it leave: [n, width] -> codes [n, groups · depth].

    Each group is given an equal share of the numbers of a vector, and has `depth` codebooks of its own. The vectors of
    codebooks are parameters; or they follow moving averages and lie in the collection "codebook"; or they lie there
    as they were drawn, and what is compared is their product with a basis, a matrix that is a parameter.
    """

    depth: int
    size: int
    width: int
    groups: int = 1
    code_width: int | None = None  # A linear layer without bias leads to so many numbers, and another one back.
    on_spheres: bool = False  # What is compared is divided by its length first.
    gradient: Gradient = "straight_through"
    moving: Moving | None = None  # None: they do not move by themselves.
    has_basis: bool = False

    def setup(self) -> None:
        """Makes the codebooks, of those that move by themselves their usage, and the linear layers."""
        width = self.code_width or self.width
        shape, bound = (self.groups * self.depth, self.size, width // self.groups), 1 / self.size

        def init_vectors() -> jax.Array:
            if self.has_basis:
                return jax.random.normal(self.make_rng("params"), shape)
            return jax.random.uniform(self.make_rng("params"), shape, minval=-bound, maxval=bound)

        are_parameters = self.moving is None and not self.has_basis
        self.vectors = self.variable("params" if are_parameters else "codebook", "vectors", init_vectors)
        if self.moving is not None:
            self.usage = self.variable("codebook", "usage", jnp.ones, shape[:2])
        if self.has_basis:
            self.basis = self.param("basis", lambda _: jnp.tile(jnp.eye(shape[2]), (shape[0], 1, 1)))
        if self.code_width is not None:
            # They begin with the first numbers as they are: what comes before and after mixes the numbers.
            self.to_code = self.param("to_code", lambda _: jnp.eye(self.width, width))
            self.from_code = self.param("from_code", lambda _: jnp.eye(width, self.width))

    def quantize(self, x: jax.Array, *, train: bool = False, levels: jax.Array | None = None) -> Quantized:
        """Quantizes x, float32 [n, width]; in training, codebooks that move by themselves move.

        Args:
          x: what is quantized.
          train: whether this is a step of training.
          levels: int [n], how many codebooks of each group, the first ones, make up the vectors; None: all. The indices
            and the distances are of all codebooks nevertheless.
        """
        parts, indices, terms = [], [], []
        for group, part in enumerate(self._parts(x)):
            rest, total = part, jnp.zeros_like(part)
            for level in range(self.depth):
                number = group * self.depth + level
                vectors, constant = self._compared(number), jax.lax.stop_gradient(rest)
                index = nearest(constant, vectors)
                chosen = vectors[index]
                fixed = jax.lax.stop_gradient(chosen)
                terms.append((squared_distance(rest, fixed), squared_distance(constant, chosen)))
                if train and self.moving is not None:
                    self._move(self.moving, number, constant, index, terms[-1][0])
                indices.append(index)
                rest = rest - fixed
                total = total + (fixed if levels is None else jnp.where((level < levels)[:, None], fixed, 0.0))
            parts.append(GRADIENTS[self.gradient](part, total))
        commitment, distance = (sum(each[1:], start=each[0]) for each in zip(*terms, strict=True))
        return Quantized(self._whole(parts), jnp.stack(indices, axis=1), commitment, distance)

    def look_up(self, index: jax.Array) -> jax.Array:
        """Returns the vectors of codes int32 [..., groups · depth], float32 [..., width]."""
        rows, parts = index.reshape(-1, index.shape[-1]), []
        for group in range(self.groups):
            # From 0 on as `quantize` adds them up: to the same bits.
            total = jnp.zeros(())
            for number in range(group * self.depth, (group + 1) * self.depth):
                total = total + self._compared(number)[rows[:, number]]
            parts.append(total)
        return self._whole(parts).reshape(*index.shape[:-1], self.width)

    def fit(self, x: jax.Array, *, num_iterations: int) -> None:
        """Lets the codebooks begin as the means that Lloyd's algorithm finds of x, [n, width], and of what is left."""
        for group, rest in enumerate(self._parts(x)):
            for number in range(group * self.depth, (group + 1) * self.depth):
                initial = Codebook(self._compared(number), jnp.ones(self.size))
                key = jax.random.key(number)
                codebook = lloyd(initial, rest, key, num_iterations, on_sphere=self.on_spheres)
                self._keep(number, codebook)
                rest = rest - codebook.vectors[nearest(rest, codebook.vectors)]

    def orthogonality(self) -> jax.Array:
        """Returns how far the directions of a codebook's vectors are from orthogonal, a scalar: Σ over codebooks.

        It is ‖E Eᵀ − I‖² / size², where the rows of E are the vectors, each divided by its length. Since ‖E Eᵀ‖ is
        ‖Eᵀ E‖, no matrix of size · size numbers is needed.

        Source: Shin, Lee, Lee, Kim and Choi, "Translation-equivariant image quantizer for bi-directional image-text
        generation", 2021.
        """
        total = jnp.zeros(())
        for number in range(self.groups * self.depth):
            directions = unit(self._compared(number))
            gram = _times(directions.T, directions)
            total += (jnp.sum(jnp.square(gram)) - 2 * jnp.trace(gram) + self.size) / float(self.size) ** 2
        return total

    def _parts(self, x: jax.Array) -> list[jax.Array]:
        """Returns, of each group, x [n, width] as it is compared: [n, numbers of a vector]."""
        if self.code_width is not None:
            x = _times(x, self.to_code)
        parts = jnp.split(x, self.groups, axis=1)
        return [unit(part) for part in parts] if self.on_spheres else parts

    def _whole(self, parts: list[jax.Array]) -> jax.Array:
        """Returns [n, width] of what was compared of each group."""
        whole = jnp.concatenate(parts, axis=1)
        return whole if self.code_width is None else _times(whole, self.from_code)

    def _compared(self, number: int) -> jax.Array:
        """Returns the vectors of a codebook as they are compared, float32 [size, numbers of a vector]."""
        vectors = self.vectors.value[number].astype(jnp.float32)
        if self.has_basis:
            vectors = _times(vectors, self.basis[number])
        return unit(vectors) if self.on_spheres else vectors

    def _move(self, moving: Moving, number: int, x: jax.Array, index: jax.Array, error: jax.Array) -> None:
        codebook = Codebook(self._compared(number), self.usage.value[number])
        codebook = follow(codebook, x, index, moving.decay, on_sphere=self.on_spheres)
        if moving.revive_below is not None:
            key = jax.random.fold_in(self.make_rng("noise"), number)
            codebook = revive(codebook, x, error, moving.revive_below, key)
        self._keep(number, codebook)

    def _keep(self, number: int, codebook: Codebook) -> None:
        self.vectors.value = self.vectors.value.at[number].set(codebook.vectors)
        if self.moving is not None:
            self.usage.value = self.usage.value.at[number].set(codebook.usage)


def _times(x: jax.Array, matrix: jax.Array) -> jax.Array:
    """Returns the product of two matrices in float32, which TF32 would round."""
    return jnp.matmul(x, matrix.astype(jnp.float32), precision=jax.lax.Precision.HIGHEST)
