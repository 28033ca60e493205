"""The standard prior: what nobody fits. N(0, I), or all categories alike."""

import dataclasses
import math
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.samplers.base import Sampler, SamplerConfig, standard_normal_log_density


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prior(SamplerConfig):
    """N(0, I), to which a variational family draws its posteriors; of discrete codes the uniform distribution."""

    DISCRETE: ClassVar[bool] = True
    OF_TRAINING_CODES: ClassVar[bool] = False

    kind: Literal["prior"] = "prior"


class PriorSampler(Sampler):
    """The sampler of a `Prior` config."""

    config: Prior

    def log_density(self, code: jax.Array) -> jax.Array:
        """Returns log p(code), [batch]."""
        if self.space.num_categories is None:
            return standard_normal_log_density(code)
        return jnp.full(code.shape[0], -self.space.size * math.log(self.space.num_categories))

    def sample(self, num: int, key: jax.Array) -> jax.Array:
        """Returns `num` codes, [num, size]."""
        if self.space.num_categories is None:
            return jax.random.normal(key, (num, self.space.size))
        return jax.random.randint(key, (num, self.space.size), 0, self.space.num_categories)
