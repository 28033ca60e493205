"""Inspecting data: what a person should know of images and labels before anything is trained on them."""

import dataclasses
import hashlib
import itertools
import math
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from aejax.data.classes import Classes, enumerate_names
from aejax.data.load import Dataset, Split
from aejax.data.summary import summarize

BLOCK_BYTES = 2**22  # Of images that are looked at together: no second copy of all is made.
NO_NAMES: Mapping[str, Sequence[str]] = types.MappingProxyType({})
MOST_EXAMPLES = 5  # Images that occur several times which are named.
MOST_CLASSES = 24  # Classes that have a line of their own; of more, the largest and the smallest.
BAR = 32  # Characters of the longest bar.


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitInspection:
    """What there is to know of a split. Pixels are numbers from black, 0, to white, 1; None where there are none."""

    images: int
    lowest: float | None
    highest: float | None
    mean: float | None
    deviation: float | None
    constant: int  # Images whose pixels all have one value in each channel; of one pixel, in all channels.
    repeated: int  # Images that are equal to an earlier one of the split.
    unlabelled: int  # Images without a label; 0 where none has one.
    class_sizes: tuple[int, ...]  # Images of each class.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inspection:
    """What there is to know of a data set; as text it is a page for people."""

    summary: tuple[str, ...]  # Sentences, `notes` among them.
    notes: tuple[str, ...] = ()  # On how it was read: files that were left out or converted.
    place: str = ""  # Where it lies; empty: it comes with the project, or is arrays.
    fingerprint: str = ""  # Empty: it is arrays.
    image_shape: tuple[int, ...]  # (height, width, channels).
    image_type: str  # As which images are stored.
    classes: tuple[str, ...]  # Their names; none where there are no labels.
    splits: dict[str, SplitInspection]
    shared: dict[str, int]  # How many images of a split are also in an earlier one: "test in train" and so on.
    conflicting: int  # Images that occur with different labels, each counted once.
    examples: tuple[tuple[str, ...], ...]  # Some that occur several times: files or numbers, and splits.

    def __str__(self) -> str:
        return "\n".join(_describe(self))


class _Pixels(NamedTuple):
    """The fields of a `SplitInspection` that its pixels alone say."""

    lowest: float | None
    highest: float | None
    mean: float | None
    deviation: float | None
    constant: int


def inspect(dataset: Dataset) -> Inspection:
    """Inspects a data set as a study would see it: split, chosen and stored as its config says."""
    classes = dataset.classes if dataset.num_classes else Classes()
    inspection = inspect_splits(dataset.splits, classes, dataset.image_names)
    return dataclasses.replace(
        inspection,
        summary=tuple(summarize(dataset)),
        notes=dataset.notes,
        place=dataset.place,
        fingerprint=dataset.fingerprint,
    )


def inspect_splits(
    splits: Mapping[str, Split], classes: Classes, image_names: Mapping[str, Sequence[str]] = NO_NAMES
) -> Inspection:
    """Inspects splits of images, which are read block by block.

    Args:
      splits: by their names.
      classes: those of their labels.
      image_names: see `Dataset`.
    """
    pixels, digests = {}, {}
    for name, split in splits.items():
        pixels[name], digests[name] = _read(split.image)
    label = np.concatenate([_label(split) for split in splits.values()])
    ends = np.cumsum([len(digest) for digest in digests.values()])[:-1]
    # Equal images have one number, in whatever split they are.
    _, number = np.unique(np.concatenate(list(digests.values())), return_inverse=True)
    numbers = dict(zip(splits, np.split(number, ends), strict=True))
    first = next(iter(splits.values())).image
    return Inspection(
        summary=(),
        image_shape=tuple(first.shape[1:]),
        image_type=str(first.dtype),
        classes=classes.names,
        splits={
            name: SplitInspection(
                images=len(split.image),
                **pixels[name]._asdict(),
                repeated=len(numbers[name]) - len(np.unique(numbers[name])),
                unlabelled=0 if split.label is None else int((split.label < 0).sum()),
                class_sizes=tuple(np.bincount(_known(split), minlength=len(classes.names)).tolist()),
            )
            for name, split in splits.items()
        },
        shared={
            f"{later} in {earlier}": int(np.isin(numbers[later], numbers[earlier]).sum())
            for earlier, later in itertools.combinations(splits, 2)
        },
        conflicting=_num_conflicting(number, label),
        examples=_examples(splits, numbers, image_names),
    )


