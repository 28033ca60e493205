"""What every network is made of: activations and initializers by name, and dense layers."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

ALL = slice(None)  # Of a network's layers.

Activation = Literal["identity", "relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh"]
BOUNDED: tuple[Activation, ...] = ("sigmoid", "tanh")  # On both sides.
ACTIVATIONS: dict[Activation, Callable[[jax.Array], jax.Array]] = {
    "identity": lambda x: x,
    "relu": nn.relu,
    "leaky_relu": nn.leaky_relu,
    "elu": nn.elu,
    "gelu": nn.gelu,
    "silu": nn.silu,
    "sigmoid": nn.sigmoid,
    "tanh": nn.tanh,
}

Initializer = Literal["glorot_uniform", "lecun_normal", "he_normal"]
INITIALIZERS: dict[Initializer, Callable[..., nn.initializers.Initializer]] = {
    "glorot_uniform": nn.initializers.glorot_uniform,
    "lecun_normal": nn.initializers.lecun_normal,
    "he_normal": nn.initializers.he_normal,
}


def make_dense(size: int, initializer: Initializer, *, use_bias: bool = True, name: str | None = None) -> nn.Dense:
    """Returns a dense layer that computes in the type of its parameters: [..., inputs] -> [..., size].

    Every layer here does, so that a network given bfloat16 copies of its parameters computes in bfloat16, whatever the
    type of the image.
    """
    return nn.Dense(
        size,
        use_bias=use_bias,
        kernel_init=INITIALIZERS[initializer](),
        promote_dtype=_as_parameters,
        dot_general=matrix_product,
        name=name,
    )


def matrix_product(x: jax.Array, matrix: jax.Array, *_: Any, **__: Any) -> jax.Array:
    """Returns x [..., inputs] times a matrix [inputs, size], as one product of two matrices.

    With more axes than two, XLA would copy the transpose of x for the gradient of the matrix (a fifth of a
    transformer's step on a CPU). What else a caller says (of axes, of precision) says no more than that.
    """
    flat = x.reshape(-1, x.shape[-1]) @ matrix
    return flat.reshape(*x.shape[:-1], -1)


def _as_parameters(*args: Any, **_: Any) -> list[Any]:
    x, kernel, bias = args
    return [x.astype(kernel.dtype), kernel, bias]  # None: there is no bias.


@jax.custom_batching.sequential_vmap
def eigh(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the eigenvalues, ascending, and the eigenvectors of a symmetric matrix: [size] and [size, size].

    One matrix at a time, even of a population: where two programs have several matrices each, jaxlib's threads on a CPU
    may wait for each other for ever.
    """
    values, vectors = jnp.linalg.eigh(matrix)
    return values, vectors


def max_pool(x: jax.Array, size: int) -> jax.Array:
    """Returns the largest values of squares of a side: [batch, ⌈height / size⌉, ⌈width / size⌉, channels].

    Where a side does not divide height or width, the first and last squares are cut, as of Flax's padding "SAME". Of
    equal values the first has the gradient. Two values are compared at a time: XLA's gradient of a window's maximum
    takes six times as long on a CPU, and that of a maximum over an axis looks for the maximum among values that a fused
    program may compute once more, rounded otherwise, and where none equals it the gradient is 0 / 0.
    """
    batch, height, width, channels = x.shape
    rows, columns = -height % size, -width % size
    around = ((0, 0), (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0))
    padded = jnp.pad(x, around, constant_values=-jnp.inf)
    squares = padded.reshape(batch, (height + rows) // size, size, (width + columns) // size, size, channels)
    lines = functools.reduce(_larger, (squares[:, :, row] for row in range(size)))
    return functools.reduce(_larger, (lines[:, :, :, column] for column in range(size)))


def _larger(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.where((x >= y) | jnp.isnan(x), x, y)


def flatten(x: jax.Array) -> jax.Array:
    """Returns [batch, ...] as [batch, features]."""
    return x.reshape(x.shape[0], -1)


class DenseStack(nn.Module):
    """Dense layers of the given widths, each followed by the activation. [batch, inputs] -> [batch, widths[-1]]."""

    widths: Sequence[int]
    activation: Activation
    initializer: Initializer
    bias: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, part: slice = ALL) -> jax.Array:
        """Returns the last layer's output; with `part`, x goes through these layers only."""
        for index, width in list(enumerate(self.widths))[part]:
            dense = make_dense(width, self.initializer, use_bias=self.bias, name=f"Dense_{index}")
            x = ACTIVATIONS[self.activation](dense(x))
        return x
