"""Data sets by name: those that come with this project, and those that were prepared before."""

import dataclasses
import hashlib
import pathlib
import tempfile

from aejax.cache import cache_directory, cached_arrays
from aejax.data import embedded, prepared
from aejax.data.checked import check_arrays
from aejax.data.sources.base import Contents, ImageSource, is_path
from aejax.data.sources.originals import FOLDER, find_originals, read_originals
from aejax.data.sources.published import PUBLISHED
from aejax.errors import DataError

# To be raised when the same files come to be decoded or checked otherwise; old caches are then left alone.
DECODING = 4
MOST_COMPRESSED = 100  # How many times as large decoded images may be, unless they are all but empty.


@dataclasses.dataclass(frozen=True)
class EmbeddedSource(ImageSource):
    """A data set that comes with this project, prepared on first use in the cache."""

    CHOOSES_LABEL = True

    @staticmethod
    def claims(name: str) -> bool:
        """Whether it is one of these."""
        return embedded.is_embedded(name) and not is_path(name)

    def on_demand(self) -> Contents:
        """The labels, and images that are read from the records when asked for."""
        return Contents(prepared.open_records(self._prepare(), self.config.label))

    def may_exceed(self, num_bytes: int) -> bool:
        """Whether its files are larger than what could be compressed so far."""
        try:
            return _may_exceed(self._prepare(), num_bytes)
        except OSError:  # A cache that cannot be written, from which nothing could be read either.
            return False

    def _prepare(self) -> pathlib.Path:
        return embedded.prepare(self.config.name, cache_directory() / "tensorflow_datasets")

    def read(self) -> Contents:
        """All of it, decoded once."""
        try:
            return _read(self._prepare(), self.config.label)
        except OSError:  # A cache that cannot be written.
            with tempfile.TemporaryDirectory() as temporary:
                return _read(embedded.prepare(self.config.name, pathlib.Path(temporary)), self.config.label)


@dataclasses.dataclass(frozen=True)
class PreparedSource(ImageSource):
    """A data set that TFDS has prepared, or else its original files."""

    CHOOSES_LABEL = True

    @staticmethod
    def claims(name: str) -> bool:
        """Whether it may be one."""
        return not is_path(name)

    def on_demand(self) -> Contents:
        """The labels, and images that are read from TFDS's records when asked for."""
        path, label = self._find(), self.config.label
        return read_originals(path, label) if path.name == FOLDER else Contents(prepared.open_records(path, label))

    def may_exceed(self, num_bytes: int) -> bool:
        """Whether its files are larger than what could be compressed so far."""
        return _may_exceed(self._find(), num_bytes)

    def read(self) -> Contents:
        """All of it, decoded once while its files stay as they are."""
        path, label = self._find(), self.config.label
        return read_originals(path, label) if path.name == FOLDER else _read(path, label)

    def _find(self) -> pathlib.Path:
        name, root = self.config.name, prepared.data_root(self.config.directory)
        path = prepared.find(name, root) or find_originals(name, root)
        if path is None and pathlib.Path(name).is_dir():
            raise DataError(f"{name} is no prepared data set; for the folder of this name write data.name={name}/")
        if path is None:
            base = name.partition(":")[0]
            raise prepared.absent(name, root, f"aejax data prepare {base}" if base in PUBLISHED else None)
        return path


def _may_exceed(path: pathlib.Path, num_bytes: int) -> bool:
    return MOST_COMPRESSED * sum(file.stat().st_size for file in path.iterdir()) > num_bytes


def _read(path: pathlib.Path, label: str | None) -> Contents:
    """Returns the checked arrays of the data set prepared at `path`, decoded once while its files stay as they are."""
    files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(path.iterdir())]
    chosen = [] if label is None else [label]  # None leaves older caches alone.
    key = hashlib.sha256(repr((DECODING, str(path.resolve()), files, *chosen)).encode()).hexdigest()[:16]
    arrays = cached_arrays(f"{path.parent.name}-{key}", lambda: check_arrays(str(path), prepared.decode(path, label)))
    return Contents(arrays)
