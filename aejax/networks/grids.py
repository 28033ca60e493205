"""Fixed codes, which training does not move: each number of a vector is rounded to one of a few levels."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from aejax.networks.quantizers import straight_through

_TINY = float(np.finfo(np.float32).tiny)


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