def _read(image: np.ndarray) -> tuple[_Pixels, np.ndarray]:
    """Returns a summary of the pixels of images, and the digest of each image, uint64."""
    digests = np.empty(len(image), np.uint64)
    if not len(image):
        return _Pixels(None, None, None, None, 0), digests
    size = max(1, BLOCK_BYTES // (int(np.prod(image.shape[1:])) * image.dtype.itemsize))
    lowest, highest, total, squares, constant = np.inf, -np.inf, 0.0, 0.0, 0
    for start in range(0, len(image), size):
        block = np.ascontiguousarray(image[start : start + size])
        rows = block.reshape(len(block), -1)
        digests[start : start + size] = [
            int.from_bytes(hashlib.blake2b(row.data, digest_size=8).digest(), "little") for row in rows
        ]
        lowest, highest = min(lowest, float(rows.min())), max(highest, float(rows.max()))
        total += float(rows.sum(dtype=np.float64))
        squares += _sum_of_squares(rows)
        within = block if math.prod(block.shape[1:3]) > 1 else rows[:, :, None, None]
        constant += int((within.min((1, 2)) == within.max((1, 2))).all(-1).sum())
    white, count = 255 if image.dtype == np.uint8 else 1, float(np.prod(image.shape))
    mean = total / count
    deviation = max(0.0, squares / count - mean**2) ** 0.5
    return _Pixels(lowest / white, highest / white, mean / white, deviation / white, constant), digests


def _sum_of_squares(rows: np.ndarray) -> float:
    if rows.dtype == np.uint8:
        return float(np.bincount(rows.ravel(), minlength=256) @ np.arange(256.0) ** 2)
    return float(np.square(rows, dtype=np.float64).sum())


def _label(split: Split) -> np.ndarray:
    return np.full(len(split.image), -1) if split.label is None else split.label


def _known(split: Split) -> np.ndarray:
    label = _label(split)
    return label[label >= 0]


def _num_conflicting(number: np.ndarray, label: np.ndarray) -> int:
    """Returns how many images, by their numbers, have several labels."""
    known = label >= 0
    pairs = np.unique(np.stack([number[known], label[known]]), axis=1)
    _, num_labels = np.unique(pairs[0], return_counts=True)
    return int((num_labels > 1).sum())


def _examples(
    splits: Mapping[str, Split], numbers: Mapping[str, np.ndarray], image_names: Mapping[str, Sequence[str]]
) -> tuple[tuple[str, ...], ...]:
    """Returns where some of the images lie that occur several times, by their numbers in each split."""

    def place(name: str, index: int) -> str:
        split = splits[name]
        if split.row is None:
            return f"{name} {index}"
        row, names = split.row[index], image_names.get(split.part)
        return f"{f'{split.part} {row}' if names is None else names[row]} ({name})"

    counts = np.bincount(np.concatenate(list(numbers.values())))
    return tuple(
        tuple(place(name, index) for name, own in numbers.items() for index in np.flatnonzero(own == number)[:3])
        for number in np.flatnonzero(counts > 1)[:MOST_EXAMPLES]
    )


# As text.


def _describe(inspection: Inspection) -> Iterator[str]:
    yield from inspection.summary
    if inspection.fingerprint:
        yield f"fingerprint {inspection.fingerprint}" + (inspection.place and f", of {inspection.place}")
    yield ""
    heading = ["split", "images", "lowest", "highest", "mean", "deviation", "constant", "repeated", "unlabelled"]
    yield from _align([heading, *([name, *_cells(split)] for name, split in inspection.splits.items())])
    if inspection.classes:
        yield ""
        yield from _balance(inspection)
    yield ""
    yield from _findings(inspection)


def _cells(split: SplitInspection) -> list[str]:
    numbers = (split.lowest, split.highest, split.mean, split.deviation)
    pixels = ("-" if number is None else f"{number:.4f}" for number in numbers)
    return [str(split.images), *pixels, *map(str, (split.constant, split.repeated, split.unlabelled))]


def _balance(inspection: Inspection) -> Iterator[str]:
    """Yields a line for each class: its images in every split, and a bar for those of the first."""
    names, splits = inspection.classes, inspection.splits.values()
    sizes = next(iter(splits)).class_sizes
    order = sorted(range(len(names)), key=lambda number: -sizes[number])
    shown = list(range(len(names))) if len(names) <= MOST_CLASSES else order[: MOST_CLASSES // 2]
    last = [] if len(names) <= MOST_CLASSES else order[-MOST_CLASSES // 2 :]
    rows = [
        [names[number], *(str(split.class_sizes[number]) for split in splits), "#" * _bar(sizes[number], max(sizes))]
        for number in (*shown, *last)
    ]
    lines = list(_align([["class", *inspection.splits, ""], *rows]))
    yield from lines[: 1 + len(shown)]
    if last:
        yield f"... {len(names) - len(shown) - len(last)} more, and the smallest:"
        yield from lines[1 + len(shown) :]


def _bar(size: int, largest: int) -> int:
    return 0 if not size else max(1, round(BAR * size / largest))


def _findings(inspection: Inspection) -> Iterator[str]:
    """Yields sentences on what is wrong, or that nothing is."""
    splits, found = inspection.splits, False
    for name, split in splits.items():
        for num, what in ((split.repeated, "equal to an earlier one of its split"), (split.constant, "constant")):
            if num:
                yield f"{num} of {split.images} {name} images: {what}"
                found = True
    for pair, num in inspection.shared.items():
        later, _, earlier = pair.partition(" in ")
        if num:
            yield f"{num} of {splits[later].images} {later} images: also in {earlier}, so {later} numbers are too good"
            found = True
    if inspection.conflicting:
        yield f"images that occur with different labels: {inspection.conflicting}"
        found = True
    for example in inspection.examples:
        yield f"  the same image: {enumerate_names(example)}"
    if not found:
        yield "no image occurs twice, and none is constant"


def _align(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yields rows as lines, with the first column and the bars at the left, numbers at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [
            cell if set(cell) <= {"#"} else cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)
        ]
        yield "  ".join([first.ljust(widths[0]), *cells]).rstrip()
