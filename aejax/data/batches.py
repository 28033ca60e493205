"""Which examples make up which batch: a pure function of a key, so a resumed run sees what it would have seen."""

import jax
import jax.numpy as jnp


def num_batches(num_examples: int, batch_size: int) -> int:
    """Returns the number of full batches in an epoch; the examples that remain are left out of it."""
    return num_examples // batch_size


def epoch_indices(
    key: jax.Array, num_examples: int, batch_size: int, count: jax.typing.ArrayLike | None = None
) -> jax.Array:
    """Returns the examples of one epoch's batches, int32 [num_batches, batch_size], drawn without replacement.

    The examples that do not fill a batch are others in every epoch. Both sizes are static under jit.

    With `count`, which may be traced, only the first `count` examples are drawn from, and batches of these alone are
    the first `count` // `batch_size`. They do not depend on how many other examples there are.
    """
    indices = jnp.arange(num_examples, dtype=jnp.int32)
    used = num_batches(num_examples, batch_size) * batch_size
    if count is not None:
        bits = jnp.where(count == batch_size, 0, jax.random.bits(key, indices.shape))  # As below.
        order = jax.lax.sort((jnp.asarray(indices >= count, jnp.int32), bits, indices), num_keys=2)[-1]
        return order[:used].reshape(-1, batch_size)
    if batch_size == num_examples:
        return indices[None]  # Order cannot matter in a full batch, and this way it is gathered sequentially.
    return jax.random.permutation(key, indices)[:used].reshape(-1, batch_size)
