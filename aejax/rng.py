"""Random numbers by name: adding a stream never changes what another one draws."""

import zlib

import jax


def root(seed: jax.typing.ArrayLike) -> jax.Array:
    """Returns the key from which everything random in one member follows."""
    return jax.random.key(seed)


def stream(key: jax.Array, name: str) -> jax.Array:
    """Returns the key of the stream called `name`."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def at(key: jax.Array, step: jax.typing.ArrayLike) -> jax.Array:
    """Returns a stream's key at a step (or an epoch): a pure function of both, so a resumed run draws the same."""
    return jax.random.fold_in(key, step)
