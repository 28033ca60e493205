"""The original files of MNIST, Fashion-MNIST, KMNIST (IDX) and of CIFAR-10 and CIFAR-100 (binary), read as they are.

Images come in the order in which TFDS has them, so that the data are those of a set that TFDS prepared, with one
fingerprint. It sorts the examples of a split by the MD5 of the split's name and their number (`shuffle.py`,
`hashing.py`, `split_builder.py` of `tensorflow_datasets.core`, 4.9; numbers count from 0, as in
`image_classification/mnist.py` and `cifar.py`).
"""

import dataclasses
import functools
import gzip
import hashlib
import math
import os
import pathlib
import struct
import tarfile
import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from aejax.cache import cached_arrays
from aejax.data.checked import TEST, check_arrays
from aejax.data.classes import unknown_label
from aejax.data.sources.base import Contents, ImageSource, is_path
from aejax.data.sources.published import PUBLISHED
from aejax.errors import DataError, in_one_line

READING = 1  # To be raised when the same files come to be read otherwise; old caches are then left alone.
FOLDER = "original"  # Below the name of a data set, where prepared ones lie.
LABEL = "label"  # The usual ones.
_SPLITS = {"train": "", "test": TEST}
_IDX = {("train", "image"): "train-images-idx3-ubyte", ("train", "label"): "train-labels-idx1-ubyte"} | {
    ("test", "image"): "t10k-images-idx3-ubyte",
    ("test", "label"): "t10k-labels-idx1-ubyte",
}
_CIFAR_SIDE = 32


class _Binary(NamedTuple):
    """How the files of CIFAR lie in their archive."""

    folder: str
    files: dict[str, tuple[str, ...]]  # Of each split.
    labels: dict[str, str]  # The bytes before each image, in their order, as TFDS calls them: the files of their names.


_BINARY = {
    "cifar-10-binary.tar.gz": _Binary(
        "cifar-10-batches-bin",
        {"train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test": ("test_batch.bin",)},
        {LABEL: "batches.meta.txt"},
    ),
    "cifar-100-binary.tar.gz": _Binary(
        "cifar-100-binary",
        {"train": ("train.bin",), "test": ("test.bin",)},
        {"coarse_label": "coarse_label_names.txt", LABEL: "fine_label_names.txt"},
    ),
}


@dataclasses.dataclass(frozen=True)
class OriginalSource(ImageSource):
    """A folder with the original files, packed as they are published or unpacked."""

    CHOOSES_LABEL = True

    @staticmethod
    def claims(name: str) -> bool:
        """Whether a name is the path of such a folder."""
        return is_path(name) and bool(_layout(pathlib.Path(os.path.expanduser(name))))

    def on_demand(self) -> Contents:
        """All of it, which is small enough."""
        return self.read()

    def read(self) -> Contents:
        """All of it."""
        return read_originals(pathlib.Path(os.path.expanduser(self.config.name)), self.config.label)


def find_originals(name: str, root: pathlib.Path) -> pathlib.Path | None:
    """Returns where the original files of a data set are prepared, by its name, or its name and TFDS's version."""
    base, _, version = name.partition(":")
    original = PUBLISHED.get(base)
    if original is None or version not in ("", original.version):
        return None
    folder = root / base / FOLDER
    return folder if all((folder / file).is_file() for file in original.files) else None


def read_originals(folder: pathlib.Path, label: str | None = None) -> Contents:
    """Returns the checked arrays of the original files in a folder, unpacked once while they stay as they are.

    Args:
      folder: of the files.
      label: which labels: "label", or of CIFAR-100 "coarse_label"; None: "label".

    Raises:
      DataError: if a file is damaged, or what goes with it is missing, or there are no such labels.
    """
    layout = _layout(folder)
    if layout is None:
        raise DataError(f"{folder} holds no original files; see aejax data prepare --help")
    chosen = label or LABEL
    if chosen not in layout.labels:
        raise unknown_label(str(folder), chosen, layout.labels)
    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in layout.files]
    facts = (READING, str(folder.resolve()), stats, *([] if chosen == LABEL else [chosen]))
    key = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]

    def read() -> dict[str, np.ndarray]:
        try:
            arrays = layout.read(chosen)
        except (OSError, EOFError, KeyError, ValueError, struct.error, tarfile.TarError, zlib.error) as error:
            raise DataError(f"{folder} cannot be read ({in_one_line(error)}); fetch the damaged file again") from None
        for split, prefix in _SPLITS.items():
            order = _order(split, len(arrays.get(f"{prefix}image", ())))
            arrays |= {name: arrays[name][order] for name in (f"{prefix}image", f"{prefix}label") if name in arrays}
        return check_arrays(str(folder), arrays)

    return Contents(cached_arrays(f"original-{key}", read))


