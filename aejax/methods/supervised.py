"""The autoencoder's encoder, trained by labels from scratch: what its architecture can be worth to a classifier."""

from typing import Any

from aejax.experiment import Config
from aejax.methods.base import EVERYTHING
from aejax.methods.classifier import ClassifierMethod

_FIELDS = ("labels_per_class", "augmentation", "mixup", "scratch_epochs", "scratch_learning_rate")


class Supervised(ClassifierMethod):
    """A classifier that begins with random weights."""

    reads = (*EVERYTHING, *(f"fine_tuning.{name}" for name in _FIELDS))

    def learning_rate(self, config: Config) -> Any:
        """That of training from scratch."""
        return config.fine_tuning.scratch_learning_rate

    def epochs(self, config: Config) -> int:
        """Its own epochs, or as many as the autoencoder has."""
        return config.fine_tuning.scratch_epochs or config.training.epochs
