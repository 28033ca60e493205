"""The importance-weighted autoencoder (Burda, Grosse and Salakhutdinov, 2016), also with another gradient (DReG)."""

import dataclasses
import math
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.variational import Variational, VariationalAutoencoder
from aejax.config import PositiveInt
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.objectives.divergences import gaussian_log_density
from aejax.objectives.posteriors import Draw, Posterior


@dataclasses.dataclass(frozen=True, kw_only=True)
class IwaeConfig(Variational):
    """Loss: −log 1/k Σ_i p(x, z_i) / q(z_i|x) with z_i ~ q(z|x). k = 1 gives the loss of `vae`, more a closer bound.

    `gradient=dreg` trains the encoder with another estimate of the same gradient, which has less variance: Tucker,
    Lawson, Gu and Maddison, "Doubly reparameterized gradient estimators for Monte Carlo objectives", 2019.
    `average=elbo` averages k evidence lower bounds instead: the VAE with k draws that the paper compares with.

    Source: Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", 2016, equation 8.
    """

    TERMS: ClassVar[tuple[str, ...]] = ("bound",)

    kind: Literal["iwae"] = "iwae"
    num_samples: PositiveInt = 5  # k, draws of each posterior.
    average: Literal["iwae", "elbo"] = "iwae"  # Of the bound of all draws, or the mean of k bounds.
    gradient: Literal["standard", "dreg"] = "standard"  # dreg: of less variance.

    def num_draws(self) -> int:
        """Returns k."""
        return self.num_samples

    @property
    def needs_gaussian(self) -> str | None:
        """Returns that the density of a draw is wanted with its posterior held, or None."""
        return "gradient=dreg" if self.gradient == "dreg" else None

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns which fields do not go together, or None."""
        if self.likelihood.SCALE == "batch" and self.average == "iwae":
            return (
                f"likelihood={self.likelihood.kind} has the σ that suits the mean of all draws, which is not the one "
                "that makes the bound closest; use learned_gaussian"
            )
        if self.average == "elbo" and self.gradient == "dreg":
            return "gradient=dreg is of the importance-weighted bound; use average=iwae"
        return super().conflict(preprocessing)


class Iwae(VariationalAutoencoder):
    """The networks of an `IwaeConfig`."""

    config: IwaeConfig

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the negative bound, [batch]."""
        config = self.config
        posterior = self.posterior(batch.image, train=train)
        draw = self.draw(posterior, self.noise_key(train=train), config.num_samples)
        if config.gradient == "dreg":
            return {"bound": self._doubly_reparameterized(draw.latent, batch.image, posterior, train=train)}
        log_weight = self.log_weights(draw, batch.image, train=train)
        if config.average == "elbo":
            return {"bound": -jnp.mean(log_weight, axis=0)}
        return {"bound": math.log(config.num_samples) - jax.nn.logsumexp(log_weight, axis=0)}

    def _doubly_reparameterized(
        self, latent: jax.Array, target: jax.Array, posterior: Posterior, *, train: bool
    ) -> jax.Array:
        """Returns the negative bound, [batch], with a gradient of its own.

        With w the normalized weights, the decoder's is Σ w ∇ log weight, as of the bound. The encoder's goes through
        the draws alone, and is Σ w² ∂ log weight/∂z ∂z/∂encoder.
        """
        constant = jax.lax.stop_gradient
        held = constant(posterior)

        def log_weights(latent: jax.Array) -> jax.Array:
            density = gaussian_log_density(latent, held.mean[None], held.log_variance[None])
            return self.log_weights(Draw(latent, jnp.sum(density, axis=-1)), target, train=train)

        share = constant(jax.nn.softmax(log_weights(constant(latent)), axis=0))
        # The same draws, through which the encoder's gradient comes multiplied by a second w.
        latent = constant(latent) + share[..., None] * (latent - constant(latent))
        log_weight = log_weights(latent)
        bound = math.log(self.config.num_samples) - jax.nn.logsumexp(log_weight, axis=0)
        surrogate = -jnp.sum(share * log_weight, axis=0)
        return constant(bound) + surrogate - constant(surrogate)
