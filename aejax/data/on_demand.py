"""Images on the host that are read when they are asked for, and what is made of them while they are read.

They are of the kind `aejax.data.sources.base.Images`. The functions here take arrays too, and return arrays for them.
"""

import abc
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from aejax.cache import cached_text
from aejax.errors import DataError

READING = 1  # To be raised when the same files come to be read otherwise.

BLOCK_BYTES = 2**24  # That are read at once where all images are passed through.


class OnDemand(abc.ABC):
    """Images [n, height, width, channels] that are read when they are asked for: `Images`."""

    def __init__(self, shape: tuple[int, ...], dtype: Any):
        self.shape, self.dtype = shape, np.dtype(dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: Any) -> np.ndarray:
        rows = np.arange(len(self))[indices]  # Slices, masks, and indices that count from the end.
        images = self.read(rows.ravel()) if rows.size else np.zeros((0, *self.shape[1:]), self.dtype)
        return images.reshape(*rows.shape, *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All of them, in memory."""
        del copy
        return self[:] if dtype is None else self[:].astype(dtype)

    @abc.abstractmethod
    def read(self, rows: np.ndarray) -> np.ndarray:
        """Reads the images at int64 [k], at least one.

        Raises:
          DataError: naming what cannot be read.
        """

    @abc.abstractmethod
    def key(self) -> str | None:
        """A text that changes when an image changes; None where that cannot be told."""

    @functools.cached_property
    def range(self) -> tuple[Any, Any]:
        """The least and the largest number of all; NaN if any is."""

        def find() -> str:
            lows, highs = zip(*((block.min(), block.max()) for block in blocks(self)), strict=True)
            return json.dumps([np.min(lows).item(), np.max(highs).item()])

        low, high = json.loads(cached_fact("range", [self], find)) if self.shape[0] else (0, 0)
        return self.dtype.type(low), self.dtype.type(high)


class _Whole(OnDemand):
    """The images of another object, which need not understand masks; with an axis of channels where they lack one."""

    def __init__(self, images: Any):
        shape = images.shape if len(images.shape) != 3 else (*images.shape, 1)
        super().__init__(shape, images.dtype)
        self._images = images

    def key(self) -> str | None:
        """That of the other object."""
        key: str | None = self._images.key() if hasattr(self._images, "key") else None
        return key

    def read(self, rows: np.ndarray) -> np.ndarray:
        image: np.ndarray = np.asarray(self._images[rows])
        return image.reshape(len(rows), *self.shape[1:])


class _File(OnDemand):
    """Images that lie in a file one after another.

    Read and not mapped: what is mapped counts as the process's memory for as long as the system likes.
    """

    def __init__(self, mapped: np.memmap):
        assert mapped.filename is not None
        super().__init__(mapped.shape if mapped.ndim != 3 else (*mapped.shape, 1), mapped.dtype)
        self._path, self._offset = os.fspath(mapped.filename), mapped.offset
        self._size = mapped.dtype.itemsize * int(np.prod(mapped.shape[1:]))

    def key(self) -> str | None:
        """Of the file's name, size and time."""
        facts = os.stat(self._path)
        path = os.path.realpath(self._path)
        return _digest(path, facts.st_size, facts.st_mtime_ns, self._offset, self.shape, self.dtype.str)

    def read(self, rows: np.ndarray) -> np.ndarray:
        image = np.empty((len(rows), *self.shape[1:]), self.dtype)
        targets = image.reshape(-1).view(np.uint8).data
        # Images that follow each other are read together.
        starts = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) != 1)
        try:
            with open(self._path, "rb", buffering=0) as file:
                for start, after in zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True):
                    wanted = targets[start * self._size : after * self._size]
                    offset = self._offset + int(rows[start]) * self._size
                    while wanted:  # The system may give less than is asked for.
                        got = os.preadv(file.fileno(), [wanted], offset)
                        if not got:
                            raise DataError(f"{self._path} is shorter than it was; leave it alone while it is read")
                        wanted, offset = wanted[got:], offset + got
        except OSError as error:
            raise DataError(f"{self._path} cannot be read: {error.strerror}") from None
        return image


class _Chosen(OnDemand):
    """Some images of others, in an order of their own."""

    def __init__(self, images: Any, order: np.ndarray):
        super().__init__((len(order), *images.shape[1:]), images.dtype)
        self._images, self._order = images, order

    def key(self) -> str | None:
        """Of the others and the order."""
        key = self._images.key()
        return None if key is None else _digest(key, hashlib.sha256(self._order.tobytes()).hexdigest())

    def read(self, rows: np.ndarray) -> np.ndarray:
        order = self._order[rows]
        ascending = np.argsort(order, kind="stable")  # As they lie in files.
        image = np.empty((len(rows), *self.shape[1:]), self.dtype)
        image[ascending] = self._images[order[ascending]]
        return image


class _Changed(OnDemand):
    """Images changed by a function, which is given them and their numbers, int64 [k]."""

    def __init__(self, images: Any, change: Callable[[np.ndarray, np.ndarray], np.ndarray]):
        super().__init__(images.shape, change(images[:1], np.zeros(1, np.int64)).dtype)
        self._images, self._change = images, change

    def key(self) -> str | None:
        """Of the others and the function, as it prints itself."""
        key = self._images.key()
        return None if key is None else _digest(key, self._change)

    def read(self, rows: np.ndarray) -> np.ndarray:
        return self._change(self._images[rows], rows)


def _digest(*facts: object) -> str:
    return hashlib.sha256(repr((READING, *facts)).encode()).hexdigest()[:16]


def cached_fact(name: str, images: Sequence[Any], find: Callable[[], str]) -> str:
    """Returns the text that `find` makes of images, from the cache while these stay as they are, if that is known."""
    keys = [one.key() if isinstance(one, OnDemand) else None for one in images]
    return find() if None in keys else cached_text(f"{name}-{_digest(*keys)}", find)


def open_images(images: Any) -> OnDemand:
    """Returns images of a source, [n, height, width] or with channels, as those that everything here takes."""
    if isinstance(images, np.memmap) and images.flags.c_contiguous and images.filename is not None:
        return _File(images)
    return _Whole(images)


def choose(images: Any, order: np.ndarray) -> Any:
    """Returns the images at indices, or of a mask."""
    return _Chosen(images, np.arange(len(images))[order]) if isinstance(images, OnDemand) else images[order]


def change(images: Any, function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Any:
    """Returns images changed by a function, which is given any of them, and their numbers, int64 [k].

    Where images are read when asked for, the function can be pickled, and `repr` says all that it depends on.
    """
    if isinstance(images, OnDemand):
        return _Changed(images, function)
    return function(images, np.arange(len(images)))


def range_of(images: Any) -> tuple[Any, Any]:
    """Returns the least and the largest number of all; NaN if any is."""
    return images.range if isinstance(images, OnDemand) else (images.min(), images.max())


def blocks(images: Any) -> Iterator[np.ndarray]:
    """Yields all images in their order, arrays [block, height, width, channels]."""
    if not isinstance(images, OnDemand):
        yield images
        return
    size = max(1, BLOCK_BYTES // (int(np.prod(images.shape[1:])) * images.dtype.itemsize))
    for start in range(0, len(images), size):
        yield images[start : start + size]