class _Layout(NamedTuple):
    """The files that a folder has, the labels in them, and the function that reads images and one kind of labels."""

    files: list[pathlib.Path]
    labels: tuple[str, ...]
    read: Callable[[str], dict[str, np.ndarray]]


def _layout(folder: pathlib.Path) -> _Layout | None:
    """Returns the original files in a folder, packed or unpacked; None: there are none to train on."""
    for name, binary in _BINARY.items():
        archive = folder / name
        if archive.is_file():
            return _Layout([archive], tuple(binary.labels), functools.partial(_read_archive, archive, binary))
        for inside in (folder, folder / binary.folder):
            files = [inside / file for own in binary.files.values() for file in own]
            if files[0].is_file():
                return _Layout(files, tuple(binary.labels), functools.partial(_read_folder, inside, binary))
    idx = {part: file for part, name in _IDX.items() if (file := _idx_file(folder, name)) is not None}
    if ("train", "image") not in idx:
        return None
    return _Layout(list(idx.values()), (LABEL,), functools.partial(_read_idx, idx))


def _idx_file(folder: pathlib.Path, name: str) -> pathlib.Path | None:
    """Returns the path of an IDX file, packed or unpacked, by either of the names in use."""
    names = [name, name.replace("-idx", ".idx")]
    paths = [folder / (name + packed) for packed in ("", ".gz") for name in names]
    return next((path for path in paths if path.is_file()), None)


def _read_idx(files: Mapping[tuple[str, str], pathlib.Path], label: str) -> dict[str, np.ndarray]:
    del label  # There is one kind.
    arrays = {}
    for (split, part), path in files.items():
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        for original in PUBLISHED.values():
            if original.classes and digest == original.files.get(path.name, (0, ""))[1]:
                arrays["class_names"] = np.array(original.classes)
        arrays[_SPLITS[split] + part] = parse_idx(gzip.decompress(content) if path.suffix == ".gz" else content)
    return arrays


def parse_idx(content: bytes) -> np.ndarray:
    """Returns the array of uint8 that an IDX file holds.

    Raises:
      ValueError: if it is none.
    """
    zeros, kind, num_axes = struct.unpack_from(">HBB", content)
    shape = struct.unpack_from(f">{num_axes}I", content, 4)
    begin = 4 + 4 * num_axes
    if zeros or kind != 8 or math.prod(shape) != len(content) - begin:
        raise ValueError(f"no IDX file of bytes, or {len(content) - begin} bytes for the shape {shape}")
    return np.frombuffer(content, np.uint8, offset=begin).reshape(shape)


def _read_archive(path: pathlib.Path, binary: _Binary, label: str) -> dict[str, np.ndarray]:
    with tarfile.open(path) as archive:

        def content(name: str) -> bytes:
            member = archive.extractfile(f"{binary.folder}/{name}")
            return member.read() if member is not None else b""

        return _read_binary(binary, label, content)


def _read_folder(folder: pathlib.Path, binary: _Binary, label: str) -> dict[str, np.ndarray]:
    return _read_binary(binary, label, lambda name: (folder / name).read_bytes())


def _read_binary(binary: _Binary, label: str, content: Callable[[str], bytes]) -> dict[str, np.ndarray]:
    arrays, num_labels = {}, len(binary.labels)
    for split, names in binary.files.items():
        rows = np.frombuffer(b"".join(map(content, names)), np.uint8)
        rows = rows.reshape(-1, num_labels + 3 * _CIFAR_SIDE**2)
        planes = rows[:, num_labels:].reshape(-1, 3, _CIFAR_SIDE, _CIFAR_SIDE)
        arrays[f"{_SPLITS[split]}image"] = planes.transpose(0, 2, 3, 1)
        arrays[f"{_SPLITS[split]}label"] = rows[:, list(binary.labels).index(label)]
    arrays["class_names"] = np.array(content(binary.labels[label]).decode().split())
    return arrays


def _order(split: str, num: int) -> list[int]:
    """Returns the numbers of a split's examples in the order in which TFDS has them."""
    return sorted(range(num), key=lambda index: hashlib.md5(f"{split}{index}".encode()).digest())
