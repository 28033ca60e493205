"""The sparse autoencoder that pays for the absolute values of its code (sparse coding: Olshausen and Field, 1996)."""

import dataclasses
from typing import ClassVar, Literal

import jax

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.config import NonNegativeFloat, PositiveInt, traced
from aejax.data.resident import Batch
from aejax.networks.dense import Dense
from aejax.networks.layers import Activation
from aejax.networks.zoo import Encoder
from aejax.objectives.penalties import absolute_sum


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparseL1Config(Family):
    """Loss: −log p(x | decode(h)) + weight · Σ_j |h_j| with h = encode(x).

    The penalty alone does not fix the code's scale: a decoder with larger weights can make up for a smaller code.
    Weight decay limits that.

    Source: Olshausen and Field, "Emergence of simple-cell receptive field properties by learning a sparse code for
    natural images", 1996.

    Departures: an encoder gives the code, where sparse coding finds it for each image by optimization.
    """

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction", "sparsity")

    kind: Literal["sparse_l1"] = "sparse_l1"
    encoder: Encoder = Dense(widths=())
    latent_size: PositiveInt = 256
    latent_activation: Activation = "relu"
    weight: NonNegativeFloat = traced(1e-2)  # Of the sum of absolute values.


class SparseL1(Autoencoder):
    """The networks of `SparseL1Config`."""

    config: SparseL1Config

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction and the weighted penalty on the code, each [batch]."""
        latent = self.encode(batch.image, train=train)
        return {
            "reconstruction": self.reconstruction(latent, batch, train=train),
            "sparsity": self.config.weight * absolute_sum(latent),
        }
