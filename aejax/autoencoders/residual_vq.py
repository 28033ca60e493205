"""Residual vector quantization: each codebook quantizes the error that those before it leave (Lee et al., 2022)."""

import dataclasses
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from pydantic import Field

from aejax.autoencoders.vq_vae import CodebookSize, MovingCodebookAutoencoder, WithMovingCodebook
from aejax.config import PositiveInt, traced
from aejax.data.preprocessing import Kind

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResidualVqConfig(WithMovingCodebook):
    """Loss: −log p(x|Σ_d e_d) + commitment · Σ_d ‖r_d − sg(e_d)‖² (+ Σ_d ‖sg(r_d) − e_d‖²), r_d = z − Σ_{c<d} e_c.

    e_d is the vector of codebook d nearest to r_d. With several `groups`, each has a part of the numbers of z and
    codebooks of its own, and the sums are over them too. With `dropout`, Σ_d e_d of some training images ends early.

    Source: Lee, Kim, Kim, Cho and Han, "Autoregressive image generation using residual quantization", 2022, section
    3.1, and Zeghidour et al., "SoundStream", 2021, algorithm 1, and for `dropout`; for `groups` Yang et al.,
    "HiFi-Codec: group-residual vector quantization for high fidelity audio codec", 2023.

    Departures: the terms are summed as in `vq_vae`. Each depth has its own codebook, as in SoundStream; Lee et al.
    share one. SoundStream draws a number of codebooks for every example, `dropout=1` here; those that are not drawn
    learn nevertheless, and the commitment is to all.
    """

    kind: Literal["residual_vq"] = "residual_vq"
    codebook_size: CodebookSize = 256  # Of each codebook.
    depth: PositiveInt = 4  # Codebooks, of each group.
    groups: PositiveInt = 1  # Among which the numbers of a vector are divided, as many to each.
    # The probability that a training image is decoded from its first codebooks alone: 1 to `depth`, all as likely;
    # null: none is.
    dropout: Probability | None = traced(None)

    @property
    def num_codebooks(self) -> int:
        """How many indices, each of a codebook of its own, make up the code of a position: group by group."""
        return self.groups * self.depth

    @property
    def num_groups(self) -> int:
        """Among how many groups of codebooks the numbers of a vector are divided."""
        return self.groups

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that what codebooks leave is to have length 1, or which other fields do not go together, or None."""
        if self.similarity == "cosine" and self.depth > 1:
            return (
                f"similarity=cosine compares vectors of length 1, and what a codebook leaves is shorter, and depth="
                f"{self.depth}; use similarity=euclidean or depth=1"
            )
        return super().conflict(preprocessing)


class ResidualVq(MovingCodebookAutoencoder):
    """The networks of `ResidualVqConfig`."""

    config: ResidualVqConfig

    def levels(self, num_images: int) -> jax.Array | None:
        """Returns how many codebooks of each group training images are decoded from (stream "noise"); None: all."""
        config = self.config
        if config.dropout is None:
            return None
        chosen, number = jax.random.split(self.noise_key(train=True))
        first = jax.random.randint(number, (num_images,), 1, config.depth + 1)
        return jnp.where(jax.random.uniform(chosen, (num_images,)) < config.dropout, first, config.depth)
