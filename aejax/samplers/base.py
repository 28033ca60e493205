"""What every sampler has: it is fitted to the codes of training images, and draws new ones."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.data.resident import Batch
from aejax.objectives.divergences import standard_log_density

FITTED = "fitted"  # The Flax collection of what a sampler knows at once, without training.


class CodeSpace(NamedTuple):
    """What a family's codes are: `size` numbers, or where there are categories, indices in [0, num_categories)."""

    size: int
    num_categories: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class SamplerConfig:
    """What is known of every kind of sampler.

    LEARNED is whether it is trained step by step; all others are fitted at once. ON_HOST is whether that is done in
    host memory, by a library. CONTINUOUS and DISCRETE are the codes that it can be of.
    """

    LEARNED: ClassVar[bool] = False
    ON_HOST: ClassVar[bool] = False
    CONTINUOUS: ClassVar[bool] = True
    DISCRETE: ClassVar[bool] = False

    def conflict(self) -> str | None:
        """Returns which fields do not go together, or None."""
        return None

    def misfit(self, num_codes: int) -> str | None:
        """Why so many training codes are too few, and what would do; None if they are enough."""
        del num_codes
        return None


class Sampler(nn.Module):
    """A distribution of codes, float32 [batch, space.size], or int32 where these are discrete.

    What `fit` returns lies in the collection "fitted", under the names and in the shapes of `fitted_shapes`. A sampler
    that is learned overrides `terms`, others `log_density`.
    """

    config: Any  # A SamplerConfig.
    space: CodeSpace

    def setup(self) -> None:
        """Makes what is fitted at once."""
        self.fitted = {
            name: self.variable(FITTED, name, jnp.zeros, shape) for name, shape in self.fitted_shapes().items()
        }

    def known(self, name: str) -> jax.Array:
        """Returns what was fitted at once, by its name."""
        return self.fitted[name].value

    def fitted_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of what is fitted at once, by name."""
        return {}

    def fit(self, code: Any, seed: Any) -> Mapping[str, Any]:
        """Returns what is fitted at once, by name, without variables.

        Args:
          code: of training images, [examples, size]; on the host if the config says so.
          seed: of what is drawn for it.
        """
        del code, seed
        return {}

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the terms of the loss of `batch.code`, each [batch]."""
        del train
        assert batch.code is not None
        return {"code_nll": -self.log_density(batch.code)}

    def log_density(self, code: jax.Array) -> jax.Array:
        """Returns log p(code) in nats, [batch]."""
        raise NotImplementedError

    def sample(self, num: int, key: jax.Array) -> jax.Array:
        """Returns `num` codes, [num, size]."""
        raise NotImplementedError


class Standardizing(Sampler):
    """A sampler of codes that are standardized first: each unit has mean 0 and variance 1 over the training images."""

    def fitted_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of mean and deviation."""
        return {"mean": (self.space.size,), "deviation": (self.space.size,)}

    def fit(self, code: Any, seed: Any) -> Mapping[str, Any]:
        """Returns mean and deviation of each unit; one that never varies has deviation 1."""
        del seed
        deviation = jnp.std(code, axis=0)
        return {"mean": jnp.mean(code, axis=0), "deviation": jnp.where(deviation > 1e-6, deviation, 1.0)}

    def standardize(self, code: jax.Array) -> jax.Array:
        """Returns codes [batch, size] on the scale of the training codes."""
        return (code - self.known("mean")[None]) / self.known("deviation")[None]

    def restore(self, x: jax.Array) -> jax.Array:
        """Returns what `standardize` undoes, [batch, size]."""
        return x * self.known("deviation")[None] + self.known("mean")[None]

    def log_volume(self) -> jax.Array:
        """Returns the logarithm by which standardizing multiplies volumes, negated: Σ log deviation."""
        return jnp.sum(jnp.log(self.known("deviation")))


def standard_normal_log_density(x: jax.Array) -> jax.Array:
    """Returns log N(x; 0, I) of rows x [batch, size], [batch]."""
    return jnp.sum(standard_log_density(x), axis=-1)


def covariance_root(code: jax.Array) -> jax.Array:
    """Returns L, lower triangular [size, size], with L Lᵀ the covariance of codes [examples, size].

    A millionth of the mean variance is added to each unit's: codes may have directions in which they never vary.
    """
    centered = code - jnp.mean(code, axis=0, keepdims=True)
    covariance = jnp.matmul(centered.T, centered, precision=jax.lax.Precision.HIGHEST) / code.shape[0]
    floor = 1e-6 * jnp.trace(covariance) / code.shape[1] + 1e-12
    return jnp.linalg.cholesky(covariance + floor * jnp.eye(code.shape[1]))
