"""Spectral normalization of any network (Miyato et al., 2018).

"Spectral normalization for generative adversarial networks".
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

NUM_INITIAL_ITERATIONS = 100  # Before the first step, from a random vector.
# In a step, from the last step's vector. One, as in the paper, left norms of up to 1.12 after a few hundred steps of
# Adam: training makes singular values overtake each other, and the vector follows late. With five it was 1.05.
NUM_ITERATIONS = 5
_TINY = 1e-12


class SpectrallyNormalized(nn.Module):
    """A network that computes with its kernels divided by their largest singular values.

    A kernel [..., inputs] is taken as the matrix that its layer multiplies with: [rest, last axis]. Parameters with one
    axis (biases, the scales of normalization layers) stay as they are. The singular vectors are followed by power
    iteration (Miyato et al., 2018, algorithm 1) in the collection "spectral", which training updates. What it finds is
    never above the singular value, so the quotient's norm is 1 or a few hundredths more.
    """

    network: nn.Module

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the network's output."""
        call = lambda network, x: network(x, train=train)  # noqa: E731
        if self.is_initializing():
            call(self.network, x)  # Makes the kernels.
        params = self.network.variables["params"]
        vectors = self.variable("spectral", "vectors", initial_vectors, params)
        current = follow_vectors(params, vectors.value)
        if train:
            vectors.value = current
        normalized = {"params": normalize(params, current)}
        return nn.map_variables(call, "params", trans_in_fn=lambda _: normalized)(self.network, x)


def initial_vectors(params: Any) -> Any:
    """Returns the leading right singular vector of every kernel, float32, and None for other parameters."""

    def start(kernel: jax.Array) -> jax.Array | None:
        return jax.random.normal(jax.random.key(0), kernel.shape[-1:]) if kernel.ndim > 1 else None

    vectors = jax.tree.map(start, params)
    return follow_vectors(params, vectors, NUM_INITIAL_ITERATIONS)


def follow_vectors(params: Any, vectors: Any, num_iterations: int = NUM_ITERATIONS) -> Any:
    """Returns the vectors after power iterations, as constants to differentiation."""
    params = jax.lax.stop_gradient(params)

    def iterate(kernel: jax.Array, vector: jax.Array | None) -> jax.Array | None:
        if vector is None:
            return None
        matrix = _as_matrix(kernel)
        moved = matrix.T @ (matrix @ vector)
        return moved / optax.safe_norm(moved, _TINY)

    return jax.lax.fori_loop(0, num_iterations, lambda _, vectors: jax.tree.map(iterate, params, vectors), vectors)


def normalize(params: Any, vectors: Any) -> Any:
    """Returns the parameters with every kernel W divided by ‖W v‖ for its vector v, in their own types.

    With v constant and singular, the derivative of ‖W v‖ is that of the largest singular value.
    """

    def divide(kernel: jax.Array, vector: jax.Array | None) -> jax.Array:
        if vector is None:
            return kernel
        norm = optax.safe_norm(_as_matrix(kernel) @ vector, _TINY)
        return (kernel / norm).astype(kernel.dtype)

    return jax.tree.map(divide, params, vectors)


def _as_matrix(kernel: jax.Array) -> jax.Array:
    return kernel.reshape(-1, kernel.shape[-1]).astype(jnp.float32)
