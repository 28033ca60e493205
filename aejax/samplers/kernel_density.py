"""A kernel density estimate: a training code, and noise around it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp

from aejax.config import PositiveFloat, PositiveInt
from aejax.samplers.base import Sampler, SamplerConfig, covariance_root, log_normalizer, whiten


@dataclasses.dataclass(frozen=True, kw_only=True)
class KernelDensity(SamplerConfig):
    """1/n Σ_i N(z_i, h² Σ): kernels of the shape of the codes' covariance at the codes of training images.

    The bandwidth h is by default Scott's, n^(−1/(size + 4)): Scott, "Multivariate density estimation", 1992, equation
    6.42. Small ones give back training images, which the share of memorized ones shows.
    """

    kind: Literal["kernel_density"] = "kernel_density"
    bandwidth: PositiveFloat | None = None  # h; null: Scott's.
    num_kernels: PositiveInt = 10_000  # At the codes of the first so many training images.


class KernelDensitySampler(Sampler):
    """The sampler of a `KernelDensity` config."""

    config: KernelDensity

    def fitted_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of the kernels' centers, their lower root, and how many of them are there."""
        size = self.space.size
        return {"center": (self.config.num_kernels, size), "root": (size, size), "count": ()}

    def fit(self, code: Any, seed: Any) -> Mapping[str, Any]:
        """Returns them of the codes; of fewer codes than kernels, all are there and the rest is not used."""
        del seed
        num = min(self.config.num_kernels, code.shape[0])
        center = jnp.pad(code[:num], ((0, self.config.num_kernels - num), (0, 0)))
        bandwidth = self.config.bandwidth or num ** (-1 / (self.space.size + 4))
        return {"center": center, "root": bandwidth * covariance_root(code), "count": jnp.asarray(num, jnp.float32)}

    def log_density(self, code: jax.Array) -> jax.Array:
        """Returns log p(code) in nats, [batch]."""
        root, count = self.parameter("root"), self.parameter("count")
        x, center = whiten(code, root), whiten(self.parameter("center"), root)
        product = jnp.matmul(x, center.T, precision=jax.lax.Precision.HIGHEST)
        square = jnp.sum(jnp.square(x), axis=1)[:, None] + jnp.sum(jnp.square(center), axis=1)[None] - 2 * product
        used = jnp.arange(self.config.num_kernels) < count
        total = jax.nn.logsumexp(jnp.where(used[None], -0.5 * square, -jnp.inf), axis=1)
        return total - jnp.log(count) - log_normalizer(root)

    def sample(self, num: int, key: jax.Array) -> jax.Array:
        """Returns `num` codes, [num, size]."""
        which_key, noise_key = jax.random.split(key)
        which = jnp.floor(self.parameter("count") * jax.random.uniform(which_key, (num,))).astype(jnp.int32)
        noise = jax.random.normal(noise_key, (num, self.space.size))
        return self.parameter("center")[which] + noise @ self.parameter("root").T
