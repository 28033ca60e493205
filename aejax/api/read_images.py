"""Reading images from Python, as `data` of a config does, into arrays."""

import os
from typing import Any, NamedTuple

import numpy as np

from aejax.config import load
from aejax.data import pixels
from aejax.data.checked import TEST, images_of
from aejax.data.sources.base import SourceConfig
from aejax.data.sources.zoo import find_source
from aejax.errors import ConfigError, DataError


class ImageArrays(NamedTuple):
    """Images [n, height, width, channels], uint8 or float32 in [0, 1], and what is known of them.

    `labels` are the names of their classes, [n] texts, "" where there is none, or None; `classes` all names in their
    order; `files` the names of their files, if they are pictures; `notes` sentences on what was left out or converted.
    """

    images: np.ndarray
    labels: np.ndarray | None
    classes: tuple[str, ...]
    files: tuple[str, ...]
    notes: tuple[str, ...]


def read_images(name: str | os.PathLike[str], split: str = "train", **fields: Any) -> ImageArrays:
    """Reads images as a study does, from whatever `data.name` names.

        photos = aejax.read_images("photos/", size=32)
        model = aejax.fit(aejax.PlainConfig(latent_size=16), photos.images, epochs=20)

    Args:
      name: of a data set, or the path of an .npz, an .npy or a folder of pictures (photos/ or ./photos).
      split: "train" (all that is no test split) or "test".
      **fields: of `data` in a config: size, resize, color, unreadable, maximum, directory.

    Raises:
      ConfigError: if a field is wrong, in one line.
      DataError: if the images are missing, or damaged, in one line.
    """
    config = load(SourceConfig, {"name": as_name(name)} | fields)
    contents = find_source(config).read()
    if contents.vectors:
        raise DataError(f"{config.name} holds vectors and no images; read its 'features' by numpy")
    arrays = dict(contents.arrays)
    if contents.pixels is None:
        arrays |= pixels.store(config.name, images_of(arrays), config.maximum, "maximum")[0]
    prefixes = {"train": "", "test": TEST}
    if split not in prefixes or f"{prefixes.get(split)}image" not in arrays:
        there = [one for one, prefix in prefixes.items() if f"{prefix}image" in arrays]
        raise ConfigError(f"split={split!r}: {config.name} has {' and '.join(there)}")
    images = arrays[f"{prefixes[split]}image"]
    classes = tuple(map(str, arrays.get("class_names", ())))
    labels = arrays.get(f"{prefixes[split]}label")
    files = contents.names[: len(images)] if split == "train" else contents.names[len(contents.names) - len(images) :]
    named = None if labels is None else np.array([*classes, ""])[labels]  # The last of them is that of -1.
    return ImageArrays(images, named, classes, files, contents.notes)


def as_name(path: str | os.PathLike[str]) -> str:
    """Returns the name of data as `data.name` takes it: a path that is no text is a path, whatever it looks like."""
    return path if isinstance(path, str) else os.path.join(os.curdir, os.fspath(path))
