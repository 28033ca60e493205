"""The denoising autoencoder: a corrupted image goes in, the clean one is the target (Vincent et al., 2008, 2010)."""

import dataclasses
from typing import Literal

from aejax.autoencoders.corrupted import Corrupted, CorruptedAutoencoder
from aejax.data.corruption import Corruption, Masking


@dataclasses.dataclass(frozen=True, kw_only=True)
class DenoisingConfig(Corrupted):
    """Loss: −log p(x | decode(encode(x̃))) with x̃ ~ corruption(x).

    Outside training nothing is corrupted.

    Source: Vincent, Larochelle, Bengio and Manzagol, "Extracting and composing robust features with denoising
    autoencoders", 2008; Vincent et al., "Stacked denoising autoencoders", 2010.

    Departures: masking draws for every component by itself whether it is set to 0, so their number varies.
    `corruption=deformation` (images that are moved or recolored) is ours.
    """

    kind: Literal["denoising"] = "denoising"
    corruption: Corruption = Masking()  # Of the input, in training.


class Denoising(CorruptedAutoencoder):
    """The networks of `DenoisingConfig`."""

    config: DenoisingConfig
