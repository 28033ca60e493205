"""The arrays of a file, checked: what lies behind it is images, labels and factors that go together."""

from collections.abc import Mapping

import numpy as np

from aejax.data.classes import check_factor, check_label, count_values, name_classes
from aejax.data.pixels import check_image
from aejax.data.vectors import FEATURES, check_vectors
from aejax.errors import DataError

PARTS = ("image", "label", "factor")
TEST = "test_"  # What the names of the same of the test split begin with.


def images_of(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the images among arrays, by their names there."""
    return _parts(arrays, "image")


def _parts(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {part: arrays[part] for part in (name, TEST + name) if part in arrays}


def check_arrays(source: str, arrays: Mapping[str, np.ndarray], *, vectors: bool = False) -> dict[str, np.ndarray]:
    """Returns arrays in the shapes of a `Split`.

    Images are the numbers that they came as. Labels and values of factors are counted from 0: `class_values` [classes]
    and `class_names` say what labels were. The label of an image without one is -1; without any, there is no `label`.

    Args:
      source: where they come from, for messages.
      arrays: `image`, perhaps `label`, `factor`, the same of the test split with `test_` before them, `factor_names`,
        and `class_names` of labels that number them from 0.
      vectors: whether the images are vectors, of files in which they are called `features`.

    Raises:
      DataError: naming the first that is not what it should be.
    """
    check_part, called = (check_vectors, FEATURES) if vectors else (check_image, "image")
    checked = {
        name: check_part(f"{source}: '{name.replace('image', called)}'", image)
        for name, image in images_of(arrays).items()
    }
    for name, check in (("label", check_label), ("factor", check_factor)):
        for part, values in _parts(arrays, name).items():
            image = part.replace(name, "image")
            if image not in arrays:
                raise DataError(
                    f"{source}: there is '{part}' but no '{image.replace('image', called)}'; add it or leave both out"
                )
            checked[part] = check(f"{source}: '{part}'", values, len(arrays[image]))
    if "test_image" in arrays:
        _check_alike(source, checked)
    if "label" in checked:
        labels, occurring = count_values(_parts(checked, "label"))
        checked = {name: values for name, values in checked.items() if name not in labels}
        if occurring:
            classes = name_classes(occurring, arrays.get("class_names", np.array([])).tolist())
            checked |= labels | {"class_values": np.array(classes.values), "class_names": np.array(classes.names)}
    if "factor" in checked:
        parts, count = _parts(checked, "factor"), checked["factor"].shape[1]
        columns = [count_values({name: part[:, index] for name, part in parts.items()})[0] for index in range(count)]
        checked |= {name: np.stack([column[name] for column in columns], axis=1) for name in parts}
        checked["factor_names"] = arrays.get("factor_names", np.array([f"factor_{index}" for index in range(count)]))
    return checked


def _check_alike(source: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Checks that what there is of the test split goes with the training images."""
    for name in ("label", "factor"):
        if len(_parts(arrays, name)) == 1:
            raise DataError(
                f"{source}: only one of '{name}' and 'test_{name}' is there; add the other or leave both out"
            )
    train, test = (
        (np.dtype(np.float32) if image.dtype.kind == "f" else image.dtype, image.shape[1:])
        for image in images_of(arrays).values()
    )
    if train != test:
        raise DataError(
            f"{source}: training images are {train[0]} {train[1]} and test images {test[0]} {test[1]}; make them alike"
        )
    if len({label.dtype.kind == "U" for label in _parts(arrays, "label").values()}) > 1:
        raise DataError(f"{source}: only one of 'label' and 'test_label' holds names; make them alike")
    if len({factor.shape[1] for factor in _parts(arrays, "factor").values()}) > 1:
        raise DataError(f"{source}: 'factor' and 'test_factor' differ in how many factors they have; make them alike")
