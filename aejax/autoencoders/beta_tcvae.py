"""β-TCVAE: the KL in three parts, each with a weight of its own (Chen et al., 2018)."""

import dataclasses
from typing import ClassVar, Literal

import jax

from aejax.autoencoders.variational import VariationalAutoencoder, WithKL
from aejax.config import NonNegativeFloat, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.objectives.divergences import Estimator, decompose_kl
from aejax.objectives.posteriors import Draw, Posterior


@dataclasses.dataclass(frozen=True, kw_only=True)
class BetaTcVaeConfig(WithKL):
    """Loss: −log p(x|z) + alpha · mutual information + beta · total correlation + gamma · dimension-wise KL.

    Each part is an estimate from the draws and posteriors of the batch; with all weights 1 they add up to an
    unbiased estimate of the KL.

    Source: Chen, Li, Grosse and Duvenaud, "Isolating sources of disentanglement in variational autoencoders", 2018,
    equation 4.
    """

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction", "mutual_information", "total_correlation", "kl")
    NEEDS_OTHERS = True

    kind: Literal["beta_tcvae"] = "beta_tcvae"
    alpha: NonNegativeFloat = traced(1.0)  # Of the mutual information of image and code.
    beta: NonNegativeFloat = traced(6.0)  # Of the total correlation: how much units depend on each other.
    gamma: NonNegativeFloat = traced(1.0)  # Of the KL of each unit by itself.
    estimator: Estimator = "stratified"  # Of q(z) from a batch; see `decompose_kl`.

    @property
    def needs_gaussian(self) -> str | None:
        """Returns that q(z) is a mixture of Gaussians."""
        return "autoencoder=beta_tcvae"

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that bits cannot be free, or None."""
        if self.free_bits > 0:
            return f"free_bits={self.free_bits} are of each unit's KL, which is none of the loss's terms; leave it out"
        return super().conflict(preprocessing)


class BetaTcVae(VariationalAutoencoder):
    """The networks of `BetaTcVaeConfig`."""

    config: BetaTcVaeConfig

    def divergences(self, batch: Batch, draw: Draw, posterior: Posterior, *, train: bool) -> dict[str, jax.Array]:
        """Returns the weighted parts, [batch] each; "kl" is the dimension-wise one."""
        del train
        config, warmth = self.config, self.warmth(batch)
        size = len(draw.latent) if batch.dataset_size is None else batch.dataset_size
        log_prior = self.prior().log_density
        parts = decompose_kl(draw.latent, log_prior, posterior.mean, posterior.log_variance, size, config.estimator)
        return {
            "mutual_information": config.alpha * warmth * parts.mutual_information,
            "total_correlation": config.beta * warmth * parts.total_correlation,
            "kl": config.gamma * warmth * parts.dimension_wise_kl,
        }
