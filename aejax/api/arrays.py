"""Arrays that a caller has in memory, written once as an .npz file, from which a study reads them like any other."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from aejax.data.checked import check_arrays, images_of
from aejax.data.pixels import ROUNDING
from aejax.errors import ConfigError, DataError, UserError, in_one_line
from aejax.store.directory import IMAGES, StudyDirectory
from aejax.store.files import read_npz, write_arrays
from aejax.store.record import read_record

_NAMES = {"image": "images", "label": "labels", "test_image": "test_images", "test_label": "test_labels"}


def to_arrays(images: Any, labels: Any = None, test_images: Any = None, test_labels: Any = None) -> dict[str, Any]:
    """Returns numpy arrays as an .npz file of images has them, checked; none if there are no images.

    Args:
      images: [n, height, width] or [n, height, width, channels], uint8, or floats in [0, 1].
      labels: [n], integers of at least 0, or texts; -1 or "" where there is none; None: there are none at all.
      test_images: likewise, of a test split; None: some of the others are cut off for it, if any are needed.
      test_labels: likewise.

    Raises:
      DataError: in one line, if they are something else.
    """
    given = {"image": images, "label": labels, "test_image": test_images, "test_label": test_labels}
    given = {name: values for name, values in given.items() if values is not None}
    if given and "image" not in given:
        raise DataError(f"there are {', '.join(_NAMES[name] for name in given)} and no images; give images too")
    arrays = {}
    for name, values in given.items():
        try:
            arrays[name] = np.asarray(values)
        except (ValueError, TypeError, RuntimeError) as error:  # PyTorch's, of a GPU or with gradients.
            advice = "; make them of one size" if isinstance(error, ValueError) else "; make them a numpy array"
            raise DataError(f"{_NAMES[name]} are no array ({in_one_line(error)}){advice}") from None
        if arrays[name].dtype == object and all(isinstance(value, str) for value in arrays[name].flat):
            arrays[name] = arrays[name].astype(str)  # As pandas has texts.
    if arrays:
        check_arrays("arrays", arrays)
    for name, image in images_of(arrays).items():
        _check_pixels(_NAMES[name], image)
    return arrays


def _check_pixels(what: str, image: np.ndarray) -> None:
    """Checks that images are of the numbers that a trained model takes, which does not see all of them at once."""
    if image.dtype != np.uint8 and image.dtype.kind != "f":
        raise DataError(f"{what} are {image.dtype}; they should be uint8, or floats in [0, 1]")
    low, high = image.min(), image.max()
    if image.dtype == np.uint8 and high == 1:
        raise DataError(f"{what} are uint8 from 0 to 1; make them floats, or white 255")
    if image.dtype != np.uint8 and not -ROUNDING <= low <= high <= 1 + ROUNDING:
        raise DataError(f"{what} range from {low:g} to {high:g}; they should be uint8, or floats in [0, 1]: scale them")


def check_white(arrays: Mapping[str, np.ndarray], maximum: float | None) -> None:
    """Checks that the config's `data.maximum` goes with arrays of `to_arrays`, and is there if it is not certain.

    Raises:
      ConfigError: if it does not.
      DataError: if it should be there.
    """
    if maximum not in (None, white_of(arrays)):
        raise ConfigError(
            f"data.maximum={maximum:.9g}: images that are given are uint8 up to 255, or floats in [0, 1]; "
            "scale them, and leave it out"
        )
    high = max(image.max() for image in images_of(arrays).values())
    if maximum is None and arrays["image"].dtype == np.uint8 and 0 < high <= 127:
        raise DataError(
            f"images are uint8 up to {high}, and white is 255; scale them, or if they are dark set data.maximum=255"
        )


def white_of(arrays: Mapping[str, np.ndarray]) -> float:
    """Returns which number is white in arrays of `to_arrays`."""
    return 255.0 if arrays["image"].dtype == np.uint8 else 1.0


@contextlib.contextmanager
def keep_arrays(directory: StudyDirectory, arrays: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Writes arrays into a study's directory, and gives the file's path as `data.name` takes it.

    If no study is begun in the block, for instance because it is refused, they are removed again.

    Raises:
      UserError: if the directory holds other arrays, or what is no study.
    """
    directory.check()
    path, is_new = directory.path / IMAGES, not directory.path.exists()
    written = not path.exists()
    if not written and not _same(read_npz(path), arrays):
        raise UserError(f"{path} holds other arrays than those that are given; choose another workdir")
    try:
        if written:
            directory.path.mkdir(parents=True, exist_ok=True)
            write_arrays(path, arrays)
        yield os.fspath(path)
    except BaseException:
        if written and read_record(directory) is None:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # It holds something else.
                directory.path.rmdir() if is_new else None
        raise


def _same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name]) for name in one
    )
