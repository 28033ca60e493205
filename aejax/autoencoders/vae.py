"""The variational autoencoder (Kingma and Welling, 2014), and with a weight of its KL (Higgins et al., 2017)."""

import dataclasses
from typing import Literal

import jax

from aejax.autoencoders.variational import VariationalAutoencoder, WithKL
from aejax.config import NonNegativeFloat, traced
from aejax.data.resident import Batch
from aejax.objectives.posteriors import Draw, Posterior


@dataclasses.dataclass(frozen=True, kw_only=True)
class VaeConfig(WithKL):
    """Loss: −log p(x|z) + KL(q(z|x) ‖ p(z)) with z ~ q(z|x): the negative of the evidence lower bound.

    Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014, equation 10 with one draw.
    """

    kind: Literal["vae"] = "vae"


class Vae(VariationalAutoencoder):
    """The networks of `VaeConfig`."""

    config: VaeConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class BetaVaeConfig(WithKL):
    """Loss: −log p(x|z) + beta · KL(q(z|x) ‖ p(z)). Beta multiplies the KL, in nats per image, and nothing else.

    Source: Higgins et al., "β-VAE: learning basic visual concepts with a constrained variational framework", 2017,
    equation 4.
    """

    kind: Literal["beta_vae"] = "beta_vae"
    beta: NonNegativeFloat = traced(4.0)  # Of the KL.


class BetaVae(VariationalAutoencoder):
    """The networks of `BetaVaeConfig`."""

    config: BetaVaeConfig

    def divergences(self, batch: Batch, draw: Draw, posterior: Posterior, *, train: bool) -> dict[str, jax.Array]:
        """Returns the weighted KL, [batch]."""
        del train
        return {"kl": self.config.beta * self.warmth(batch) * self.kl(posterior, draw)}
