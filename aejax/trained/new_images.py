"""Images that a trained model is asked about: those of a file, or the test images of its own data."""

import os
import pathlib
from typing import NamedTuple

import numpy as np

from aejax.cache import read_arrays
from aejax.data.load import Dataset
from aejax.data.pixels import check_image, store
from aejax.errors import DataError
from aejax.trained.model import Trained


class NewImages(NamedTuple):
    """Images in the form in which those are stored that a model was trained on, [n, height, width, channels].

    Each has a name: of a file, or its number, counted from 0. `label` is an array [n] or None; `notes` are lines that
    a person should know of.
    """

    image: np.ndarray
    name: list[str]
    label: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def read_images(path: str, trained: Trained) -> NewImages:
    """Reads the images that a path leads to, as the data of a trained model were read.

    Raises:
      DataError: if they cannot be read, or are of another shape.
    """
    arrays = _read_arrays(path)
    if "image" not in arrays:
        raise DataError(f"{path} holds the arrays {', '.join(arrays) or '(none)'}; it should hold 'image'")
    image, maximum = check_image(f"{path}: 'image'", arrays["image"]), trained.config.data.maximum
    if image.dtype == np.uint8 and maximum is None:
        maximum = 255
    stored, _ = store(path, {"image": image}, maximum, "data.maximum")
    shape, expected = (" x ".join(map(str, one)) for one in (image.shape[1:], trained.trained_on.image_shape))
    if shape != expected:
        raise DataError(f"{path} holds images of {shape}, and the model was trained on images of {expected}")
    label = arrays.get("label")
    if label is not None and label.shape != (len(image),):
        raise DataError(f"{path} holds {len(image)} images, and 'label' of shape {label.shape}; give each image one")
    return NewImages(stored["image"], _numbers(len(image)), label)


def own_test_images(dataset: Dataset) -> NewImages:
    """Returns the test images of a data set.

    Raises:
      DataError: if it has none.
    """
    image, label = dataset.test.image, dataset.test.label
    if not len(image):
        raise DataError(f"{dataset.name} has no test images (data.test_size=0); name other images")
    named = None if label is None else np.array([dataset.classes.name(number) for number in label])
    return NewImages(image, _numbers(len(image)), named)


def _read_arrays(name: str) -> dict[str, np.ndarray]:
    path = pathlib.Path(os.path.expanduser(name))
    try:
        return {"image": _mapped(path)} if path.suffix == ".npy" else read_arrays(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{name} cannot be read: {reason}; name an .npz file with 'image', or an .npy file") from None


def _mapped(path: pathlib.Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError):
        raise ValueError("it is damaged or no .npy file") from None


def _numbers(num: int) -> list[str]:
    return list(map(str, range(num)))
