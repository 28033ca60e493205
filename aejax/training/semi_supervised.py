"""Semi-supervised training: how an autoencoder of all images and a classifier of the labelled ones learn together."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from aejax.config import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Rate, optional_part, traced
from aejax.data.load import Dataset
from aejax.data.on_demand import OnDemand


@dataclasses.dataclass(frozen=True, kw_only=True)
class PseudoLabels:
    """Images without a label learn the label that the classifier finds most probable, if it is sure enough.

    The label is that of the classifier as it is outside training. The cross-entropy of the classifier in training is
    summed over the images that get one, divided by the number of images in the batch, and multiplied by the weight.

    Source: Lee, "Pseudo-label: the simple and efficient semi-supervised learning method for deep neural networks",
    2013.

    Departures: in the paper every image gets a label, as with threshold=0. Its schedule is `start_epoch`=100,
    `warmup_epochs`=500 and `weight`=3.
    """

    weight: NonNegativeFloat = traced(1.0)  # Of their cross-entropy, once the warm-up is over.
    threshold: Rate = traced(0.95)  # The least probability of a label at which an image gets it.
    most: PositiveInt | None = None  # Of a batch the images whose labels are the surest; null: all above the threshold.
    start_epoch: NonNegativeFloat = traced(0.0)  # Before it the weight is 0.
    warmup_epochs: NonNegativeFloat = traced(0.0)  # From then on, in which the weight rises linearly to its own.

    def choose(self, logits: jax.Array, may: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the labels of a batch, int32 [batch], and which images get theirs, bool [batch].

        Args:
          logits: of the classes, float32 [batch, classes].
          may: which images may get one, bool [batch].
        """
        sureness = jnp.where(may, jnp.max(jax.nn.softmax(logits), axis=1), -1.0)
        chosen = may & (sureness >= self.threshold)
        if self.most is not None and self.most < len(sureness):
            _, surest = jax.lax.top_k(sureness, self.most)
            chosen &= jnp.zeros(len(sureness), bool).at[surest].set(True)
        return jnp.argmax(logits, axis=1), chosen

    def weight_at(self, epoch: jax.Array) -> jax.Array:
        """Returns the weight at a moment, counted in (fractional) epochs."""
        risen = (epoch - self.start_epoch) / jnp.maximum(self.warmup_epochs, 1e-6)
        return self.weight * jnp.clip(risen, 0.0, 1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SemiSupervisedConfig:
    """For how long the method "semi_supervised" trains, and what counts how much in its loss.

    Loss: family_weight · (the family's loss of a batch of all images) + weight · (the cross-entropy of a batch of
    images that have a label), and perhaps that of pseudo-labels. `fine_tuning.labels_per_class`, `augmentation`
    and `mixup` are of the labelled images here too.
    """

    epochs: NonNegativeInt = 0  # Of all images. 0: there is no such method.
    weight: PositiveFloat = traced(1.0)  # Of the cross-entropy, in nats.
    family_weight: NonNegativeFloat = traced(1.0)  # Of the family's loss. 0: labels alone train the encoder.
    batch_size: PositiveInt | None = None  # Of labelled images; null: as in training.batch_size, or all if fewer.
    pseudo_labels: PseudoLabels | None = optional_part()  # Of the images without a label; null: they get none.

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yields why fields of the whole config do not go together with this training."""
        if not self.epochs:
            if self != SemiSupervisedConfig():
                yield (
                    "semi_supervised.epochs is 0, so nothing is trained semi-supervised, and other fields of "
                    "semi_supervised say how; set semi_supervised.epochs or leave them out"
                )
            return
        if config.autoencoder.num_above:
            yield (
                "semi_supervised trains the autoencoder and the classifier together, and the layers of "
                "autoencoder.patches are trained one after another; use second=null, third=null"
            )
        size = config.training.batch_size
        if size != "all":
            yield from self._too_many_pseudo_labels(size, f"the {size} of a batch (training.batch_size)")

    def _too_many_pseudo_labels(self, num: int, what: str) -> Iterator[str]:
        """Yields that more pseudo-labels are asked for than there are images."""
        most = None if self.pseudo_labels is None else self.pseudo_labels.most
        if most is not None and most > num:
            yield (
                f"semi_supervised.pseudo_labels.most={most} asks for more pseudo-labels than there are images, {what}; "
                f"ask for at most {num}, or use null"
            )

    def warnings(self, config: Any) -> Iterator[str]:
        """Yields what goes together with the whole config, but is hardly meant."""
        del config
        pseudo = self.pseudo_labels
        if pseudo is not None and 0 < self.epochs <= pseudo.start_epoch:
            yield (
                f"semi_supervised.pseudo_labels.start_epoch={pseudo.start_epoch:g} and semi_supervised.epochs="
                f"{self.epochs}: no image gets a pseudo-label before training ends"
            )

    def misfits(self, config: Any, dataset: Dataset, others: Mapping[str, Dataset]) -> Iterator[str]:
        """Yields why a data set has not the images for it, or not the labels. Of data without any it is left out."""
        del others
        if not self.epochs or dataset.num_classes is None:
            return
        if isinstance(dataset.train.image, OnDemand):
            yield (
                "semi_supervised trains on labelled images beside all images, and the images of "
                f"{dataset.name} are read when they are needed; raise data.memory"
            )
        num, per_class = len(dataset.train.image), config.fine_tuning.labels_per_class
        num_labelled = len(dataset.train.known_label) if per_class is None else per_class * dataset.num_classes
        if self.batch_size is not None and self.batch_size > num_labelled:
            yield (
                f"semi_supervised.batch_size={self.batch_size} is larger than the {num_labelled} training images with "
                "a label; make it smaller, or null"
            )
        if self.pseudo_labels is not None:
            if num_labelled >= num:
                yield (
                    f"semi_supervised.pseudo_labels: all {num} training images of {dataset.name} have a label; set "
                    "fine_tuning.labels_per_class, or leave it out"
                )
            left = num - num_labelled
            yield from self._too_many_pseudo_labels(left, f"the {left} of {dataset.name} that have no label")
