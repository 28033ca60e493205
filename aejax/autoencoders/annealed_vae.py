"""The β-VAE whose KL is held at a capacity that grows in training (Burgess et al., 2018)."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.variational import VariationalAutoencoder, WithKL
from aejax.config import NonNegativeFloat, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.objectives.posteriors import Draw, Posterior


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnnealedVaeConfig(WithKL):
    """Loss: −log p(x|z) + gamma · |KL − C|, where C grows from 0 to `capacity`.

    The KL is the mean over the batch: C is a capacity for all images together, not for each.

    Source: Burgess et al., "Understanding disentangling in β-VAE", 2018, equation 8.
    """

    kind: Literal["annealed_vae"] = "annealed_vae"
    gamma: NonNegativeFloat = traced(1000.0)  # Of the distance of the KL from C.
    capacity: NonNegativeFloat = traced(25.0)  # The last C, in nats.
    warmup_epochs: NonNegativeFloat = traced(10.0)  # In which C grows from 0 to the capacity, linearly.

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the prior is learned, or None."""
        if self.prior.LEARNED:
            return (
                f"prior={self.prior.kind} would move away from the codes to raise the KL to its capacity; use "
                "prior=standard_normal, or autoencoder=beta_vae"
            )
        return super().conflict(preprocessing)


class AnnealedVae(VariationalAutoencoder):
    """The networks of an `AnnealedVaeConfig`."""

    config: AnnealedVaeConfig

    def divergences(self, batch: Batch, draw: Draw, posterior: Posterior, *, train: bool) -> dict[str, jax.Array]:
        """Returns the weighted distance of the KL from its capacity, the same for all, [batch]."""
        del train
        divergence = self.kl(posterior, draw)
        distance = jnp.abs(jnp.mean(divergence) - self.config.capacity * self.warmth(batch))
        return {"kl": jnp.full_like(divergence, self.config.gamma * distance)}
