"""The TFDS builder of the digits. Importing it imports tensorflow_datasets, so only `prepare` does."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from aejax.data.digits import VERSION

NUM_TEST = 360
SPLIT_SEED = 0


class Digits(tfds.core.GeneratorBasedBuilder):
    """1,797 handwritten digits of 8x8 pixels: 1,437 to train on and 360 to test, drawn by a fixed seed.

    The images arrive as PNG bytes: given arrays, TFDS would need TensorFlow to encode them.
    """

    VERSION = tfds.core.Version(VERSION)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="Handwritten digits of 8x8 pixels, as bundled with scikit-learn.",
            homepage="https://archive.ics.uci.edu/dataset/80",
            features=tfds.features.FeaturesDict(
                {"image": tfds.features.Image(shape=(8, 8, 1)), "label": tfds.features.ClassLabel(num_classes=10)}
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, _: Any) -> dict[str, Iterator[Any]]:
        from sklearn.datasets import load_digits

        digits = load_digits()
        image = np.rint(digits.images * (255 / 16)).astype(np.uint8)
        order = np.random.default_rng(SPLIT_SEED).permutation(len(image))
        return {
            name: self._generate_examples(image[chosen], digits.target[chosen])
            for name, chosen in {"train": order[NUM_TEST:], "test": order[:NUM_TEST]}.items()
        }

    def _generate_examples(self, images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[int, dict[str, Any]]]:
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            file = io.BytesIO()
            Image.fromarray(image).save(file, format="png")
            yield index, {"image": file.getvalue(), "label": int(label)}
