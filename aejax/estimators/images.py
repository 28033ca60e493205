"""Rows and images as scikit-learn's users have them, as the images that autoencoders are trained on, and back."""

import dataclasses
import math
from typing import Any

import numpy as np

from aejax.data.pixels import ROUNDING
from aejax.errors import DataError


@dataclasses.dataclass(frozen=True, eq=False)
class Scaling:
    """The map from the values of rows to [0, 1], by the smallest and the largest value of the training rows.

    Rows [n, features] are scaled feature by feature. Images are scaled as a whole; uint8 is stored as it is, from black
    (0) to white (255), and floats in [0, 1] as they are. A feature that is constant in training is 0. Values that lie
    beyond those of training come out below 0 or above 1; nothing is cut off.
    """

    image_shape: tuple[int, ...]  # [height, width, channels]
    low: np.ndarray  # [features], or [1] for all pixels: which value is 0.
    high: np.ndarray  # Likewise, which is 1.
    as_bytes: bool  # Whether images are uint8, and stored so.

    @staticmethod
    def fit(rows: np.ndarray, image_shape: tuple[int, ...] | None) -> "Scaling":
        """The scaling of training rows, [n, features]; without an image's shape they are no images."""
        if image_shape is None:
            shape = (1, rows.shape[1], 1)
            return Scaling(shape, rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64), False)
        if rows.dtype == np.uint8:
            return Scaling(image_shape, np.zeros(1), np.full(1, 255.0), True)
        low, high = float(rows.min()), float(rows.max())
        if rows.dtype.kind == "f" and -ROUNDING <= low <= high <= 1 + ROUNDING:
            low, high = 0.0, 1.0
        return Scaling(image_shape, np.full(1, low), np.full(1, high), False)

    def to_images(self, rows: np.ndarray) -> np.ndarray:
        """Returns rows [n, features] as images [n, height, width, channels], uint8 or float32."""
        if self.as_bytes and rows.dtype == np.uint8:
            return rows.reshape(-1, *self.image_shape)
        unit = ((rows - self.low) / self._range).astype(np.float32).reshape(-1, *self.image_shape)
        # Uint8 that came as numbers of another type: a model knows one type of images.
        return np.rint(255 * unit.clip(0, 1)).astype(np.uint8) if self.as_bytes else unit

    def to_rows(self, images: np.ndarray) -> np.ndarray:
        """Returns images on the scale of [0, 1] as rows [n, features] on that of the training rows."""
        return (images.reshape(len(images), -1) * self._range + self.low).astype(np.float32)

    @property
    def _range(self) -> np.ndarray:
        return np.where(self.high > self.low, self.high - self.low, 1.0)


def to_rows(images: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Returns images [n, height, width] or [n, height, width, channels] as rows, and their shape; None: they are rows.

    Whatever is no array of images comes back as it is.
    """
    shape = getattr(images, "shape", None)
    if shape is None or len(shape) not in (3, 4) or 0 in shape:
        return images, None
    return np.asarray(images).reshape(shape[0], -1), tuple(shape[1:])


def check_shape(image_shape: Any, num_features: int) -> tuple[int, ...]:
    """Returns the parameter `image_shape` as (height, width, channels).

    Raises:
      DataError: if it is no such shape, or rows have another number of features.
    """
    sizes = image_shape if isinstance(image_shape, tuple | list) else ()
    if len(sizes) not in (2, 3) or not all(isinstance(size, int | np.integer) and size > 0 for size in sizes):
        raise DataError(f"image_shape={image_shape!r} should be (height, width) or (height, width, channels)")
    if math.prod(sizes) != num_features:
        raise DataError(f"image_shape={image_shape!r} has {math.prod(sizes)} pixels, and rows have {num_features}")
    return (*map(int, sizes), 1)[:3]
