"""Vectors in the place of images: activations of a layer, or other features, which have no pixels and no bounds.

They are stored as images of one pixel, float32 [n, 1, 1, size], and as they are: only preprocessing scales them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from aejax.data.on_demand import change, range_of
from aejax.errors import DataError

FEATURES = "features"  # The name of their array in a file; of its test split with "test_" before it.


def as_images(what: str, vectors: Any) -> Any:
    """Returns vectors [n, size] as images [n, 1, 1, size].

    Raises:
      DataError: if they are of another shape.
    """
    if len(vectors.shape) != 2 or 0 in vectors.shape:
        raise DataError(f"{what} has shape {vectors.shape}; it should be [N, size], one vector an example, not empty")
    return vectors.reshape(len(vectors), 1, 1, -1)


def check_vectors(what: str, image: Any) -> Any:
    """Returns vectors, as images, that are finite floats.

    Raises:
      DataError: if they are not.
    """
    if image.dtype.kind != "f":
        raise DataError(f"{what} is {image.dtype}; it should be floats")
    low, high = range_of(image)  # Both NaN if any number is.
    largest = np.finfo(np.float32).max
    if not (np.isfinite(low) and np.isfinite(high)) or max(-low, high) > largest:
        kind = "NaN" if np.isnan(low) else "infinite as float32"
        raise DataError(f"{what} has numbers that are {kind}; remove or replace them")
    return image


def store(source: str, images: Mapping[str, Any], maximum: float | None, field: str) -> tuple[dict[str, Any], str]:
    """Returns vectors as they are stored here, float32, and a few words on what they were.

    The arguments are those of `aejax.data.pixels.store`.

    Raises:
      DataError: if there is a `maximum`, which vectors have not.
    """
    if maximum is not None:
        raise DataError(f"{field}={maximum:.9g} is the number that is white, and {source} holds vectors; leave it out")
    ends = [float(end) for image in images.values() for end in range_of(image)]
    words = f"{next(iter(images.values())).dtype} from {min(ends):.9g} to {max(ends):.9g}, vectors"
    return {name: change(image, _to_float32) for name, image in images.items()}, words


def _to_float32(image: np.ndarray, rows: np.ndarray) -> np.ndarray:
    del rows
    return image.astype(np.float32, copy=False)


def refused_fields(config: Any, field: str, name: str) -> Iterator[str]:
    """Yields which fields of the config of data are of images alone, where the data are vectors.

    Args:
      config: of the data.
      field: its path in the whole config.
      name: of the data.
    """
    if config.binarization is not None:
        yield f"{field}.binarization={config.binarization} is of images, and {name} holds vectors; leave it out"
    if config.preprocessing == "per_channel":
        yield (
            f"{field}.preprocessing=per_channel: a vector has one number in each channel, so nothing would be left of "
            f"{name}; use mean_norm or standardize"
        )


def images_only(what: str, dataset: Any) -> Iterator[str]:
    """Yields, where a data set holds vectors, that what the config asks for is of images."""
    if dataset.vectors:
        yield f"{what} is of images, and {dataset.name} holds vectors; leave it out"


def check_pictures(data: Any) -> None:
    """Checks that data, of which the data set or its description is given, can be shown.

    Raises:
      DataError: if they are vectors.
    """
    if data.vectors:
        raise DataError(f"{data.name} holds vectors, and no picture shows these; only images can be shown")
