"""DIP-VAE: a penalty pulls the covariance of the codes to the prior's (Kumar, Sattigeri and Balakrishnan, 2018)."""

import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.variational import VariationalAutoencoder, WithKL
from aejax.config import NonNegativeFloat, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.objectives.posteriors import Draw, Posterior


@dataclasses.dataclass(frozen=True, kw_only=True)
class DipVaeConfig(WithKL):
    """Loss: −log p(x|z) + KL + off_diagonal · Σ_{i≠j} C_ij² + diagonal · Σ_i (C_ii − 1)².

    C is the covariance, over the batch, of the posteriors' means (DIP-VAE-I) or of the codes drawn from the posteriors
    (DIP-VAE-II), which adds the mean of the posteriors' covariances.

    Source: Kumar, Sattigeri and Balakrishnan, "Variational inference of disentangled latent concepts from unlabeled
    observations", 2018, equations 6 and 7.
    """

    TERMS: ClassVar[tuple[str, ...]] = (*WithKL.TERMS, "covariance")
    NEEDS_OTHERS = True

    kind: Literal["dip_vae"] = "dip_vae"
    covariance_of: Literal["means", "codes"] = "means"  # means: DIP-VAE-I; codes: DIP-VAE-II.
    off_diagonal: NonNegativeFloat = traced(10.0)  # Of covariances between units.
    diagonal: NonNegativeFloat = traced(100.0)  # Of variances other than 1.

    @property
    def needs_gaussian(self) -> str | None:
        """Returns that the codes' covariance is made of Gaussians."""
        return "autoencoder=dip_vae"

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the prior is learned, or None."""
        if self.prior.LEARNED:
            return (
                f"prior={self.prior.kind}: the covariance of codes is drawn to the identity, that of N(0, I); use "
                "prior=standard_normal, or autoencoder=factor_vae"
            )
        return super().conflict(preprocessing)


class DipVae(VariationalAutoencoder):
    """The networks of `DipVaeConfig`."""

    config: DipVaeConfig

    def divergences(self, batch: Batch, draw: Draw, posterior: Posterior, *, train: bool) -> dict[str, jax.Array]:
        """Returns the KL, and how far the batch's covariance is from the prior's, the same for all, [batch] each."""
        del train
        config, mean = self.config, posterior.mean
        centered = mean - jnp.mean(mean, axis=0, keepdims=True)
        covariance = centered.T @ centered / len(mean)
        if config.covariance_of == "codes":
            covariance += jnp.diag(jnp.mean(jnp.exp(posterior.log_variance), axis=0))
        variance = jnp.diag(covariance)
        off_diagonal = jnp.sum(jnp.square(covariance)) - jnp.sum(jnp.square(variance))
        distance = config.off_diagonal * off_diagonal + config.diagonal * jnp.sum(jnp.square(variance - 1))
        return {
            "kl": self.warmth(batch) * self.kl(posterior, draw),
            "covariance": jnp.full(len(mean), distance),
        }
