"""How training goes: for how long, on how many images at once, with which precision."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import jax

from aejax.config import NonNegativeInt, PositiveFloat, PositiveInt, traced
from aejax.data.augmentation import Augmentation
from aejax.data.load import Dataset
from aejax.data.on_demand import OnDemand
from aejax.data.vectors import images_only

Precision = Literal["float32", "bfloat16"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How long to train, on how many images at once, and when to stop early."""

    epochs: NonNegativeInt = 20  # Of each layer, if others are trained on the maps of the first.
    # Stop after so many of them for now. A search decides then who goes on; schedules are those of all epochs.
    until_epoch: PositiveInt | None = traced(None)
    # Before them, of each dense layer by itself, from the image on: greedy pre-training (Vincent et al., 2010); or, of
    # families that begin as a plain autoencoder, of the whole.
    pretraining_epochs: NonNegativeInt = 0
    batch_size: PositiveInt | Literal["all"] = 64
    target_error: PositiveFloat | None = traced(None)  # Stop when an epoch's mean training loss is at most this.
    patience: PositiveInt | None = traced(
        None
    )  # Stop after this many epochs without a lower validation loss; keep the best.
    augmentation: Augmentation = Augmentation()  # Of training images.
    precision: Precision = "float32"  # Of a step's forward and backward pass; see `train_step`.
    members_at_once: PositiveInt | None = None  # Per device; null: 1 on CPU, as many as there are on GPU and TPU.
    devices_per_member: PositiveInt = 1  # That share its batches, each with all of its parameters.

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yields why fields of the whole config do not go together with this training."""
        if self.batch_size != "all":
            yield from self._unshared(self.batch_size)
        if self.patience is not None and config.data.validation_size == 0:
            yield "training.patience needs validation images, and data.validation_size is 0"
        if self.pretraining_epochs and not config.autoencoder.PRETRAINED:
            yield from _not_by_layers(config.autoencoder)

    def warnings(self, config: Any) -> Iterator[str]:
        """Yields what goes together with the whole config, but is hardly meant."""
        del config
        if self.patience is not None and 0 < self.epochs <= self.patience:
            yield (
                f"training.patience={self.patience} and training.epochs={self.epochs}: nothing can stop early before "
                "training ends, but the best epoch is kept"
            )

    def misfits(self, config: Any, dataset: Dataset, others: Mapping[str, Dataset]) -> Iterator[str]:
        """Yields why a data set has no such batches, or its images cannot be changed so."""
        del config, others
        if self.augmentation.is_on():
            yield from images_only("training.augmentation", dataset)
        yield from self.augmentation.misfits("training.augmentation", dataset.train.image.shape[1:])
        num_train = len(dataset.train.image)
        if isinstance(dataset.train.image, OnDemand):
            yield from self._unread(dataset)
        if self.batch_size != "all" and self.batch_size > num_train:
            yield (
                f"training.batch_size={self.batch_size} is larger than the {num_train} training images of "
                f"{dataset.name}; make it smaller, or 'all'"
            )
        yield from self._unshared(num_train if self.batch_size == "all" else self.batch_size)

    def _unread(self, dataset: Dataset) -> Iterator[str]:
        """Yields why images that do not lie on the devices cannot be trained on."""
        advice = f"the images of {dataset.name} are read when they are needed; raise data.memory"
        if self.batch_size == "all":
            yield f"training.batch_size=all takes all images at once, and {advice}, or set a number"
        if self.devices_per_member > 1:
            yield f"training.devices_per_member={self.devices_per_member}: {advice}, or leave it out"
        if jax.process_count() > 1:
            yield f"several processes train together, and {advice}, or let one train"

    def _unshared(self, size: int) -> Iterator[str]:
        """Yields that the devices of a member cannot share a batch of a size."""
        if size % self.devices_per_member:
            yield (
                f"training.devices_per_member={self.devices_per_member} devices cannot share batches of {size} evenly; "
                "make training.batch_size a multiple of it"
            )


def _not_by_layers(family: Any) -> Iterator[str]:
    """Yields why the layers of a family cannot be trained one by one."""
    corruption, activation = getattr(family, "corruption", None), getattr(family.encoder, "activation", None)
    if corruption is not None and corruption.NEEDS_UNIT_INTERVAL and activation != "sigmoid":
        yield (
            f"training.pretraining_epochs: autoencoder.corruption={corruption.kind} sets the inputs of layers to 0 "
            "or 1, and these lie between only if autoencoder.encoder.activation=sigmoid; set it so"
        )
    if not family.LAYERWISE:
        yield f"training.pretraining_epochs: layers of '{family.kind}' cannot be trained one by one"
    if (family.encoder.kind, family.decoder.kind) != ("dense", "mirror"):
        yield (
            "training.pretraining_epochs trains dense layers one by one, and autoencoder.encoder="
            f"{family.encoder.kind}, decoder={family.decoder.kind}; use encoder=dense, decoder=mirror"
        )
