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


@dataclasses.dataclass(frozen=True)
class EmbeddedSource(ImageSource):
    """A data set that comes with this project, prepared on first use in the cache."""

    @staticmethod
    def claims(name: str) -> bool:
        """Whether it is one of these."""
        return embedded.is_embedded(name) and not is_path(name)

    def on_demand(self) -> Contents:
        """All of it; these are small."""
        return self.read()

    def read(self) -> Contents:
        """All of it, decoded once."""
        try:
            return _read(embedded.prepare(self.config.name, cache_directory() / "tensorflow_datasets"))
        except OSError:  # A cache that cannot be written.
            with tempfile.TemporaryDirectory() as temporary:
                return _read(embedded.prepare(self.config.name, pathlib.Path(temporary)))


@dataclasses.dataclass(frozen=True)
class PreparedSource(ImageSource):
    """A data set that TFDS has prepared, or else its original files."""

    @staticmethod
    def claims(name: str) -> bool:
        """Whether it may be one."""
        return not is_path(name)

    def on_demand(self) -> Contents:
        """The labels, and images that are read from TFDS's records when asked for."""
        path = self._find()
        return read_originals(path) if path.name == FOLDER else Contents(prepared.open_records(path))

    def read(self) -> Contents:
        """All of it, decoded once while its files stay as they are."""
        path = self._find()
        return read_originals(path) if path.name == FOLDER else _read(path)

    def _find(self) -> pathlib.Path:
        name, root = self.config.name, prepared.data_root(self.config.directory)
        path = prepared.find(name, root) or find_originals(name, root)
        if path is None and pathlib.Path(name).is_dir():
            raise DataError(f"{name} is no prepared data set; for the folder of this name write data.name={name}/")
        if path is None:
            base = name.partition(":")[0]
            raise prepared.absent(name, root, f"aejax data prepare {base}" if base in PUBLISHED else None)
        return path


def _read(path: pathlib.Path) -> Contents:
    """Returns the checked arrays of the data set prepared at `path`, decoded once while its files stay as they are."""
    files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(path.iterdir())]
    key = hashlib.sha256(repr((DECODING, str(path.resolve()), files)).encode()).hexdigest()[:16]
    arrays = cached_arrays(f"{path.parent.name}-{key}", lambda: check_arrays(str(path), prepared.decode(path)))
    return Contents(arrays)
