"""What every sampler has: it is fitted to the codes of training images, and draws new ones.

A unit that never varies among these codes never does among those that are drawn.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.data.resident import Batch

FITTED = "fitted"  # The Flax collection of what a sampler knows at once, without training.


class CodeSpace(NamedTuple):
    """What a family's codes are: `size` numbers, or where there are categories, indices in [0, num_categories)."""

    size: int
    num_categories: int | None = None


def code_space(autoencoder: Any) -> CodeSpace:
    """The space of an autoencoder's codes."""
    image = jax.ShapeDtypeStruct((1, *autoencoder.image_shape), jnp.float32)
    code = jax.eval_shape(lambda x: autoencoder.init_with_output(jax.random.key(0), x, method="code")[0], image)
    return CodeSpace(code.shape[1], autoencoder.config.num_categories if autoencoder.config.DISCRETE else None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SamplerConfig:
    """What is known of every kind of sampler.

    LEARNED is whether it is trained step by step; all others are fitted at once. ON_HOST is whether that is done in
    host memory, by a library. CONTINUOUS and DISCRETE are the codes that it can be of. OF_TRAINING_CODES is whether it
    is fitted to those of training images.
    """

    LEARNED: ClassVar[bool] = False
    ON_HOST: ClassVar[bool] = False
    CONTINUOUS: ClassVar[bool] = True
    DISCRETE: ClassVar[bool] = False
    OF_TRAINING_CODES: ClassVar[bool] = True
    if TYPE_CHECKING:
        kind: str

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

    def parameter(self, name: str) -> jax.Array:
        """A variable that was fitted at once, by its name."""
        return self.fitted[name].value

    def fitted_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of what is fitted at once, by name."""
        return {}

    def fit(self, code: Any, seed: Any) -> Mapping[str, Any]:
        """Fits at once, without variables; returns arrays by name.

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
        """Returns mean and deviation of each unit; one that never varies has deviation 0."""
        del seed
        deviation = jnp.std(code, axis=0)
        varies = ~is_constant(code) & (deviation > 1e-6)
        return {"mean": mean_code(code), "deviation": jnp.where(varies, deviation, 0.0)}

    def standardize(self, code: jax.Array) -> jax.Array:
        """Returns codes [batch, size] on the scale of the training codes; a unit that never varies keeps its own."""
        return (code - self.parameter("mean")[None]) / self._scale()[None]

    def restore(self, x: jax.Array) -> jax.Array:
        """Undoes `standardize`, [batch, size]; a unit that never varies is at its mean, whatever x."""
        return x * self.parameter("deviation")[None] + self.parameter("mean")[None]

    def log_volume(self) -> jax.Array:
        """Returns the logarithm by which standardizing multiplies volumes, negated: Σ log deviation."""
        return jnp.sum(jnp.log(self._scale()))

    def _scale(self) -> jax.Array:
        deviation = self.parameter("deviation")
        return jnp.where(deviation != 0, deviation, 1.0)


def is_constant(code: jax.Array) -> jax.Array:
    """Returns which units are the same in all codes [examples, size], bool [size].

    Their variance does not tell: the mean of many equal numbers is not quite that number.
    """
    return jnp.max(code, axis=0) == jnp.min(code, axis=0)


def mean_code(code: jax.Array) -> jax.Array:
    """Returns the mean of codes [examples, size], [size]."""
    return jnp.where(is_constant(code), code[0], jnp.mean(code, axis=0))


def covariance_root(code: jax.Array) -> jax.Array:
    """Returns L, lower triangular [size, size], with L Lᵀ the covariance of codes [examples, size].

    A millionth of the mean variance is added to each unit's: codes may have directions in which they never vary. A unit
    that varies less than that keeps its own variance; the row of one that never varies is 0.
    """
    centered = code - jnp.mean(code, axis=0, keepdims=True)
    covariance = jnp.matmul(centered.T, centered, precision=jax.lax.Precision.HIGHEST) / code.shape[0]
    floor = 1e-6 * jnp.trace(covariance) / code.shape[1] + 1e-12
    root = jnp.linalg.cholesky(covariance + floor * jnp.eye(code.shape[1]))
    variance = jnp.where(is_constant(code), 0.0, jnp.diagonal(covariance))
    return root * own_share(variance, floor)[:, None]


def own_share(variance: jax.Array, added: jax.typing.ArrayLike) -> jax.Array:
    """Returns the share of each unit's deviation that is its own where a variance was added to its own, [size].

    It is taken to be all of it where more is its own than was added.
    """
    return jnp.where(variance < added, jnp.sqrt(variance / (variance + added)), 1.0)


def whiten(x: jax.Array, root: jax.Array) -> jax.Array:
    """Returns L⁻¹ x of rows x [batch, size], L a lower root [size, size]; 0 for units whose rows of L are 0."""
    varies = jnp.diagonal(root) != 0  # NaN does too.
    white = jax.scipy.linalg.solve_triangular(root + jnp.diag(jnp.where(varies, 0.0, 1.0)), x.T, lower=True).T
    return jnp.where(varies[None], white, 0.0)


def log_normalizer(root: jax.Array) -> jax.Array:
    """Returns log ∫ exp(−½ ‖L⁻¹ x‖²) dx over the units that vary, L a lower root [size, size]."""
    scale = jnp.diagonal(root)
    return jnp.sum(jnp.where(scale != 0, jnp.log(jnp.where(scale != 0, scale, 1.0)) + 0.5 * math.log(2 * math.pi), 0.0))
