"""Inspecting images from Python, as `aejax data inspect` does."""

import dataclasses
import os
from typing import Any

from aejax.api.arrays import to_arrays
from aejax.api.read_images import as_name
from aejax.config import load, to_tree
from aejax.data.checked import check_arrays
from aejax.data.classes import Classes
from aejax.data.inspection import Inspection, inspect_splits
from aejax.data.inspection import inspect as inspect_dataset
from aejax.data.load import DataConfig, Split
from aejax.data.locate import locate
from aejax.errors import DataError


def inspect(images: Any, labels: Any = None, *, test_images: Any = None, test_labels: Any = None) -> Inspection:
    """Looks at images before anything is trained on them: pixels, classes, what occurs twice or is constant.

        print(aejax.inspect(images, labels))
        aejax.inspect("photos/").shared["test in train"]

    Args:
      images: [n, height, width] or [n, height, width, channels], uint8, or floats in [0, 1]; or the name or path of a
        data set, or its `aejax.DataConfig`: then it is split as a study splits it.
      labels: of arrays: [n], integers or texts; None: there are none.
      test_images: of arrays: those of a test split.
      test_labels: likewise.

    Raises:
      ConfigError: if it is no name of data.
      DataError: if there are no such data, or they are no images, in one line.
    """
    others = [labels, test_images, test_labels]
    if isinstance(images, str | os.PathLike | DataConfig):
        if any(other is not None for other in others):
            raise DataError("labels and test images of named data are their own; leave them out")
        return inspect_dataset(locate(_config(images)))
    arrays = to_arrays(images, *others)
    if not arrays:
        raise DataError("there are no images to inspect; give some")
    arrays = check_arrays("arrays", arrays)
    classes = Classes(*(tuple(map(str, arrays.get(name, ()))) for name in ("class_values", "class_names")))
    parts = {"images": "", "test": "test_"} if "test_image" in arrays else {"images": ""}
    splits = {name: Split(arrays[f"{prefix}image"], arrays.get(f"{prefix}label")) for name, prefix in parts.items()}
    inspection = inspect_splits(splits, classes)
    shape = " x ".join(map(str, inspection.image_shape))
    summary = f"images of {shape}, {inspection.image_type}; {len(classes.names) or 'no'} classes: {classes}"
    return dataclasses.replace(inspection, summary=(summary.removesuffix(": "),))


def _config(data: str | os.PathLike[str] | DataConfig) -> DataConfig:
    if isinstance(data, DataConfig):
        return load(DataConfig, to_tree(data))
    return load(DataConfig, {"name": as_name(data)})
