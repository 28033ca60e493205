"""Arrays in files: an .npz that holds all of them, or an .npy for each, which is read when asked for."""

import dataclasses
import os
import pathlib
import zipfile
from typing import Any

import numpy as np

from aejax.cache import read_arrays
from aejax.data.checked import PARTS, TEST
from aejax.data.sources.base import Contents, ImageSource, is_path
from aejax.data.vectors import FEATURES, as_images
from aejax.errors import DataError


@dataclasses.dataclass(frozen=True)
class NpzSource(ImageSource):
    """An .npz file with the arrays `image`, `label`, `factor` and the same of a test split, `test_image` and so on.

    In the place of images there may be vectors, `features` and `test_features`.
    """

    @staticmethod
    def claims(name: str) -> bool:
        """Whether a name is the path of such a file."""
        return name.endswith(".npz")

    def may_exceed(self, num_bytes: int) -> bool:
        """Whether the file says that its arrays are larger; one that cannot be read says so when it is."""
        try:
            with zipfile.ZipFile(_path(self.config.name)) as archive:
                return sum(info.file_size for info in archive.infolist()) > num_bytes
        except Exception:  # What zipfile makes of any bytes is no list.
            return False

    def on_demand(self) -> Contents:
        """The arrays of the file, all in memory."""
        name = self.config.name
        try:
            arrays = read_arrays(pathlib.Path(os.path.expanduser(name)))
        except OSError as error:
            raise DataError(
                f"{name} cannot be read: {error.strerror}; give data.name the path of an .npz file"
            ) from None
        except ValueError as error:
            raise DataError(
                f"{name} cannot be read: {error}; write it with numpy.savez(path, image=..., label=...)"
            ) from None
        parts = {array.removeprefix(TEST) for array in arrays}
        if (
            not parts <= {*PARTS, FEATURES}
            or ("image" in arrays) == (FEATURES in arrays)
            or {"image", FEATURES} <= parts
        ):
            raise DataError(
                f"{name} holds the arrays {', '.join(arrays) or '(none)'}; it should hold 'image' (or '{FEATURES}', of "
                "vectors) and may hold 'label', 'factor', 'test_image', 'test_label' and 'test_factor', and nothing "
                "else"
            )
        return _contents(name, arrays)


@dataclasses.dataclass(frozen=True)
class NpySource(ImageSource):
    """An .npy file of images; beside a file `image.npy`, also `label.npy`, `test_image.npy` and so on are read.

    A file `features.npy` holds vectors, likewise.
    """

    @staticmethod
    def claims(name: str) -> bool:
        """Whether a name is the path of such a file, or of a folder that holds an `image.npy` or a `features.npy`."""
        return name.endswith(".npy") or (is_path(name) and any((_path(name) / file).is_file() for file in _FIRST))

    def on_demand(self) -> Contents:
        """The arrays; images are mapped from their files."""
        path = _path(self.config.name)
        if path.is_dir():
            path = next(path / file for file in _FIRST if (path / file).is_file())
        first = FEATURES if path.name == f"{FEATURES}.npy" else "image"
        files = {first: path}
        if path.name in _FIRST:
            parts = [first, *PARTS[1:]]
            others = {name: path.with_name(f"{name}.npy") for name in [*parts, *(TEST + part for part in parts)]}
            files |= {name: file for name, file in others.items() if file.exists()}
        arrays = {name: _map(str(file)) for name, file in files.items()}
        mapped = {name: array if name.endswith(first) else array[:] for name, array in arrays.items()}
        return _contents(self.config.name, mapped)


_FIRST = ("image.npy", f"{FEATURES}.npy")


def _contents(source: str, arrays: dict[str, Any]) -> Contents:
    """Returns arrays as the content of a source: vectors among them become images."""
    if FEATURES not in arrays:
        return Contents(arrays)
    renamed = {
        name.replace(FEATURES, "image"): as_images(f"{source}: '{name}'", array) if name.endswith(FEATURES) else array
        for name, array in arrays.items()
    }
    return Contents(renamed, vectors=True)


def _path(name: str) -> pathlib.Path:
    return pathlib.Path(os.path.expanduser(name))


def _map(name: str) -> np.ndarray[Any, Any]:
    try:
        array = np.load(name, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}; give data.name the path of an .npy file") from None
    except Exception as error:  # What numpy and Python's parser make of any bytes is no list.
        raise DataError(f"{name} cannot be read ({error}); write it with numpy.save(path, images)") from None
    return np.asarray(array) if array.ndim == 0 or not array.size else array
