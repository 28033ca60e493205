"""What families share whose encoder sees corrupted images in training, and whose decoder draws them as they were."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.data.corruption import Corruption, Deformation
from aejax.data.load import Dataset
from aejax.data.preprocessing import Kind


@dataclasses.dataclass(frozen=True, kw_only=True)
class Corrupted(Family):
    """The field of such families, and why a corruption does not go together with the data."""

    corruption: Corruption | None = None  # Of the input, in training; null: none.

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns why the corruption makes no sense for the data, or None."""
        source = self.rescaled_by(preprocessing)
        if self.corruption is not None and self.corruption.NEEDS_UNIT_INTERVAL and source is not None:
            return (
                f"corruption={self.corruption.kind} brings in black or white, pixels of 0 or 1, and {source} gives "
                "them another range; use gaussian or masking"
            )
        return super().conflict(preprocessing)

    def misfits(self, config: Any, dataset: Dataset, others: Mapping[str, Dataset]) -> Iterator[str]:
        """Yields why the family cannot be trained on a data set, or its images cannot be corrupted so."""
        yield from super().misfits(config, dataset, others)
        if isinstance(self.corruption, Deformation):
            yield from self.corruption.misfits("autoencoder.corruption", dataset.train.image.shape[1:])


class CorruptedAutoencoder(Autoencoder):
    """The networks of a `Corrupted` family. Outside training nothing is corrupted."""

    config: Any  # A `Corrupted` family.

    def corrupt(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Returns x corrupted, in training."""
        corruption = self.config.corruption
        return corruption.corrupt(self.make_rng("noise"), x) if train and corruption is not None else x
