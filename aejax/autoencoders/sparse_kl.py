"""The sparse autoencoder whose units are active at a given rate (Ng, 2011, CS294A notes; for RBMs Lee et al., 2008)."""

import dataclasses
from typing import ClassVar, Literal

import jax

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.config import NonNegativeFloat, OpenRate, PositiveInt, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.networks.dense import Dense
from aejax.networks.layers import Activation
from aejax.networks.zoo import Encoder
from aejax.objectives.penalties import rate_divergence


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparseKLConfig(Family):
    """Loss: −log p(x | decode(h)) + weight · Σ_j KL(Bernoulli(target) ‖ Bernoulli(ρ_j)).

    ρ_j is the mean of unit j over the batch, so the penalty depends on the batch's size, and all examples of a batch
    carry the same value.

    Source: Ng, "Sparse autoencoder", CS294A lecture notes, 2011; for Boltzmann machines Lee, Ekanadham and Ng, "Sparse
    deep belief net model for visual area V2", 2008.

    Departures: in the notes ρ_j is the mean over the training set.
    """

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction", "sparsity")

    kind: Literal["sparse_kl"] = "sparse_kl"
    encoder: Encoder = Dense(widths=())
    latent_size: PositiveInt = 256
    latent_activation: Activation = "sigmoid"
    weight: NonNegativeFloat = traced(1.0)  # Of the divergence of the rates from the target.
    target: OpenRate = traced(0.05)  # Mean activation that every unit should have.

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns why the latent is no rate, or None."""
        if self.latent_activation != "sigmoid":
            return (
                f"latent_activation={self.latent_activation} gives units whose mean is no probability, which the "
                "penalty compares with target; use latent_activation=sigmoid"
            )
        return super().conflict(preprocessing)


class SparseKL(Autoencoder):
    """The networks of `SparseKLConfig`."""

    config: SparseKLConfig

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction and the batch's weighted penalty, each [batch]."""
        # The penalty wants the units' logits: their sigmoid may round to 0 or 1.
        logit = self.preactivate(batch.image, train=train)
        latent = self.activate(logit, train=train)
        return {
            "reconstruction": self.reconstruction(latent, batch, train=train),
            "sparsity": self.config.weight * rate_divergence(logit, self.config.target),
        }
