"""The Wasserstein autoencoder: noiseless codes whose distribution is pulled to a prior (Tolstikhin et al., 2018)."""

import dataclasses
from typing import ClassVar, Literal

import jax

from aejax.autoencoders.base import Autoencoder, Family
from aejax.autoencoders.with_posterior import only_identity
from aejax.config import NonNegativeFloat, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.objectives.divergences import InverseMultiquadratic, Kernel, prior_discrepancy
from aejax.objectives.priors import StandardNormal


@dataclasses.dataclass(frozen=True, kw_only=True)
class WaeConfig(Family):
    """Loss: −log p(x|z) + weight · MMD(q(z), p(z)) with z = encode(x), which is not random.

    Source: Tolstikhin, Bousquet, Gelly and Schölkopf, "Wasserstein auto-encoders", 2018, algorithm 2 (WAE-MMD).

    Departures: the paper's squared error lacks the ½ of `half_squared_error`: halve its weight here.
    """

    TERMS: ClassVar[tuple[str, ...]] = (*Family.TERMS, "discrepancy")
    NEEDS_OTHERS = True

    kind: Literal["wae"] = "wae"
    weight: NonNegativeFloat = traced(5.0)  # Of the discrepancy.
    kernel: Kernel = InverseMultiquadratic()  # Of the discrepancy.

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the latent has an activation, or None."""
        return only_identity(self) or super().conflict(preprocessing)


class Wae(Autoencoder):
    """The networks of `WaeConfig`."""

    config: WaeConfig

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction, and how far the batch's codes are from the prior, the same for all, [batch]."""
        latent = self.encode(batch.image, train=train)
        prior = StandardNormal(latent.shape[1]).sample(self.noise_key(train=train), len(latent))
        discrepancy = prior_discrepancy(self.config.kernel, latent, prior)
        return {
            "reconstruction": self.reconstruction(latent, batch.image, train=train),
            "discrepancy": self.config.weight * discrepancy,
        }
