"""A mixture of Gaussians (scikit-learn)."""

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from aejax.config import PositiveInt
from aejax.samplers.base import Sampler, SamplerConfig, own_share
from aejax.samplers.gaussian import gaussian_log_density


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mixture(SamplerConfig):
    """Σ_k w_k N(μ_k, Σ_k) with full covariances, by expectation maximization from the clusters of k-means.

    Source: Ghosh et al., "From variational to deterministic autoencoders", 2020, section 4: ten components.
    """

    ON_HOST: ClassVar[bool] = True

    kind: Literal["mixture"] = "mixture"
    num_components: PositiveInt = 10

    def misfit(self, num_codes: int) -> str | None:
        """Why there cannot be so many components; None if there can."""
        if self.num_components <= num_codes:
            return None
        return (
            f"num_components={self.num_components} is more than the {num_codes} codes of training images; make it "
            "smaller"
        )


class MixtureSampler(Sampler):
    """The sampler of a `Mixture` config."""

    config: Mixture

    def fitted_shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of weights, means, and lower roots of covariances."""
        num, size = self.config.num_components, self.space.size
        return {"weight": (num,), "mean": (num, size), "root": (num, size, size)}

    def fit(self, code: Any, seed: Any) -> Mapping[str, Any]:
        """Returns them of the codes; NaN where these are not finite."""
        from sklearn.mixture import GaussianMixture
        from threadpoolctl import threadpool_limits

        code = np.asarray(code, np.float64)
        if not np.isfinite(code).all():
            return {name: np.full(shape, np.nan, np.float32) for name, shape in self.fitted_shapes().items()}
        varies = np.ptp(code, axis=0) > 0
        scale = code[:, varies].std() if varies.any() else 1.0  # What is added to variances is relative to theirs.
        # Each sum on one thread: over several it would depend on which of them ends first.
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Number of distinct clusters")  # Of codes that are the same: no trouble.
            model = GaussianMixture(self.config.num_components, random_state=int(seed)).fit(code / scale)
        variance = np.where(varies, (code / scale).var(axis=0), 0.0)
        share = np.asarray(own_share(jnp.asarray(variance), model.reg_covar))
        root = scale * np.linalg.cholesky(model.covariances_) * share[:, None]
        fitted = {"weight": model.weights_, "mean": scale * model.means_, "root": root}
        return {name: value.astype(np.float32) for name, value in fitted.items()}

    def log_density(self, code: jax.Array) -> jax.Array:
        """Returns log p(code) in nats, [batch]."""
        of_each = jax.vmap(gaussian_log_density, in_axes=(None, 0, 0))(
            code, self.parameter("mean"), self.parameter("root")
        )
        return jax.nn.logsumexp(jnp.log(self.parameter("weight"))[:, None] + of_each, axis=0)

    def sample(self, num: int, key: jax.Array) -> jax.Array:
        """Returns `num` codes, [num, size]."""
        which_key, noise_key = jax.random.split(key)
        which = jax.random.categorical(which_key, jnp.log(self.parameter("weight")), shape=(num,))
        noise = jax.random.normal(noise_key, (num, self.space.size))
        return self.parameter("mean")[which] + jnp.einsum("nij,nj->ni", self.parameter("root")[which], noise)
