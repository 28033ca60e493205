"""Residual vector quantization: each codebook quantizes the error that those before it leave (Lee et al., 2022)."""

import dataclasses
from typing import Literal

from aejax.autoencoders.vq_vae import CodebookAutoencoder, WithCodebook
from aejax.config import PositiveInt


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResidualVqConfig(WithCodebook):
    """Loss: −log p(x|Σ_d e_d) + commitment · Σ_d ‖r_d − sg(e_d)‖², e_d the vector nearest to r_d = z − Σ_{c<d} e_c.

    Source: Lee, Kim, Kim, Cho and Han, "Autoregressive image generation using residual quantization", 2022, section
    3.1, and Zeghidour et al., "SoundStream", 2021, algorithm 1.

    Departures: codebooks follow moving averages and the commitment is summed as in `vq_vae`. Each depth has its own
    codebook, as in SoundStream; Lee et al. share one.
    """

    kind: Literal["residual_vq"] = "residual_vq"
    codebook_size: PositiveInt = 256  # Of each codebook.
    depth: PositiveInt = 4  # Codebooks.

    @property
    def num_codebooks(self) -> int:
        """How many indices, each of a codebook of its own, make up the code of a position."""
        return self.depth


class ResidualVq(CodebookAutoencoder):
    """The networks of `ResidualVqConfig`."""

    config: ResidualVqConfig
