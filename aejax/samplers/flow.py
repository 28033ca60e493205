"""Autoregressive flows of codes: masked (fast densities) and inverse (fast samples)."""

import dataclasses
from typing import Annotated, ClassVar, Literal

import jax
from pydantic import Field

from aejax.config import PositiveInt
from aejax.networks.flows import AutoregressiveFlow
from aejax.networks.layers import Activation
from aejax.objectives.priors import StandardNormal
from aejax.samplers.base import SamplerConfig, Standardizing

Widths = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flow(SamplerConfig):
    """Layers of an autoregressive flow, and the hidden widths of each; it learns by −log p(code)."""

    LEARNED: ClassVar[bool] = True

    num_layers: PositiveInt = 4
    widths: Widths = (128, 128)
    activation: Activation = "relu"


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedFlow(Flow):
    """From a code to noise in one pass, from noise to a code unit by unit.

    Source: Papamakarios, Pavlakou and Murray, "Masked autoregressive flow for density estimation", 2017, section 3.1.
    """

    kind: Literal["masked_flow"] = "masked_flow"


@dataclasses.dataclass(frozen=True, kw_only=True)
class InverseFlow(Flow):
    """From noise to a code in one pass, from a code to noise, as a step of training needs it, unit by unit.

    Source: Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling, "Improved variational inference with inverse
    autoregressive flow", 2016, section 4.
    """

    kind: Literal["inverse_flow"] = "inverse_flow"


class FlowSampler(Standardizing):
    """The sampler of either flow."""

    config: MaskedFlow | InverseFlow

    def setup(self) -> None:
        """Makes the flow."""
        super().setup()
        config = self.config
        self.flow = AutoregressiveFlow(config.num_layers, config.widths, config.activation)

    @property
    def is_masked(self) -> bool:
        """Whether one pass goes from codes to noise, and not from noise to codes."""
        return isinstance(self.config, MaskedFlow)

    def log_density(self, code: jax.Array) -> jax.Array:
        """Returns log p(code) in nats, [batch]."""
        x = self.standardize(code)
        if self.is_masked:
            noise, log_volume = self.flow.forward(x)
        else:
            noise, log_volume = self.flow.inverse(x)
            log_volume = -log_volume  # From noise to codes.
        return StandardNormal(self.space.size).log_density(noise) + log_volume - self.log_volume()

    def from_noise(self, noise: jax.Array) -> jax.Array:
        """Returns the codes of noise [num, size]."""
        x, _ = self.flow.inverse(noise) if self.is_masked else self.flow.forward(noise)
        return self.restore(x)

    def to_noise(self, code: jax.Array) -> jax.Array:
        """The inverse of `from_noise`, [num, size]."""
        x = self.standardize(code)
        return (self.flow.forward(x) if self.is_masked else self.flow.inverse(x))[0]

    def sample(self, num: int, key: jax.Array) -> jax.Array:
        """Returns `num` codes, [num, size]."""
        return self.from_noise(StandardNormal(self.space.size).sample(key, num))
