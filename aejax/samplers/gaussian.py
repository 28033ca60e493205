"""One Gaussian with a full covariance."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp

from aejax.samplers.base import Sampler, SamplerConfig, covariance_root, log_normalizer, mean_code, whiten


@dataclasses.dataclass(frozen=True, kw_only=True)
class FullGaussian(SamplerConfig):
    """N(μ, Σ) with the mean and the covariance of the training codes."""

    kind: Literal["gaussian"] = "gaussian"


class GaussianSampler(Sampler):
    """The sampler of a `FullGaussian` config."""

    config: FullGaussian

    def fitted_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of the mean and of the covariance's lower root."""
        size = self.space.size
        return {"mean": (size,), "root": (size, size)}

    def fit(self, code: Any, seed: Any) -> Mapping[str, Any]:
        """Returns both of the codes."""
        del seed
        return {"mean": mean_code(code), "root": covariance_root(code)}

    def log_density(self, code: jax.Array) -> jax.Array:
        """Returns log p(code) in nats, [batch]."""
        return gaussian_log_density(code, self.parameter("mean"), self.parameter("root"))

    def sample(self, num: int, key: jax.Array) -> jax.Array:
        """Returns `num` codes, [num, size]."""
        noise = jax.random.normal(key, (num, self.space.size))
        return self.parameter("mean")[None] + noise @ self.parameter("root").T


def gaussian_log_density(code: jax.Array, mean: jax.Array, root: jax.Array) -> jax.Array:
    """Returns log N(code; mean, root rootᵀ) in nats, [batch], for codes [batch, size] and a lower root [size, size].

    It is the density of the units that vary.
    """
    return -0.5 * jnp.sum(jnp.square(whiten(code - mean[None], root)), axis=-1) - log_normalizer(root)
