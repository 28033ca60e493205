"""Optimizers and learning-rate schedules: the config of each, and the optax chain built from it.

The chain is built inside the compiled function, so that every number in it may be a tracer.
"""

import dataclasses
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import optax
from pydantic import Field

from aejax.config import NonNegativeFloat, PositiveFloat, Rate, Share, outlasting, traced


@dataclasses.dataclass(frozen=True, kw_only=True)
class Constant:
    """The learning rate itself, after a linear warm-up."""

    OF_ALL_EPOCHS: ClassVar[bool] = False  # Whether the factor depends on how many there are.

    kind: Literal["constant"] = "constant"
    warmup_epochs: NonNegativeFloat = traced(0.0)

    def factor(self, epoch: jax.Array, num_epochs: int) -> jax.Array:
        """The factor of the learning rate at a moment, counted in (fractional) epochs."""
        del num_epochs
        return _warmup(epoch, self.warmup_epochs)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cosine:
    """Half a cosine down to a fraction of the learning rate, after a warm-up (Loshchilov and Hutter, 2017)."""

    OF_ALL_EPOCHS: ClassVar[bool] = True

    kind: Literal["cosine"] = "cosine"
    warmup_epochs: NonNegativeFloat = traced(0.0)
    final_fraction: Rate = traced(0.0)

    def factor(self, epoch: jax.Array, num_epochs: int) -> jax.Array:
        """The factor of the learning rate at a moment, counted in (fractional) epochs."""
        decay_epochs = jnp.maximum(num_epochs - self.warmup_epochs, 1e-6)
        progress = jnp.clip((epoch - self.warmup_epochs) / decay_epochs, 0.0, 1.0)
        cosine = 0.5 * (1 + jnp.cos(jnp.pi * progress))
        return _warmup(epoch, self.warmup_epochs) * (self.final_fraction + (1 - self.final_fraction) * cosine)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stages:
    """Stages, the first one epoch long, each `growth` times as long as the one before, with a smaller learning rate.

    The defaults are the schedule of Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", 2016 (section
    5): 3^i epochs at 10^(−i/7) times the learning rate for i = 0, ..., 7, which are 3,280.
    """

    OF_ALL_EPOCHS: ClassVar[bool] = False

    kind: Literal["stages"] = "stages"
    warmup_epochs: NonNegativeFloat = traced(0.0)
    growth: Annotated[float, Field(gt=1, allow_inf_nan=False)] = traced(3.0)
    decay: Share = traced(10 ** (-1 / 7))  # What the learning rate is multiplied by from stage to stage.

    def factor(self, epoch: jax.Array, num_epochs: int) -> jax.Array:
        """The factor of the learning rate at a moment, counted in (fractional) epochs."""
        del num_epochs
        # After i stages (growth^i − 1) / (growth − 1) epochs are over; the end of an epoch belongs to it.
        growth = jnp.asarray(self.growth, jnp.float32)
        index = jnp.ceil(jnp.log1p(epoch * (growth - 1)) / jnp.log(growth) - 1e-5) - 1
        return _warmup(epoch, self.warmup_epochs) * jnp.power(jnp.asarray(self.decay, jnp.float32), index)


def _warmup(epoch: jax.Array, warmup_epochs: jax.typing.ArrayLike) -> jax.Array:
    return jnp.minimum(epoch / jnp.maximum(warmup_epochs, 1e-6), 1.0)  # Without a warm-up 1, for epoch > 0.


Schedule = Annotated[Constant | Cosine | Stages, Field(discriminator="kind")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Optimizer:
    learning_rate: PositiveFloat = traced(1e-3)
    schedule: Schedule = Constant()
    clip_norm: PositiveFloat | None = traced(None)  # Largest global norm of a gradient; null: no clipping.
    averaging: Rate | None = traced(
        None
    )  # Decay of the parameters' moving average, which is then evaluated; null: none.

    def warnings(self, config: Any) -> Iterator[str]:
        """Yields what goes together with the whole config, but is hardly meant."""
        yield from self.unreached("optimizer", "training.epochs", config.training.epochs)
        yield from self.unreached("optimizer", "training.pretraining_epochs", config.training.pretraining_epochs)
        yield from self.unreached("optimizer", "fine_tuning.epochs", config.fine_tuning.epochs)
        yield from self.unreached("optimizer", "semi_supervised.epochs", config.semi_supervised.epochs)

    def unreached(self, path: str, of: str, epochs: int) -> Iterator[str]:
        """Yields that the learning rate is not reached; `path` is that of the optimizer, `of` that of the epochs."""
        field, num = f"{path}.schedule.warmup_epochs", self.schedule.warmup_epochs
        yield from outlasting(field, num, of, epochs, "the warm-up to the learning rate is not over")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sgd(_Optimizer):
    """Plain gradient descent: W ← W − α dLoss/dW."""

    kind: Literal["sgd"] = "sgd"
    learning_rate: PositiveFloat = traced(0.1)

    def direction(self) -> optax.GradientTransformation:
        """Returns the update before it is scaled by the learning rate."""
        return optax.identity()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Momentum(_Optimizer):
    """Gradient descent with (Nesterov) momentum."""

    kind: Literal["momentum"] = "momentum"
    learning_rate: PositiveFloat = traced(0.1)
    momentum: Rate = traced(0.9)
    nesterov: bool = False

    def direction(self) -> optax.GradientTransformation:
        """Returns the update before it is scaled by the learning rate."""
        return optax.trace(decay=self.momentum, nesterov=self.nesterov)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Adam(_Optimizer):
    beta1: Rate = traced(0.9)
    beta2: Rate = traced(0.999)
    epsilon: PositiveFloat = traced(1e-8)

    def direction(self) -> optax.GradientTransformation:
        """Returns the update before it is scaled by the learning rate."""
        return optax.scale_by_adam(self.beta1, self.beta2, self.epsilon)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adam(_Adam):
    """Adam (Kingma and Ba, 2015)."""

    kind: Literal["adam"] = "adam"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdamW(_Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019), of kernels only: biases have nothing to decay."""

    kind: Literal["adamw"] = "adamw"
    weight_decay: NonNegativeFloat = traced(1e-4)

    def direction(self) -> optax.GradientTransformation:
        """Returns the update before it is scaled by the learning rate."""
        kernels = lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params)  # noqa: E731
        return optax.chain(super().direction(), optax.add_decayed_weights(self.weight_decay, mask=kernels))


Optimizer = Annotated[Sgd | Momentum | Adam | AdamW, Field(discriminator="kind")]


def make_optimizer(
    config: Optimizer, num_epochs: int, steps_per_epoch: jax.typing.ArrayLike
) -> optax.GradientTransformation:
    """Returns clipping, the optimizer's direction, and the scheduled learning rate, as one optax transformation."""

    def step_size(step: jax.Array) -> jax.Array:
        return -config.learning_rate * config.schedule.factor((step + 1) / steps_per_epoch, num_epochs)

    clip = [] if config.clip_norm is None else [optax.clip_by_global_norm(config.clip_norm)]
    return optax.chain(*clip, config.direction(), optax.scale_by_schedule(step_size))
