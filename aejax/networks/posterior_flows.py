"""Flows that make other distributions of the posteriors' Gaussians: each image has maps of its own.

Source: Rezende and Mohamed, "Variational inference with normalizing flows", 2015. What a map is for an image follows
from a context, which is the encoder's last hidden layer.
"""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from aejax.config import PositiveInt
from aejax.networks.flows import AutoregressiveFlow, bounded_log_scale
from aejax.networks.layers import ACTIVATIONS, Activation
from aejax.registry import Registry

_TINY = 1e-6  # Squares of lengths below this count as this, so that what is divided by them stays finite.
_BISECTIONS = 60  # Halvings of the interval in which a planar map's inverse lies: more than float32 tells apart.


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlowConfig:
    """The fields that all flows have."""

    if TYPE_CHECKING:
        kind: str

    num_layers: PositiveInt = 4  # Maps, one after another.


class PosteriorFlow(nn.Module):
    """Maps of draws, [num, batch, units], by a context of each image, [batch, size]."""

    config: Any  # A `FlowConfig`.
    units: int

    def __call__(self, latent: jax.Array, context: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the draws that these become, and the log of how much volume grows there, [num, batch]."""
        raise NotImplementedError

    def inverse(self, latent: jax.Array, context: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the draws that become these, and the log of how much volume grows from them to these."""
        raise NotImplementedError


class _OfParameters(PosteriorFlow):
    """Layers with a few parameters each, which a dense layer makes of the context."""

    def setup(self) -> None:
        """Makes the dense layer."""
        # Biases are random: a context of zeros shall not make a map that has no direction.
        bias_init = nn.initializers.normal(self.units**-0.5)
        self.parameters = nn.Dense(self.config.num_layers * self.layer_size, bias_init=bias_init)

    @property
    def layer_size(self) -> int:
        """How many parameters a layer has."""
        raise NotImplementedError

    def step(self, latent: jax.Array, parameters: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the draws after a layer, by parameters [1, batch, size], and the log of the volume's growth."""
        raise NotImplementedError

    def step_back(self, latent: jax.Array, parameters: jax.Array) -> jax.Array:
        """Undoes `step`."""
        raise NotImplementedError

    def _of_layers(self, context: jax.Array) -> list[jax.Array]:
        """Returns the parameters of each layer, [1, batch, size]."""
        return jnp.split(self.parameters(context)[None], self.config.num_layers, axis=-1)

    def __call__(self, latent: jax.Array, context: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the draws that these become, and the log of how much volume grows there, [num, batch]."""
        log_volume = jnp.zeros(latent.shape[:-1])
        for parameters in self._of_layers(context):
            latent, growth = self.step(latent, parameters)
            log_volume += growth
        return latent, log_volume

    def inverse(self, latent: jax.Array, context: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the draws that become these, and the log of how much volume grows from them to these."""
        log_volume = jnp.zeros(latent.shape[:-1])
        for parameters in reversed(self._of_layers(context)):
            latent = self.step_back(latent, parameters)
            log_volume += self.step(latent, parameters)[1]
        return latent, log_volume


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanarConfig(FlowConfig):
    """z + û tanh(wᵀz + b): each layer pulls draws to a plane, or pushes them away from it.

    û is u with its part along w changed such that wᵀû ≥ −1, without which the map would fold.

    Source: Rezende and Mohamed, "Variational inference with normalizing flows", 2015, equations 10 to 12, appendix A.1.
    """

    kind: Literal["planar"] = "planar"


class Planar(_OfParameters):
    """The maps of `PlanarConfig`."""

    config: PlanarConfig

    @property
    def layer_size(self) -> int:
        """How many parameters a layer has: u, w and b."""
        return 2 * self.units + 1

    def _read(self, parameters: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        """Returns û and w, [1, batch, units], b and wᵀû, [1, batch]."""
        u, w = jnp.split(parameters[..., :-1], 2, axis=-1)
        along = jnp.sum(w * u, axis=-1)
        allowed = jax.nn.softplus(along) - 1
        square = jnp.maximum(jnp.sum(jnp.square(w), axis=-1), _TINY)
        u = u + ((allowed - along) / square)[..., None] * w
        return u, w, parameters[..., -1], jnp.sum(w * u, axis=-1)

    def step(self, latent: jax.Array, parameters: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the draws after a layer, and the log of the volume's growth."""
        u, w, b, along = self._read(parameters)
        bent = jnp.tanh(jnp.sum(w * latent, axis=-1) + b)
        growth = 1 + along * (1 - jnp.square(bent))
        return latent + u * bent[..., None], jnp.log(jnp.maximum(growth, _TINY))

    def step_back(self, latent: jax.Array, parameters: jax.Array) -> jax.Array:
        """Undoes `step`: the place along w, which alone decides, is found by halving an interval."""
        u, w, b, along = self._read(parameters)
        target = jnp.sum(w * latent, axis=-1)
        low, high = target - jnp.abs(along), target + jnp.abs(along)

        def halve(_: int, interval: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            low, high = interval
            middle = (low + high) / 2
            is_above = middle + along * jnp.tanh(middle + b) > target
            return jnp.where(is_above, low, middle), jnp.where(is_above, middle, high)

        low, high = jax.lax.fori_loop(0, _BISECTIONS, halve, (low, high))
        return latent - u * jnp.tanh((low + high) / 2 + b)[..., None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RadialConfig(FlowConfig):
    """z + β (z − c) / (α + ‖z − c‖): each layer pulls draws to a point c, or pushes them away from it.

    α > 0 and β ≥ −α, without which the map would fold.

    Source: Rezende and Mohamed, "Variational inference with normalizing flows", 2015, equation 14, appendix A.2.
    """

    kind: Literal["radial"] = "radial"


class Radial(_OfParameters):
    """The maps of `RadialConfig`."""

    config: RadialConfig

    @property
    def layer_size(self) -> int:
        """How many parameters a layer has: c, α and β."""
        return self.units + 2

    def _read(self, parameters: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns c, [1, batch, units], α and β, [1, batch, 1]."""
        alpha = jax.nn.softplus(parameters[..., -2:-1]) + _TINY
        return parameters[..., :-2], alpha, jax.nn.softplus(parameters[..., -1:]) - alpha

    def step(self, latent: jax.Array, parameters: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the draws after a layer, and the log of the volume's growth."""
        center, alpha, beta = self._read(parameters)
        away = latent - center
        radius = _length(away)
        pull = beta / (alpha + radius)
        # Across the radius all directions grow alike; along it by the derivative of r + β r / (α + r).
        across, along = 1 + pull, 1 + pull * alpha / (alpha + radius)
        log_volume = (latent.shape[-1] - 1) * jnp.log(jnp.maximum(across, _TINY)) + jnp.log(jnp.maximum(along, _TINY))
        return latent + pull * away, log_volume[..., 0]

    def step_back(self, latent: jax.Array, parameters: jax.Array) -> jax.Array:
        """Undoes `step`: the radius r with r + β r / (α + r) = s is the root of a quadratic."""
        center, alpha, beta = self._read(parameters)
        away = latent - center
        moved = _length(away)
        half = (alpha + beta - moved) / 2
        root = jnp.sqrt(jnp.square(half) + alpha * moved)
        # Of the two forms of the root, the one in which nothing cancels.
        radius = jnp.where(half > 0, alpha * moved / (root + jnp.abs(half)), root - half)
        return center + away / (1 + beta / (alpha + radius))


def _length(vectors: jax.Array) -> jax.Array:
    """Returns the length along the last axis, which stays, with a gradient at zero, too."""
    square = jnp.sum(jnp.square(vectors), axis=-1, keepdims=True)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithNetworks(FlowConfig):
    """The fields of flows whose layers have networks."""

    # Hidden layers of each network; the first is told of the context, too.
    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (64,)
    activation: Activation = "relu"


@dataclasses.dataclass(frozen=True, kw_only=True)
class InverseAutoregressiveConfig(WithNetworks):
    """(z − shift(z)) / scale(z), where those of a unit follow from the units before it: one pass from draw to code.

    Source: Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling, "Improved variational inference with inverse
    autoregressive flow", 2016, algorithm 1.

    Departures: the context comes to the first hidden layer of each network alone. The paper's layers are σ z + (1 − σ)
    m, which says the same maps in other parameters; here the first map is the identity.
    """

    kind: Literal["inverse_autoregressive"] = "inverse_autoregressive"


class InverseAutoregressive(PosteriorFlow):
    """The maps of `InverseAutoregressiveConfig`."""

    config: InverseAutoregressiveConfig

    def setup(self) -> None:
        """Makes the networks."""
        config = self.config
        self.flow = AutoregressiveFlow(config.num_layers, config.widths, config.activation)

    def __call__(self, latent: jax.Array, context: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the draws that these become, and the log of how much volume grows there, [num, batch]."""
        return _of_rows(self.flow.forward, latent, context)

    def inverse(self, latent: jax.Array, context: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the draws that become these, and the log of how much volume grows from them to these."""
        return _of_rows(self.flow.inverse, latent, context)


def _of_rows(function: Any, latent: jax.Array, context: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the result of a function of rows and their contexts for draws [num, batch, units]."""
    num, batch, units = latent.shape
    rows = jnp.broadcast_to(context[None], (num, *context.shape)).reshape(num * batch, -1)
    latent, log_volume = function(latent.reshape(-1, units), rows)
    return latent.reshape(num, batch, units), log_volume.reshape(num, batch)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CouplingConfig(WithNetworks):
    """Of half of the units z₁ and the others z₂: z₂ scale(z₁) + shift(z₁), and z₁ stays. Halves take turns.

    At first each map is the identity.

    Source: Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP", 2017, equations 7 and 8.
    """

    kind: Literal["coupling"] = "coupling"


class Coupling(PosteriorFlow):
    """The maps of `CouplingConfig`."""

    config: CouplingConfig

    def setup(self) -> None:
        """Makes the networks."""
        config = self.config
        self.networks = [_Network(config.widths, config.activation, 2 * self.units) for _ in range(config.num_layers)]

    def _scale_and_shift(self, layer: int, latent: jax.Array, context: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the log scale and the shift of each unit, [num, batch, units], zero of those that stay."""
        stays = (np.arange(self.units) % 2 == layer % 2) & (self.units > 1)
        raw, shift = jnp.split(self.networks[layer](jnp.where(stays, latent, 0.0), context[None]), 2, axis=-1)
        return jnp.where(stays, 0.0, bounded_log_scale(raw)), jnp.where(stays, 0.0, shift)

    def __call__(self, latent: jax.Array, context: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the draws that these become, and the log of how much volume grows there, [num, batch]."""
        log_volume = jnp.zeros(latent.shape[:-1])
        for layer in range(self.config.num_layers):
            log_scale, shift = self._scale_and_shift(layer, latent, context)
            latent = latent * jnp.exp(log_scale) + shift
            log_volume += jnp.sum(log_scale, axis=-1)
        return latent, log_volume

    def inverse(self, latent: jax.Array, context: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the draws that become these, and the log of how much volume grows from them to these."""
        log_volume = jnp.zeros(latent.shape[:-1])
        for layer in reversed(range(self.config.num_layers)):
            log_scale, shift = self._scale_and_shift(layer, latent, context)  # By units that are as before.
            latent = (latent - shift) * jnp.exp(-log_scale)
            log_volume += jnp.sum(log_scale, axis=-1)
        return latent, log_volume


class _Network(nn.Module):
    """A dense network of rows and a context, which is zero at first."""

    widths: tuple[int, ...]
    activation: Activation
    outputs: int

    @nn.compact
    def __call__(self, x: jax.Array, context: jax.Array) -> jax.Array:
        """Returns [num, batch, outputs] of x [num, batch, inputs] and a context [1, batch, any size]."""
        for index, width in enumerate(self.widths):
            x = nn.Dense(width)(x)
            if index == 0:
                x = x + nn.Dense(width, use_bias=False)(context)
            x = ACTIVATIONS[self.activation](x)
        return nn.Dense(self.outputs, kernel_init=nn.initializers.zeros)(x)


FLOWS: Registry[type[PosteriorFlow]] = Registry("flow", (Planar, Radial, InverseAutoregressive, Coupling))
AnyFlow = Annotated[FlowConfig, FLOWS]


def make_flow(config: AnyFlow, units: int) -> PosteriorFlow:
    """Returns the flow that a config describes, of latents of so many units."""
    return FLOWS[config.kind](config, units)
