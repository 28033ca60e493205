"""Codes whose distribution is drawn to the prior by its maximum mean discrepancy: InfoVAE and WAE-MMD."""

import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder, Family
from aejax.autoencoders.variational import Posterior, Variational, VariationalAutoencoder, only_identity
from aejax.config import NonNegativeFloat, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.objectives.divergences import InverseMultiquadratic, Kernel, RadialBasis, maximum_mean_discrepancy


@dataclasses.dataclass(frozen=True, kw_only=True)
class InfoVae(Variational):
    """Loss: −log p(x|z) + (1 − alpha) · KL + (alpha + scale − 1) · MMD(q(z), p(z)).

    q(z) is that of the codes of all images: the discrepancy is of the batch's codes from as many draws of the prior.
    Its weight is never negative, or the codes would be driven away from the prior.

    Source: Zhao, Song and Ermon, "InfoVAE: balancing learning and inference in variational autoencoders", 2019;
    `scale` is their λ.
    """

    TERMS: ClassVar[tuple[str, ...]] = (*Variational.TERMS, "discrepancy")

    NEEDS_OTHERS = True

    kind: Literal["info_vae"] = "info_vae"
    alpha: NonNegativeFloat = traced(0.5)
    scale: NonNegativeFloat = traced(1000.0)
    kernel: Kernel = RadialBasis()

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


class InfoVaeAutoencoder(VariationalAutoencoder):
    """The networks of an `InfoVae` config."""

    config: InfoVae

    def divergences(
        self, batch: Batch, latent: jax.Array, posterior: Posterior, *, train: bool
    ) -> dict[str, jax.Array]:
        """Returns the weighted KL and the weighted discrepancy, [batch] each."""
        config = self.config
        discrepancy = _discrepancy(config.kernel, latent, self.noise_key(train=train))
        return {
            "kl": (1 - config.alpha) * self.warmth(batch) * self.kl(posterior),
            "discrepancy": (config.alpha + config.scale - 1) * discrepancy,
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wae(Family):
    """Loss: −log p(x|z) + weight · MMD(q(z), p(z)) with z = encode(x), which is not random.

    Source: Tolstikhin, Bousquet, Gelly and Schölkopf, "Wasserstein auto-encoders", 2018, algorithm 2 (WAE-MMD). Its
    squared error lacks the ½ of `half_squared_error`: halve its weight to train the same.
    """

    TERMS: ClassVar[tuple[str, ...]] = (*Family.TERMS, "discrepancy")

    NEEDS_OTHERS = True

    kind: Literal["wae"] = "wae"
    weight: NonNegativeFloat = traced(5.0)
    kernel: Kernel = InverseMultiquadratic()

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the latent has an activation, or None."""
        return only_identity(self) or super().conflict(preprocessing)


class WaeAutoencoder(Autoencoder):
    """The networks of a `Wae` config."""

    config: Wae

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction, and how far the batch's codes are from the prior, the same for all, [batch]."""
        latent = self.encode(batch.image, train=train)
        key = self.make_rng("noise") if train else jax.random.key(0)
        return {
            "reconstruction": self.reconstruction(latent, batch.image, train=train),
            "discrepancy": self.config.weight * _discrepancy(self.config.kernel, latent, key),
        }


def _discrepancy(kernel: Kernel, latent: jax.Array, key: jax.Array) -> jax.Array:
    """Returns the squared discrepancy of codes from as many draws of the prior, the same for all, [batch]."""
    latent = latent.astype(jnp.float32)
    prior = jax.random.normal(jax.random.fold_in(key, 1), latent.shape)
    return jnp.full(len(latent), maximum_mean_discrepancy(kernel, latent, prior))
