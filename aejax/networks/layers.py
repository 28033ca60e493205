"""What every network is made of: activations and initializers by name, and a stack of dense layers."""

from collections.abc import Callable, Sequence
from typing import Literal

import flax.linen as nn
import jax

Activation = Literal["identity", "relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh"]
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
INITIALIZERS: dict[Initializer, nn.initializers.Initializer] = {
    "glorot_uniform": nn.initializers.glorot_uniform(),
    "lecun_normal": nn.initializers.lecun_normal(),
    "he_normal": nn.initializers.he_normal(),
}


class DenseStack(nn.Module):
    """Dense layers of the given widths, each followed by the activation. [batch, inputs] -> [batch, widths[-1]]."""

    widths: Sequence[int]
    activation: Activation
    initializer: Initializer

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the last layer's output."""
        for width in self.widths:
            x = ACTIVATIONS[self.activation](nn.Dense(width, kernel_init=INITIALIZERS[self.initializer])(x))
        return x
