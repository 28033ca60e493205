"""Selection of the largest values along axes: what makes a code sparse by competition.

How many are kept may be a tracer, so that members of one population may keep different numbers; `lax.top_k` wants a
number, and XLA's sort is slow on CPUs. So the threshold is found by bisection over the 32 bits of float32.
"""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

Axis = int | tuple[int, ...]


def kth_largest(x: jax.Array, k: ArrayLike, axis: Axis) -> jax.Array:
    """Returns the k-th largest value along an axis, or over several, exactly: float32, of size 1 along them.

    Args:
      x: numbers of at most 32 bits, without NaN.
      k: how many are at least as large as the result, ties counted one by one; it is clipped to [1, values there are].
      axis: along which the values compete.
    """
    size = math.prod(x.shape[i] for i in ((axis,) if isinstance(axis, int) else axis))
    k = jnp.clip(k, 1, size)
    order = _to_ordered(jax.lax.stop_gradient(x).astype(jnp.float32))

    def settle(step: jax.Array, threshold: jax.Array) -> jax.Array:
        """Returns the threshold with one bit more: the next one, if still k values reach it."""
        raised = threshold | (jnp.uint32(1) << (31 - step).astype(jnp.uint32))
        reached = jnp.sum(order >= raised, axis=axis, keepdims=True, dtype=jnp.int32)
        return jnp.where(reached >= k, raised, threshold)

    lowest = jnp.zeros_like(jnp.max(order, axis=axis, keepdims=True))
    return _from_ordered(jax.lax.fori_loop(0, 32, settle, lowest))


def drop_below(x: jax.Array, threshold: ArrayLike) -> jax.Array:
    """Returns x with everything below the threshold set to 0; the gradient is that of what is kept."""
    return jnp.where(x < threshold, jnp.zeros_like(x), x)


def keep_largest(x: jax.Array, k: ArrayLike, axis: Axis) -> jax.Array:
    """Returns x with everything below its k-th largest value along the axes set to 0.

    Values that equal the k-th largest are all kept, so with ties there are more than k. No gradient flows through the
    choice; it passes unchanged to what is kept.
    """
    return drop_below(x, kth_largest(x, k, axis))


def _to_ordered(x: jax.Array) -> jax.Array:
    """Returns unsigned integers in the order of the float32 numbers: the sign flipped, for negative ones every bit."""
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32)
    return bits ^ jnp.where(bits >> 31 == 1, jnp.uint32(0xFFFFFFFF), jnp.uint32(0x80000000))


def _from_ordered(order: jax.Array) -> jax.Array:
    """Returns the float32 numbers that `_to_ordered` was given."""
    bits = order ^ jnp.where(order >> 31 == 1, jnp.uint32(0x80000000), jnp.uint32(0xFFFFFFFF))
    return jax.lax.bitcast_convert_type(bits, jnp.float32)
