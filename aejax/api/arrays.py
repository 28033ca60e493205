"""Arrays that a caller has in memory, written once as an .npz file, from which a study reads them like any other."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from aejax.data.checked import check_arrays, images_of
from aejax.errors import DataError, UserError
from aejax.store.directory import IMAGES, StudyDirectory
from aejax.store.files import read_npz, write_arrays
from aejax.store.record import read_record

_NAMES = {"image": "images", "label": "labels", "test_image": "test_images", "test_label": "test_labels"}


def to_arrays(images: Any, labels: Any = None, test_images: Any = None, test_labels: Any = None) -> dict[str, Any]:
    """Returns numpy arrays as an .npz file of images has them, checked; none if there are no images.

    Args:
      images: [n, height, width] or [n, height, width, channels], uint8, or floats in [0, 1].
      labels: [n], integers of at least 0, or texts; None: there are none.
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
        except ValueError as error:
            raise DataError(f"{_NAMES[name]} are no array ({error}); make them of one size") from None
    if arrays:
        check_arrays("arrays", arrays)
    for name, image in images_of(arrays).items():
        _check_pixels(_NAMES[name], image)
    return arrays


def _check_pixels(what: str, image: np.ndarray) -> None:
    """Checks that images are of the numbers that a trained model takes, which does not see all of them at once."""
    if image.dtype != np.uint8 and image.dtype.kind != "f":
        raise DataError(f"{what} are {image.dtype}; they should be uint8, or floats in [0, 1]")
    if image.dtype == np.uint8 and image.max() == 1:
        raise DataError(f"{what} are uint8 from 0 to 1; make them floats, or white 255")


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
