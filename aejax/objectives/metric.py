"""A Riemannian metric of latents that is learned: a mass for Hamiltonian dynamics.

Source: Chadebec, Mantoux and Allassonnière, "Geometry-aware Hamiltonian variational auto-encoder", 2020, equation 7.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from aejax.objectives.divergences import LOG_2PI
from aejax.objectives.leapfrog import Mass

_EXACT = jax.lax.Precision.HIGHEST


@dataclasses.dataclass(frozen=True)
class MetricOfCentroids(Mass):
    """G⁻¹(z) = Σ_k L_k L_kᵀ exp(−‖z − c_k‖² / T²) + λ I."""

    centroid: jax.Array  # c, [centroids, units].
    factor: jax.Array  # L, [centroids, units, units].
    temperature: jax.typing.ArrayLike  # T.
    floor: jax.typing.ArrayLike  # λ.

    def inverse(self, position: jax.Array) -> jax.Array:
        """Returns G⁻¹ at positions [..., units], [..., units, units]."""
        summed = jnp.tensordot(self._near(position)[1], self._products(), axes=1, precision=_EXACT)
        units = position.shape[-1]
        return summed + self.floor * jnp.eye(units).reshape((1,) * (position.ndim - 1) + (units, units))

    def momentum(self, position: jax.Array, noise: jax.Array) -> jax.Array:
        """Returns the momenta that standard normal numbers make: C⁻ᵀ times these, with C Cᵀ = G⁻¹."""
        return _times(jnp.swapaxes(inverse_root(self.inverse(position)), -1, -2), noise)

    def log_density(self, position: jax.Array, momentum: jax.Array) -> jax.Array:
        """Returns log N(momentum; 0, G(position)), [...]."""
        inverse = self.inverse(position)
        root = jnp.diagonal(inverse_root(inverse), axis1=-2, axis2=-1)
        each = 0.5 * (momentum * _times(inverse, momentum) + LOG_2PI)
        return -jnp.sum(jnp.log(root) + each, axis=-1)

    def velocity(self, position: jax.Array, momentum: jax.Array) -> jax.Array:
        """Returns G⁻¹ times the momentum."""
        return _times(self.inverse(position), momentum)

    def slope(self, position: jax.Array) -> Callable[[jax.Array], jax.Array]:
        """Returns the gradient of ½ ρᵀ G⁻¹ ρ − ½ log det G⁻¹ by the position, as a function of the momentum ρ.

        It is ½ Σ_k ∂w_k (ρᵀ L_k L_kᵀ ρ − tr(G L_k L_kᵀ)), w_k the weight of a centroid.
        """
        away, weight = self._near(position)
        products = self._products()
        of_weight = -2 / jnp.square(self.temperature) * weight[..., None] * away
        root = inverse_root(self.inverse(position))
        mass = jnp.matmul(jnp.swapaxes(root, -1, -2), root, precision=_EXACT)
        trace = jnp.tensordot(mass, products, axes=((-2, -1), (1, 2)), precision=_EXACT)

        def of_momentum(momentum: jax.Array) -> jax.Array:
            pulled = jnp.tensordot(momentum, products, axes=((-1,), (1,)), precision=_EXACT)
            square = jnp.sum(pulled * momentum[..., None, :], axis=-1)
            return jnp.sum(of_weight * (square - trace)[..., None], axis=-2) / 2

        return of_momentum

    def _near(self, position: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the ways to positions from centroids, [..., centroids, units], and the centroids' weights there."""
        away = position[..., None, :] - self.centroid.reshape((1,) * (position.ndim - 1) + self.centroid.shape)
        return away, jnp.exp(-jnp.sum(jnp.square(away), axis=-1) / jnp.square(self.temperature))

    def _products(self) -> jax.Array:
        """Returns L Lᵀ of each centroid, [centroids, units, units]."""
        return jnp.matmul(self.factor, jnp.swapaxes(self.factor, 1, 2), precision=_EXACT)


@jax.custom_jvp
def inverse_root(matrix: jax.Array) -> jax.Array:
    """Returns W = C⁻¹ of symmetric positive definite matrices C Cᵀ, C lower triangular: both [..., units, units].

    It is found by eliminating columns of (C Cᵀ, I) one by one. LAPACK's routines, of many matrices at a time, wait for
    threads of the pool that they run in, and where as many devices share that as it has threads they wait for ever.
    """
    units = matrix.shape[-1]
    identity = jnp.broadcast_to(jnp.eye(units).reshape((1,) * (matrix.ndim - 2) + (units, units)), matrix.shape)
    below = jnp.arange(units).reshape((1,) * (matrix.ndim - 2) + (units,))

    def eliminate(index: jax.Array, both: jax.Array) -> jax.Array:
        column = jax.lax.dynamic_index_in_dim(both, index, axis=-1, keepdims=False)
        row = jax.lax.dynamic_index_in_dim(both, index, axis=-2, keepdims=True)
        scale = jax.lax.rsqrt(jax.lax.dynamic_index_in_dim(column, index, axis=-1, keepdims=True))
        row = row * scale[..., None]
        rest = both - jnp.where(below > index, column * scale, 0.0)[..., None] * row
        return jnp.where((below == index)[..., None], row, rest)

    both: jax.Array = jax.lax.fori_loop(0, units, eliminate, jnp.concatenate([matrix, identity], axis=-1))
    return both[..., units:]


@inverse_root.defjvp
def _slope_of_inverse_root(values: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    """Of ∂A it is −Φ(W ∂A Wᵀ) W, where Φ takes the lower triangle, and of the diagonal half."""
    (matrix,), (change,) = values, tangents
    root = inverse_root(matrix)
    inner = jnp.matmul(root, jnp.matmul(change, jnp.swapaxes(root, -1, -2), precision=_EXACT), precision=_EXACT)
    units = matrix.shape[-1]
    share = (jnp.tril(jnp.ones((units, units))) - 0.5 * jnp.eye(units)).reshape(
        (1,) * (matrix.ndim - 2) + (units, units)
    )
    return root, -jnp.matmul(share * inner, root, precision=_EXACT)


def _times(matrix: jax.Array, vector: jax.Array) -> jax.Array:
    """Returns matrices [..., units, units] times vectors [..., units]: a sum in float32, wherever it is computed."""
    return jnp.sum(matrix * vector[..., None, :], axis=-1)
