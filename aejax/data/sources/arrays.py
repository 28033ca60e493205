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
from aejax.errors import DataError


@dataclasses.dataclass(frozen=True)
class NpzSource(ImageSource):
    """An .npz file with the arrays `image`, `label`, `factor` and the same of a test split, `test_image` and so on."""

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
        unknown = [array for array in arrays if array.removeprefix(TEST) not in PARTS]
        if unknown or "image" not in arrays:
            raise DataError(
                f"{name} holds the arrays {', '.join(arrays) or '(none)'}; it should hold 'image' and may hold "
                "'label', 'factor', 'test_image', 'test_label' and 'test_factor', and nothing else"
            )
        return Contents(arrays)


@dataclasses.dataclass(frozen=True)
class NpySource(ImageSource):
    """An .npy file of images; beside a file `image.npy`, also `label.npy`, `test_image.npy` and so on are read."""

    @staticmethod
    def claims(name: str) -> bool:
        """Whether a name is the path of such a file, or of a folder that holds an `image.npy`."""
        return name.endswith(".npy") or (is_path(name) and (_path(name) / "image.npy").is_file())

    def on_demand(self) -> Contents:
        """The arrays; images are mapped from their files."""
        path = _path(self.config.name)
        path = path / "image.npy" if path.is_dir() else path
        files = {"image": path}
        if path.name == "image.npy":
            others = {name: path.with_name(f"{name}.npy") for name in [*PARTS, *(TEST + part for part in PARTS)]}
            files |= {name: file for name, file in others.items() if file.exists()}
        arrays = {name: _map(str(file)) for name, file in files.items()}
        return Contents({name: array if name.endswith("image") else array[:] for name, array in arrays.items()})


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
