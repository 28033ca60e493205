"""Flow matching: a velocity field that carries noise to codes."""

import dataclasses
import functools
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax import rng
from aejax.config import PositiveInt
from aejax.data.resident import Batch
from aejax.networks.layers import DenseStack, make_dense
from aejax.samplers.base import SamplerConfig, Standardizing
from aejax.samplers.flow import Widths


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlowMatching(SamplerConfig):
    """Loss: ½ ‖v(x_t, t) − (x_1 − x_0)‖² with x_0 ~ N(0, I), x_1 a standardized code, x_t = (1 − t) x_0 + t x_1.

    Samples are the ends of dx/dt = v(x, t) from noise, by the midpoint rule.

    Source: Lipman, Chen, Ben-Hamu, Nickel and Le, "Flow matching for generative modeling", 2023, equation 23 with
    σ_min = 0.
    """

    LEARNED: ClassVar[bool] = True

    kind: Literal["flow_matching"] = "flow_matching"
    widths: Widths = (256, 256, 256)
    frequencies: PositiveInt = 8  # Of sines and cosines of the time, by which the network knows it.
    num_steps: PositiveInt = 32  # Of the midpoint rule; each evaluates the network twice.


class Velocity(nn.Module):
    """A dense network: ([batch, size], times [batch]) -> [batch, size]."""

    config: FlowMatching

    @nn.compact
    def __call__(self, x: jax.Array, time: jax.Array) -> jax.Array:
        """Returns the velocity at x."""
        angle = jnp.pi * time[:, None] * 2.0 ** jnp.arange(self.config.frequencies)[None] / 2
        hidden = jnp.concatenate([x, jnp.sin(angle), jnp.cos(angle)], axis=1)
        hidden = DenseStack(self.config.widths, "silu", "lecun_normal")(hidden)
        return make_dense(x.shape[1], "lecun_normal")(hidden)


class FlowMatchingSampler(Standardizing):
    """The sampler of a `FlowMatching` config. Outside training its loss has the same noise and times every time."""

    config: FlowMatching

    def setup(self) -> None:
        """Makes the network."""
        super().setup()
        self.velocity = Velocity(self.config)

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the squared error of the velocity, [batch]."""
        assert batch.code is not None
        end = self.standardize(batch.code)
        key = self.make_rng("noise") if train else rng.root(0)
        time_key, noise_key = jax.random.split(key)
        time, start = jax.random.uniform(time_key, end.shape[:1]), jax.random.normal(noise_key, end.shape)
        between = (1 - time[:, None]) * start + time[:, None] * end
        error = self.velocity(between, time) - (end - start)
        return {"velocity": 0.5 * jnp.sum(jnp.square(error), axis=1)}

    def sample(self, num: int, key: jax.Array) -> jax.Array:
        """Returns `num` codes, [num, size]."""
        network, variables = self.velocity.unbind()
        velocity: Any = functools.partial(network.apply, variables)
        step = 1.0 / self.config.num_steps

        def advance(x: jax.Array, index: jax.Array) -> tuple[jax.Array, None]:
            time = jnp.full(num, index * step)
            middle = x + 0.5 * step * velocity(x, time)
            return x + step * velocity(middle, time + 0.5 * step), None

        x = jax.random.normal(key, (num, self.space.size))
        return self.restore(jax.lax.scan(advance, x, jnp.arange(self.config.num_steps))[0])
