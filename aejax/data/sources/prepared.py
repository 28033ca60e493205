"""Data sets by name: those that come with this project, and those that were prepared before."""

import dataclasses
import hashlib
import pathlib
import tempfile

from aejax.cache import cache_directory, cached_arrays
from aejax.data import embedded, prepared
from aejax.data.checked import check_arrays
from aejax.data.sources.base import Contents, ImageSource, is_path

# To be raised when the same files come to be decoded or checked otherwise; old caches are then left alone.
DECODING = 3


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
    """A data set that TFDS has prepared."""

    @staticmethod
    def claims(name: str) -> bool:
        """Whether it may be one."""
        return not is_path(name)

    def on_demand(self) -> Contents:
        """The labels, and images that are read from the records when asked for."""
        return Contents(prepared.open_records(prepared.find(self.config.name, self.config.directory)))

    def read(self) -> Contents:
        """All of it, decoded once while its files stay as they are."""
        return _read(prepared.find(self.config.name, self.config.directory))


def _read(path: pathlib.Path) -> Contents:
    """Returns the checked arrays of the data set prepared at `path`, decoded once while its files stay as they are."""
    files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(path.iterdir())]
    key = hashlib.sha256(repr((DECODING, str(path.resolve()), files)).encode()).hexdigest()[:16]
    arrays = cached_arrays(f"{path.parent.name}-{key}", lambda: check_arrays(str(path), prepared.decode(path)))
    return Contents(arrays)
