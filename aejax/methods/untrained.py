"""The autoencoder as it was initialised: what its architecture alone is worth."""

from aejax.experiment import Config
from aejax.methods.autoencoder import AutoencoderMethod
from aejax.methods.base import Method
from aejax.training.step import Task


class Untrained(AutoencoderMethod):
    """An autoencoder that has seen no image."""

    reads = ("seed", "data", "autoencoder", "evaluation")
    trains = False
    wanted = Method.wanted
    epochs = Method.epochs

    def task(self, config: Config, image_shape: tuple[int, ...], num_classes: int | None) -> Task:
        """Makes the autoencoder's task, with nothing prepared of images but how patches are whitened."""
        task = super().task(config, image_shape, num_classes)
        return task._replace(prepare=None if config.autoencoder.patches is None else task.model.init_whitening)
