"""Finite scalar quantization: each number of the latent is rounded to one of a few levels (Mentzer et al., 2024)."""

import dataclasses
import math
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp
from pydantic import Field

from aejax.autoencoders.quantized import GridAutoencoder, QuantizedConfig
from aejax.config import NonNegativeFloat, PositiveInt, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.networks.grids import index_to_levels, levels_to_index, quantize_levels

BORDER = 1.5  # Of z: of up to nine levels the outermost begin before it, and the gradient ends soon after.
Levels = Annotated[int, Field(ge=2, lt=2**15)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FsqConfig(QuantizedConfig):
    """Loss: −log p(x|round(bound(z))) + range_weight · ½ Σ (|z| − 1.5)₊², where (·)₊ is the positive part.

    Source: Mentzer, Minnen, Agustsson and Tschannen, "Finite scalar quantization: VQ-VAE made simple", 2024.

    Departures: the paper has the first term alone (`range_weight=0`). The second is 0 where the levels lie. Without it
    z may run off to where the bound has hardly any gradient, and most codes then have outermost levels.
    """

    TERMS: ClassVar[tuple[str, ...]] = (*QuantizedConfig.TERMS, "range")

    kind: Literal["fsq"] = "fsq"
    latent_size: PositiveInt = 5  # As many as there are `levels`.
    levels: tuple[Levels, ...] = (4, 4, 4, 4, 4)  # Of each number: 1,024 codes.
    range_weight: NonNegativeFloat = traced(0.03)  # Of what is added for numbers beyond the outermost levels.

    @property
    def num_categories(self) -> int:
        """How many values each index of a code takes."""
        return math.prod(self.levels)

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that there are not as many levels as numbers, or too many codes, or None."""
        if len(self.levels) != self.latent_size:
            return (
                f"levels={list(self.levels)} are of {len(self.levels)} numbers, and latent_size={self.latent_size}; "
                "make them as many"
            )
        if self.num_categories >= 2**31:
            return f"levels={list(self.levels)} make {self.num_categories} codes; there may be fewer than 2^31"
        return super().conflict(preprocessing)


class Fsq(GridAutoencoder):
    """The networks of an `FsqConfig`."""

    config: FsqConfig

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction, and what lies beyond the border, squared and weighted: [batch] each."""
        vectors = self.preactivate(batch.image, train=train)
        beyond = jnp.maximum(jnp.abs(vectors) - BORDER, 0.0)
        return {
            "reconstruction": self.reconstruction(self.activate(vectors, train=train), batch, train=train),
            "range": 0.5 * self.config.range_weight * jnp.sum(jnp.square(beyond), axis=(1, 2)),
        }

    def quantize(self, vectors: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the levels, scaled to lie in [−1, 1], [batch, codes, latent_size]."""
        del train
        return quantize_levels(vectors, self.config.levels)

    def indices(self, vectors: jax.Array) -> jax.Array:
        """Returns the codes, int32 [batch, codes]."""
        return levels_to_index(self.quantize(vectors), self.config.levels)

    def look_up(self, code: jax.Array) -> jax.Array:
        """Returns the levels of codes, [batch, codes, latent_size]."""
        return index_to_levels(code, self.config.levels)
