"""Images that a trained model is asked about: those of a path, or the test images of its own data."""

import numpy as np

from aejax.data.load import Dataset
from aejax.data.sources.new_images import NewImages, new_images
from aejax.errors import DataError
from aejax.trained.model import Trained


def read_images(path: str, trained: Trained) -> NewImages:
    """Reads the images that a path leads to, in the form of those that a model was trained on: see `new_images`.

    Raises:
      DataError: if they cannot be read, or are others.
    """
    return new_images(path, trained.config.data, trained.trained_on)


def own_test_images(dataset: Dataset) -> NewImages:
    """Returns the test images of a data set.

    Raises:
      DataError: if it has none.
    """
    image, label = dataset.test.image, dataset.test.label
    if not len(image):
        raise DataError(f"{dataset.name} has no test images (data.test_size=0); name other images")
    named = None if label is None else np.array([dataset.classes.name(one) if one >= 0 else "" for one in label])
    return NewImages(image, list(map(str, range(len(image)))), named)
