"""Flows: invertible maps of vectors, whose Jacobian has a determinant that is easily had.

Autoregressive ones have a triangular Jacobian. Some flows are told of something else than the vector, a context; then
each vector has a map of its own.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from aejax.networks.layers import ACTIVATIONS, Activation

MAX_LOG_SCALE = 3.0  # Of a layer, either way, which it nears and never reaches: float32 still inverts e^3.


def bounded_log_scale(raw: jax.Array) -> jax.Array:
    """Returns log scales within ±`MAX_LOG_SCALE`, of any shape."""
    return MAX_LOG_SCALE * jnp.tanh(raw / MAX_LOG_SCALE)


class MaskedDense(nn.Module):
    """A dense layer of whose weights some are zero: mask [inputs, outputs]."""

    mask: np.ndarray
    zero: bool = False  # Whether all of it is zero at first.

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns [batch, outputs] of x [batch, inputs]."""
        init = nn.initializers.zeros if self.zero else nn.initializers.lecun_normal()
        kernel = self.param("kernel", init, self.mask.shape)
        bias = self.param("bias", nn.initializers.zeros, self.mask.shape[1:])
        return x @ (kernel * self.mask) + bias[None]


class Made(nn.Module):
    """A network of which output i depends on the inputs before i alone, and on a context: a shift and a log scale for
    each.

    Source: Germain, Gregor, Murray and Larochelle, "MADE: masked autoencoder for distribution estimation", 2015,
    equations 12 and 13, with degrees dealt out evenly. At first both are zero.
    """

    widths: Sequence[int]
    activation: Activation

    @nn.compact
    def __call__(self, x: jax.Array, context: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """Returns shift and log scale, [batch, size] each, of x [batch, size] and a context [batch, any size]."""
        size = x.shape[-1]
        before, hidden = np.arange(1, size + 1), x
        for width in self.widths:
            degrees = 1 + np.arange(width) % max(size - 1, 1)
            mask = (before[:, None] <= degrees[None]).astype(np.float32)
            hidden = MaskedDense(mask)(hidden)
            if context is not None:
                hidden = hidden + nn.Dense(width, use_bias=False)(context)
            hidden = ACTIVATIONS[self.activation](hidden)
            before = degrees
        mask = (before[:, None] < np.arange(1, size + 1)[None]).astype(np.float32)
        shift, raw = jnp.split(MaskedDense(np.concatenate([mask, mask], axis=1), zero=True)(hidden), 2, axis=-1)
        return shift, bounded_log_scale(raw)


class AutoregressiveFlow(nn.Module):
    """Layers y = (x − shift(x)) / scale(x), each after the first of the units in the opposite order.

    From x to y a layer takes one pass, from y to x as many as there are units, one after another.
    """

    num_layers: int
    widths: Sequence[int]
    activation: Activation

    def setup(self) -> None:
        """Makes the network of each layer."""
        self.layers = [Made(self.widths, self.activation) for _ in range(self.num_layers)]

    def forward(self, x: jax.Array, context: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """Returns y and log |dy/dx|, [batch, size] and [batch]."""
        log_volume = jnp.zeros(x.shape[0])
        for layer in self.layers:
            shift, log_scale = layer(x, context)
            x = ((x - shift) * jnp.exp(-log_scale))[:, ::-1]
            log_volume -= jnp.sum(log_scale, axis=-1)
        return x, log_volume

    def inverse(self, y: jax.Array, context: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """Returns x with forward(x) = y, and log |dy/dx| there."""
        log_volume = jnp.zeros(y.shape[0])
        for layer in reversed(self.layers):
            if self.is_initializing():
                layer(y, context)  # Unbound it has the parameters that there are.
            y, log_scale = _solve(functools.partial(_apply, *layer.unbind(), context), y[:, ::-1])
            log_volume -= jnp.sum(log_scale, axis=-1)
        return y, log_volume


def _apply(network: nn.Module, variables: Any, context: jax.Array | None, x: jax.Array) -> Any:
    return network.apply(variables, x, context)


def _solve(network: Callable[[jax.Array], tuple[jax.Array, jax.Array]], y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns x with y = (x − shift(x)) / scale(x), and the log scale there: each pass makes one more unit right."""

    def improve(_: int, x: jax.Array) -> jax.Array:
        shift, log_scale = network(x)
        return y * jnp.exp(log_scale) + shift

    x = jax.lax.fori_loop(0, y.shape[-1], improve, jnp.zeros_like(y))
    return x, network(x)[1]
