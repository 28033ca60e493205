"""Matryoshka: the first units of a sparse code also reconstruct by themselves (Bussmann et al., 2025)."""

import dataclasses
import itertools
import math
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from aejax.autoencoders.batch_top_k import BatchTopKAutoencoder, WithBatchTopK
from aejax.config import NonNegativeFloat, traced
from aejax.data.resident import Batch
from aejax.objectives.likelihoods import HalfSquaredError, Likelihood

_Part = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


def _ascending(parts: tuple[float, ...]) -> tuple[float, ...]:
    if any(first >= second for first, second in itertools.pairwise(parts)):
        raise PydanticCustomError("ascending", "Shares of the units should grow from one to the next")
    return parts


@dataclasses.dataclass(frozen=True, kw_only=True)
class MatryoshkaConfig(WithBatchTopK):
    """Loss: −log p(x | decode(h)) + prefix_weight · Σ_m (−log p(x | decode(first m units of h))).

    The code h is that of `batch_top_k`; units beyond the first m count as 0. So the first units learn what is common to
    many images, and the others cannot take parts of that away from them.

    Source: Bussmann, Nabeshima, Karvonen and Nanda, "Learning multi-level features with Matryoshka sparse
    autoencoders", 2025; Nabeshima, "Matryoshka sparse autoencoders", 2024.

    Departures: sizes are shares of the units, fixed, where Nabeshima draws them for each batch. The authors revive dead
    units by an auxiliary loss; there is none here.
    """

    kind: Literal["matryoshka"] = "matryoshka"
    unit_norm: bool = True
    centered: bool = True
    likelihood: Likelihood = HalfSquaredError(output="identity")
    # Which shares of the units reconstruct by themselves, rounded up; all of them do in any case.
    prefixes: Annotated[tuple[_Part, ...], AfterValidator(_ascending)] = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
    prefix_weight: NonNegativeFloat = traced(1.0)  # Of each of these reconstructions; 1 in both papers.

    def term_names(self) -> tuple[str, ...]:
        """Returns the names of the loss's terms."""
        return (*self.TERMS, "prefixes") if self.prefixes else self.TERMS

    def prefix_sizes(self) -> list[int]:
        """Returns how many units each of the parts has."""
        return [math.ceil(share * self.latent_size) for share in self.prefixes]


class Matryoshka(BatchTopKAutoencoder):
    """The networks of `MatryoshkaConfig`."""

    config: MatryoshkaConfig

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction from all units, and the weighted sum of those from the first: each [batch]."""
        latent = self.encode(batch.image, train=train)
        terms = {"reconstruction": self.reconstruction(latent, batch, train=train)}
        if self.config.prefixes:
            unit = jnp.arange(latent.shape[1])[None]
            # Decoded as outside training: running statistics are those of the whole code.
            losses = [
                self.config.likelihood.loss(self.decode(jnp.where(unit < size, latent, 0), batch.label), batch.image)
                for size in self.config.prefix_sizes()
            ]
            terms["prefixes"] = self.config.prefix_weight * sum(losses, jnp.zeros(len(latent)))
        return terms
