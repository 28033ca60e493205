"""Pythae as a contender: its own VAE with its own networks, trained by its own trainer."""

import tempfile
from typing import Any

import numpy as np

from aejax.benchmark.ours import random_images


def make_runner(batch_size: int, num_images: int) -> "_PythaeTraining":
    """Returns a runner that trains the VAE 784-512-16-512-784 for an epoch."""
    return _PythaeTraining(batch_size, num_images)


class _PythaeTraining:
    def __init__(self, batch_size: int, num_images: int):
        import torch
        from pythae.data.datasets import BaseDataset
        from pythae.models import VAE, VAEConfig
        from pythae.trainers import BaseTrainer, BaseTrainerConfig

        images = random_images((1, 28, 28), num_images).astype(np.float32) / 255
        data = BaseDataset(torch.from_numpy(images), torch.zeros(num_images))
        self._folder = tempfile.TemporaryDirectory()
        config = BaseTrainerConfig(
            output_dir=self._folder.name,
            num_epochs=1,
            learning_rate=1e-3,
            per_device_train_batch_size=batch_size,
            optimizer_cls="Adam",
        )
        model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=16))
        self._trainer = BaseTrainer(model=model, train_dataset=data, training_config=config)
        self._trainer.prepare_training()
        self._images = num_images // batch_size * batch_size
        self._epoch = 0

    def run(self) -> float:
        self._epoch += 1
        self._trainer.train_step(self._epoch)
        return self._images

    def facts(self) -> dict[str, Any]:
        return {}
