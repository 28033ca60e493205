"""Whitening: rows of numbers that are made uncorrelated, each of about unit variance (ZCA)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from aejax.networks.layers import eigh

_HIGHEST = jax.lax.Precision.HIGHEST


class Whitening(NamedTuple):
    """What is taken from rows of D numbers, and what they are then multiplied by."""

    mean: jax.Array  # [D]
    forward: jax.Array  # [D, D], symmetric
    inverse: jax.Array  # [D, D]

    def apply(self, rows: jax.Array) -> jax.Array:
        """Whitens rows [n, D]."""
        return jnp.matmul(rows - self.mean[None], self.forward, precision=_HIGHEST)

    def invert(self, rows: jax.Array) -> jax.Array:
        """Undoes `apply`."""
        return jnp.matmul(rows, self.inverse, precision=_HIGHEST) + self.mean[None]


def no_whitening(size: int) -> Whitening:
    """The whitening that leaves rows of `size` numbers as they are."""
    return Whitening(jnp.zeros(size), jnp.eye(size), jnp.eye(size))


def fit_whitening(rows: jax.Array, strength: jax.typing.ArrayLike) -> Whitening:
    """Fits ZCA whitening to rows [n, D]: variances along principal axes become λ / (λ + strength)."""
    mean = jnp.mean(rows, axis=0)
    centered = rows - mean[None]
    covariance = jnp.matmul(centered.T, centered, precision=_HIGHEST) / len(rows)
    variance, axes = eigh(covariance)
    deviation = jnp.sqrt(jnp.maximum(variance, 0.0) + strength)[None]
    forward, inverse = (jnp.matmul(axes * scale, axes.T, precision=_HIGHEST) for scale in (1 / deviation, deviation))
    return Whitening(mean, forward, inverse)
