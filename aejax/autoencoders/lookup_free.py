"""Lookup-free quantization: of each number of the latent the sign, and no codebook (Yu et al., 2024)."""

import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.quantized import GridAutoencoder, QuantizedConfig
from aejax.config import NonNegativeFloat, PositiveFloat, PositiveInt, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.networks.grids import index_to_levels, levels_to_index, sign_entropies
from aejax.networks.layers import flatten
from aejax.networks.quantizers import straight_through

MOST_SIGNS = 24  # The entropy of all codes is summed over each of them.


@dataclasses.dataclass(frozen=True, kw_only=True)
class LookupFreeConfig(QuantizedConfig):
    """Loss: −log p(x|e) + commitment · Σ ‖z − sg(e)‖² + entropy · Σ (H(p(·|z)) − H(E p(·|z))), e the signs of z.

    p(e|z) is proportional to exp(−‖z − e‖² / temperature), over all 2^latent_size codes; E is the mean over all codes
    of the batch. The last term is low if each z is close to one code, and all codes are in use. The sums are over the
    codes of an image.

    Source: Yu et al., "Language model beats diffusion: tokenizer is key to visual generation", 2024, section 3.1.

    Departures: the terms are summed over the codes of an image, and p(e|z) has a temperature.
    """

    TERMS: ClassVar[tuple[str, ...]] = (*QuantizedConfig.TERMS, "commitment", "entropy")
    NEEDS_OTHERS = True

    kind: Literal["lookup_free"] = "lookup_free"
    latent_size: PositiveInt = 10  # 1,024 codes.
    commitment: NonNegativeFloat = traced(0.25)  # Of the distance of z from its signs.
    entropy: NonNegativeFloat = traced(0.1)  # Of being sure of each code while using all of them.
    temperature: PositiveFloat = traced(1.0)  # Of p(e|z).

    @property
    def num_categories(self) -> int:
        """How many values each index of a code takes."""
        return 2**self.latent_size

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that there are too many codes, or None."""
        if self.latent_size > MOST_SIGNS:
            return f"latent_size={self.latent_size} makes 2^{self.latent_size} codes; use at most {MOST_SIGNS}"
        return super().conflict(preprocessing)


class LookupFree(GridAutoencoder):
    """The networks of `LookupFreeConfig`."""

    config: LookupFreeConfig

    def quantize(self, vectors: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the signs, −1 or 1, [batch, codes, latent_size]."""
        del train
        return straight_through(vectors, jnp.where(vectors > 0, 1.0, -1.0))

    @property
    def _two_levels(self) -> tuple[int, ...]:
        return (2,) * self.config.latent_size

    def indices(self, vectors: jax.Array) -> jax.Array:
        """Returns the codes, int32 [batch, codes]: the first sign counts fastest."""
        return levels_to_index((self.quantize(vectors) - 1) / 2, self._two_levels)

    def look_up(self, code: jax.Array) -> jax.Array:
        """Returns the signs of codes, [batch, codes, latent_size]."""
        return 2 * index_to_levels(code, self._two_levels) + 1

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction, and weighted the commitment and the entropies, [batch] each."""
        config, vectors = self.config, self.preactivate(batch.image, train=train)
        signs = self.quantize(vectors, train=train)
        # The squared distances of a number to 1 and to −1 differ by four times the number.
        each, mean = sign_entropies(4 / config.temperature * vectors.reshape(-1, config.latent_size))
        commitment = jnp.sum(jnp.square(vectors - jax.lax.stop_gradient(signs)), axis=(1, 2))
        return {
            "reconstruction": self.reconstruction(flatten(signs), batch, train=train),
            "commitment": config.commitment * commitment,
            "entropy": config.entropy * jnp.sum(each.reshape(vectors.shape[:2]) - mean, axis=1),
        }
