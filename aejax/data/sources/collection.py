"""Many pictures of any sizes, kinds and formats: brought to one form, those that cannot be read refused or left out."""

import abc
import collections
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from aejax.cache import cached_arrays, cached_text, memory_bytes
from aejax.data.checked import TEST, check_arrays
from aejax.data.sources.base import Contents, Images, ImageSource, SourceConfig
from aejax.data.sources.pictures import KINDS, File, Form, Header, Unreadable, read_header
from aejax.errors import DataError
from aejax.progress import progress_bar

READING = 1  # To be raised when the same files come to be read otherwise; old caches are then left alone.
SHOWN = 3  # Files that a message names.
_FEW = 32  # Pictures for which threads are not worth their start.
_MANY = 2000  # Pictures that are worth a progress bar.
_BLOCK = 1000  # Pictures that are decoded at once only to see whether they can be.
_RESIZED = {
    "crop": "scaled to cover it, center cut out",
    "pad": "scaled to lie within it, on black",
    "stretch": "stretched to it",
}


class Files(Protocol):
    """Files of pictures by their numbers. They can be pickled."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """What messages call a file."""

    def content(self, index: int) -> File:
        """Its path, or its bytes."""

    def key(self) -> str:
        """A text that changes when a file changes."""

    def choose(self, indices: Sequence[int]) -> "Files":
        """Some of the files."""


class PictureImages:
    """Pictures that are decoded when they are asked for: see `Images`."""

    def __init__(self, files: Files, form: Form):
        """Takes the files, and the form that they are brought to."""
        self._files, self._form = files, form
        self.shape = (len(files), form.height, form.width, form.channels)
        self.dtype = np.dtype(form.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: slice | np.ndarray) -> np.ndarray:
        images, failures = self.decode(np.arange(len(self))[indices].tolist())
        if failures:
            named = _enumerate({self._files.name(index): why for index, why in failures.items()})
            raise DataError(f"pictures cannot be read: {named}; remove or replace them, or set data.unreadable=skip")
        return images

    def decode(self, indices: Sequence[int]) -> tuple[np.ndarray, dict[int, str]]:
        """Returns the images of these numbers, black where one cannot be read, and why by its number."""
        images = np.zeros((len(indices), *self.shape[1:]), self.dtype)
        failures: dict[int, str] = {}

        def read(place: int) -> None:
            try:
                images[place] = self._form.read(self._files.content(indices[place]))
            except Unreadable as error:
                failures[indices[place]] = str(error)

        _in_threads(read, len(indices))
        return images, dict(sorted(failures.items()))

    def part(self, place: slice) -> "PictureImages":
        """A part of the pictures, likewise decoded when they are asked for."""
        return PictureImages(self._files.choose(range(len(self))[place]), self._form)

    def key(self) -> str:
        """A text that changes when a picture changes, or the form that pictures are brought to."""
        return hashlib.sha256(repr((READING, self._files.key(), self._form)).encode()).hexdigest()[:16]


class Chosen(NamedTuple):
    """The pictures that can be read: their numbers among the files, names, images, and what is to be said of them."""

    indices: list[int]
    names: list[str]
    images: "np.ndarray | PictureImages"
    notes: tuple[str, ...]

    def part(self, place: slice) -> Images:
        """The images of a part of them."""
        return self.images[place] if isinstance(self.images, np.ndarray) else self.images.part(place)


def choose(
    config: SourceConfig, files: Files, broken: Mapping[str, str], form: Form | None = None, *, now: bool
) -> Chosen:
    """Returns the pictures that can be read, brought to one form.

    Args:
      config: of the data.
      files: of pictures.
      broken: why other files cannot be read, by their names.
      form: what pictures are brought to; None: what the config says.
      now: whether they are decoded now (once while the files stay as they are), or when they are asked for; in that
        case those that cannot be decoded are found now only if the config leaves them out.

    Raises:
      DataError: if pictures cannot be read and the config does not leave them out, if there are none, if they are of
        several sizes and the config names none, or if they are more than the machine's memory holds.
    """
    headers = _headers(files)
    headed = [index for index, header in enumerate(headers) if isinstance(header, Header)]
    unreadable = dict(broken) | {files.name(i): why for i, why in enumerate(headers) if not isinstance(why, Header)}
    num = len(files) + len(broken)
    if not headed:
        _settle(config, unreadable, num)
    form = form or _choose_form(config, [header for header in headers if isinstance(header, Header)])
    images = PictureImages(files.choose(headed), form)
    decoded: np.ndarray | PictureImages = images
    failures: dict[int, str] = {}
    if now:
        decoded, failures = _decode(config, images)
    elif config.unreadable == "skip" or unreadable:  # What is refused anyway is named as a whole.
        failures = _find_failures(images)
    unreadable |= {files.name(headed[index]): why for index, why in failures.items()}
    left_out = _settle(config, unreadable, num)
    kept = [index for place, index in enumerate(headed) if place not in failures]
    if failures:
        again = PictureImages(files.choose(kept), form)
        decoded = np.delete(decoded, list(failures), axis=0) if isinstance(decoded, np.ndarray) else again
    own = [header for index in kept if isinstance(header := headers[index], Header)]
    return Chosen(kept, list(map(files.name, kept)), decoded, (*_notes(config, form, own), *left_out))


def to_contents(
    chosen: Chosen, labels: np.ndarray | None, *, num_train: int, num: int, notes: Sequence[str]
) -> Contents:
    """Returns the content of a source of pictures.

    Args:
      chosen: the pictures that can be read, those to train on before those of the test split.
      labels: of all `num` files, [num]; None: there are none.
      num_train: how many of them are to train on.
      num: how many there are.
      notes: what else is to be said.
    """
    first = sum(index < num_train for index in chosen.indices)
    arrays: dict[str, Any] = {}
    for prefix, place in {"": slice(0, first), TEST: slice(first, None)}.items():
        if not prefix or num > num_train:
            arrays[f"{prefix}image"] = chosen.part(place)
            if labels is not None:
                arrays[f"{prefix}label"] = labels[chosen.indices[place]]
    pixels = "pictures of 8 bits, white is 255" if chosen.images.dtype == np.uint8 else "pictures, white is 1"
    return Contents(arrays, (*notes, *chosen.notes), pixels, tuple(chosen.names))


@dataclasses.dataclass(frozen=True)
class PictureSource(ImageSource):
    """A source of pictures of any size, kind and format."""

    READS_PICTURES = True

    def on_demand(self) -> Contents:
        """The labels, and pictures that are decoded when asked for."""
        return self._contents(now=False)

    def read(self) -> Contents:
        """All of it."""
        contents = self._contents(now=True)
        return dataclasses.replace(contents, arrays=check_arrays(self.config.name, contents.arrays))

    @abc.abstractmethod
    def _contents(self, *, now: bool) -> Contents:
        """Returns the content, unchecked, with pictures that are decoded now or when they are asked for."""


def _settle(config: SourceConfig, unreadable: Mapping[str, str], num: int) -> list[str]:
    """Returns a note on the files that cannot be read, if there are any."""
    if not unreadable:
        return []
    found = f"{len(unreadable)} of {num} pictures cannot be read"
    if config.unreadable == "refuse":
        raise DataError(
            f"{config.name}: {found}: {_enumerate(unreadable)}; remove or replace them, or set data.unreadable=skip"
        )
    if len(unreadable) == num:
        raise DataError(f"{config.name}: {found}: {_enumerate(unreadable)}; name pictures that can be")
    return [f"{found} and were left out: {_enumerate(unreadable)}"]


def _enumerate(unreadable: Mapping[str, str]) -> str:
    named = [f"{name} ({why})" for name, why in sorted(unreadable.items())]
    more = [f"and {len(named) - SHOWN} more"] if len(named) > SHOWN else []
    return ", ".join(named[:SHOWN] + more)


def _headers(files: Files) -> list[Header | str]:
    """Returns the header of each picture, or why it has none; read once while the files stay as they are."""

    def read_all() -> str:
        headers: list[Header | str] = [""] * len(files)

        def read(index: int) -> None:
            try:
                headers[index] = read_header(files.content(index))
            except Unreadable as error:
                headers[index] = str(error)

        _in_threads(read, len(files))
        return json.dumps(headers)

    name = hashlib.sha256(repr((READING, files.key())).encode()).hexdigest()[:16]
    found = json.loads(cached_text(f"headers-{name}.json", read_all))
    return [one if isinstance(one, str) else Header._make([*one[:4], tuple(one[4])]) for one in found]


def _decode(config: SourceConfig, images: PictureImages) -> tuple[np.ndarray, dict[int, str]]:
    needed, memory = float(np.prod(images.shape, dtype=float)) * images.dtype.itemsize, memory_bytes()
    if needed > memory:
        shape = " x ".join(map(str, images.shape[1:]))
        raise DataError(
            f"{config.name}: {len(images)} pictures of {shape} take {needed / 1e9:.3g} GB, and this machine has "
            f"{memory / 1e9:.3g} GB of memory; make data.size smaller"
        )

    def decode() -> dict[str, np.ndarray]:
        decoded, failures = images.decode(range(len(images)))
        indices, reasons = np.array(list(failures), np.int64), np.array(list(failures.values()), np.str_)
        return {"image": decoded, "failed": indices, "reason": reasons}

    arrays = cached_arrays(f"pictures-{images.key()}", decode)
    return arrays["image"], dict(zip(arrays["failed"].tolist(), arrays["reason"].tolist(), strict=True))


def _find_failures(images: PictureImages) -> dict[int, str]:
    """Returns why pictures cannot be decoded, by their numbers; found once while the files stay as they are."""

    def find() -> str:
        starts = range(0, len(images), _BLOCK)
        blocks = [range(start, min(start + _BLOCK, len(images))) for start in starts]
        return json.dumps([item for block in blocks for item in images.decode(block)[1].items()])

    return dict(json.loads(cached_text(f"unreadable-{images.key()}.json", find)))


def _choose_form(config: SourceConfig, headers: Sequence[Header]) -> Form:
    sizes = collections.Counter((header.height, header.width) for header in headers)
    if config.size is None and len(sizes) > 1:
        shown = [f"{height} x {width} ({num})" for (height, width), num in sizes.most_common(SHOWN)]
        more = f" and {len(sizes) - SHOWN} more" if len(sizes) > SHOWN else ""
        raise DataError(
            f"{config.name}: pictures have different sizes, height x width: {', '.join(shown)}{more}; set the one that "
            "they are brought to, data.size=64 or data.size=[48,64] (and data.resize: crop, pad or stretch)"
        )
    size = config.size or next(iter(sizes))
    height, width = (size, size) if isinstance(size, int) else size
    in_color = config.color == "rgb" or (config.color is None and any(header.color for header in headers))
    deep = any(header.deep for header in headers)
    return Form(height, width, 3 if in_color else 1, "float32" if deep else "uint8", config.resize, config.maximum)


def _notes(config: SourceConfig, form: Form, headers: Sequence[Header]) -> Iterator[str]:
    """Yields what is to be said of pictures that were not as they are stored."""

    kinds = collections.Counter(kind for header in headers for kind in header.kinds)
    colored = sum(header.color for header in headers)
    size = form.height, form.width
    others = sum((header.height, header.width) != size for header in headers)
    counts = {text: kinds[kind] for kind, text in KINDS.items()} | {
        f"of another size than {form.height} x {form.width}: {_RESIZED[config.resize]}": others,
        "in color: made gray": colored if form.channels == 1 else 0,
        "in gray: stored as RGB": len(headers) - colored if form.channels == 3 else 0,
    }
    yield from (f"{num} of {len(headers)} pictures {text}" for text, num in counts.items() if num)
    if form.dtype == "float32":
        yield "all pictures are stored as float32, because of those of more than 8 bits"


def _in_threads(function: Callable[[int], None], num: int) -> None:
    """Calls a function with the numbers from 0 on, in threads where there are many. Pillow's warnings are not shown."""
    with warnings.catch_warnings():  # Around the threads, which share the filters.
        warnings.simplefilter("ignore")
        if num <= _FEW:
            for index in range(num):
                function(index)
            return
        with (
            progress_bar(num, "reading pictures", "pictures", shown=num >= _MANY) as bar,
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
        ):
            for _ in pool.map(function, range(num)):
                bar.update()
