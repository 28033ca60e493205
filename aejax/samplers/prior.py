"""The prior: N(0, I), all categories alike, or what a variational family learned. Nothing is fitted to codes."""

import dataclasses
import math
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.objectives.priors import StandardNormal
from aejax.samplers.base import Sampler, SamplerConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prior(SamplerConfig):
    """What a variational family draws its posteriors to: N(0, I), or the prior that it learned (`autoencoder.prior`).

    N(0, I) too for families without a prior, and of discrete codes the uniform distribution.
    """

    DISCRETE: ClassVar[bool] = True
    OF_TRAINING_CODES: ClassVar[bool] = False

    kind: Literal["prior"] = "prior"


class PriorSampler(Sampler):
    """The sampler of a `Prior` config, where no prior was learned: a learned one, `Generator` asks the family for."""

    config: Prior

    def log_density(self, code: jax.Array) -> jax.Array:
        """Returns log p(code), [batch]."""
        if self.space.num_categories is None:
            return StandardNormal(self.space.size).log_density(code)
        return jnp.full(code.shape[0], -self.space.size * math.log(self.space.num_categories))

    def sample(self, num: int, key: jax.Array) -> jax.Array:
        """Returns `num` codes, [num, size]."""
        if self.space.num_categories is None:
            return StandardNormal(self.space.size).sample(key, num)
        return jax.random.randint(key, (num, self.space.size), 0, self.space.num_categories)
