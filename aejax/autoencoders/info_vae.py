"""InfoVAE: a KL of less weight, and a discrepancy of all codes from the prior (Zhao, Song and Ermon, 2019)."""

import dataclasses
from typing import ClassVar, Literal

import jax

from aejax.autoencoders.variational import VariationalAutoencoder, WithKL
from aejax.config import NonNegativeFloat, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.objectives.divergences import Kernel, RadialBasis, prior_discrepancy
from aejax.objectives.posteriors import Draw, Posterior


@dataclasses.dataclass(frozen=True, kw_only=True)
class InfoVaeConfig(WithKL):
    """Loss: −log p(x|z) + (1 − alpha) · KL + (alpha + scale − 1) · MMD(q(z), p(z)).

    q(z) is the distribution of the codes of all images. MMD compares the codes of the batch with as many draws of the
    prior. A negative weight of it, which would drive codes away from the prior, is refused. A learned prior learns from
    the KL alone; in the MMD its draws are constants.

    Source: Zhao, Song and Ermon, "InfoVAE: balancing learning and inference in variational autoencoders", 2019;
    `scale` is their λ.
    """

    TERMS: ClassVar[tuple[str, ...]] = (*WithKL.TERMS, "discrepancy")
    NEEDS_OTHERS = True

    kind: Literal["info_vae"] = "info_vae"
    alpha: NonNegativeFloat = traced(0.5)  # How much of the KL is left out; 1: all of it.
    scale: NonNegativeFloat = traced(1000.0)  # Of the discrepancy; λ of the paper.
    kernel: Kernel = RadialBasis()  # Of the discrepancy.

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns which weight is negative, or None."""
        if self.alpha > 1:
            return f"alpha={self.alpha} gives the KL a negative weight, 1 − alpha; use at most 1"
        if self.alpha + self.scale < 1:
            return (
                f"alpha={self.alpha} and scale={self.scale} give the discrepancy a negative weight, alpha + scale − 1; "
                "make scale larger"
            )
        return super().conflict(preprocessing)


class InfoVae(VariationalAutoencoder):
    """The networks of an `InfoVaeConfig`."""

    config: InfoVaeConfig

    def divergences(self, batch: Batch, draw: Draw, posterior: Posterior, *, train: bool) -> dict[str, jax.Array]:
        """Returns the weighted KL and the weighted discrepancy, [batch] each."""
        config = self.config
        key = jax.random.fold_in(self.noise_key(train=train), 1)  # Not that of the codes' own noise.
        prior = jax.lax.stop_gradient(self.prior().sample(key, len(draw.latent)))
        discrepancy = prior_discrepancy(config.kernel, draw.latent, prior)
        return {
            "kl": (1 - config.alpha) * self.warmth(batch) * self.kl(posterior, draw),
            "discrepancy": (config.alpha + config.scale - 1) * discrepancy,
        }
