"""The denoising autoencoder: a corrupted image goes in, the clean one is the target (Vincent et al., 2008, 2010)."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import jax

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.data.corruption import Corruption, Deformation, Masking
from aejax.data.load import Dataset
from aejax.data.preprocessing import Kind


@dataclasses.dataclass(frozen=True, kw_only=True)
class DenoisingConfig(Family):
    """Loss: −log p(x | decode(encode(x̃))) with x̃ ~ corruption(x).

    Outside training nothing is corrupted.

    Source: Vincent, Larochelle, Bengio and Manzagol, "Extracting and composing robust features with denoising
    autoencoders", 2008; Vincent et al., "Stacked denoising autoencoders", 2010.

    Departures: masking draws for every component by itself whether it is set to 0, so their number varies.
    `corruption=deformation` (images that are moved or recolored) is ours.
    """

    kind: Literal["denoising"] = "denoising"
    corruption: Corruption = Masking()  # Of the input, in training.

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns why the corruption makes no sense for the data, or None."""
        source = self.rescaled_by(preprocessing)
        if self.corruption.NEEDS_UNIT_INTERVAL and source is not None:
            return (
                f"corruption={self.corruption.kind} brings in black or white, pixels of 0 or 1, and {source} gives "
                "them another range; use gaussian or masking"
            )
        return None

    def misfits(self, config: Any, dataset: Dataset, others: Mapping[str, Dataset]) -> Iterator[str]:
        """Yields why the family cannot be trained on a data set, or its images cannot be corrupted so."""
        yield from super().misfits(config, dataset, others)
        if isinstance(self.corruption, Deformation):
            yield from self.corruption.misfits("autoencoder.corruption", dataset.train.image.shape[1:])


class Denoising(Autoencoder):
    """The networks of `DenoisingConfig`. Outside training nothing is corrupted."""

    config: DenoisingConfig

    def corrupt(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns x corrupted, in training."""
        return self.config.corruption.corrupt(self.make_rng("noise"), x) if train else x
