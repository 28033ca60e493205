"""Wasserstein autoencoders: noiseless codes whose distribution is pulled to a prior (Tolstikhin et al., 2018)."""

import dataclasses
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.autoencoders.with_posterior import only_identity
from aejax.config import NonNegativeFloat, PositiveInt, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.objectives.divergences import InverseMultiquadratic, Kernel, prior_discrepancy, sliced_wasserstein
from aejax.objectives.priors import StandardNormal


@dataclasses.dataclass(frozen=True, kw_only=True)
class PulledToPrior(Family):
    """What all have whose loss has a distance of a batch's codes from as many draws of the prior N(0, I)."""

    TERMS: ClassVar[tuple[str, ...]] = (*Family.TERMS, "discrepancy")
    NEEDS_OTHERS = True

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the latent has an activation, or None."""
        return only_identity(self) or super().conflict(preprocessing)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WaeConfig(PulledToPrior):
    """Loss: −log p(x|z) + weight · MMD(q(z), p(z)) with z = encode(x), which is not random.

    Source: Tolstikhin, Bousquet, Gelly and Schölkopf, "Wasserstein auto-encoders", 2018, algorithm 2 (WAE-MMD).

    Departures: the paper's squared error lacks the ½ of `half_squared_error`: halve its weight here.
    """

    kind: Literal["wae"] = "wae"
    weight: NonNegativeFloat = traced(5.0)  # Of the discrepancy.
    kernel: Kernel = InverseMultiquadratic()  # Of the discrepancy.


@dataclasses.dataclass(frozen=True, kw_only=True)
class SwaeConfig(PulledToPrior):
    """Loss: −log p(x|z) + weight · SW²(q(z), p(z)) with z = encode(x), which is not random.

    SW² is the squared sliced Wasserstein distance of the batch's codes from as many draws of N(0, I): the mean over
    random directions of the squared distance of both along one, where sorting gives it. Directions and draws are new in
    every step, and outside training always the same.

    Source: Kolouri, Pope, Martin and Rohde, "Sliced Wasserstein auto-encoders", 2019, algorithm 1.
    """

    kind: Literal["swae"] = "swae"
    weight: NonNegativeFloat = traced(10.0)  # Of the distance.
    num_projections: PositiveInt = 50  # Directions in which codes and draws are compared.


class _PulledToPrior(Autoencoder):
    config: Any  # A `PulledToPrior` family.

    def discrepancy(self, latent: jax.Array, prior: jax.Array, key: jax.Array) -> jax.Array:
        """Returns how far codes are from as many draws of the prior, [batch]; `key` is of what else is drawn."""
        raise NotImplementedError

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction, and how far the batch's codes are from the prior, the same for all, [batch]."""
        latent, key = self.encode(batch.image, train=train), self.noise_key(train=train)
        prior = StandardNormal(latent.shape[1]).sample(key, len(latent))
        discrepancy = self.discrepancy(latent.astype(jnp.float32), prior, jax.random.fold_in(key, 1))
        return {
            "reconstruction": self.reconstruction(latent, batch, train=train),
            "discrepancy": self.config.weight * discrepancy,
        }


class Wae(_PulledToPrior):
    """The networks of `WaeConfig`."""

    config: WaeConfig

    def discrepancy(self, latent: jax.Array, prior: jax.Array, key: jax.Array) -> jax.Array:
        """Returns the maximum mean discrepancy, the same for all, [batch]."""
        del key
        return prior_discrepancy(self.config.kernel, latent, prior)


class Swae(_PulledToPrior):
    """The networks of a `SwaeConfig`."""

    config: SwaeConfig

    def discrepancy(self, latent: jax.Array, prior: jax.Array, key: jax.Array) -> jax.Array:
        """Returns the squared sliced Wasserstein distance, the same for all, [batch]."""
        return jnp.full(len(latent), sliced_wasserstein(key, latent, prior, self.config.num_projections))
