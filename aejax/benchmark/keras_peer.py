"""Keras 3 on TensorFlow as a contender: `fit` on arrays in memory, as in the article."""

import os

os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")

import keras
import numpy as np

from aejax.benchmark.ours import random_images


def make_runner(network: str, batch_size: int, num_images: int) -> "_Fit":
    """Returns a runner that fits the 784-256-784 network for an epoch."""
    assert network == "dense"
    return _Fit(batch_size, num_images)


class _Fit:
    def __init__(self, batch_size: int, num_images: int):
        self._batch_size = batch_size
        self._model = keras.Sequential(
            [
                keras.Input((784,)),
                keras.layers.Dense(256, activation="relu"),
                keras.layers.Dense(784, activation="sigmoid"),
            ]
        )
        self._model.compile(optimizer="adam", loss="mse")
        self._images = random_images((784,), num_images).astype(np.float32) / 255

    def run(self) -> float:
        self._model.fit(self._images, self._images, batch_size=self._batch_size, epochs=1, verbose=0)
        return len(self._images)

    def facts(self) -> dict[str, float]:
        return {}
