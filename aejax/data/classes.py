"""Classes: the values that labels take, whatever these are, counted from 0 in their order."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aejax.data.on_demand import choose
from aejax.errors import DataError, printable

MAX_NAMED = 5  # Classes in a message; further ones are only counted.
UNKNOWN = -1  # The label of an image without one; among names the empty text is.


class Classes(NamedTuple):
    """The classes of a data set in the order of their numbers: their values in the data, and what people call them."""

    values: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def find(self, wanted: str | int) -> int | None:
        """Returns the number of the class of this value, or name; None: there is no such class."""
        for column in self:
            if str(wanted) in column:
                return column.index(str(wanted))
        return None

    def name(self, number: int) -> str:
        """Returns the name of a class, by its number."""
        return self.names[number] if self.names else str(number)

    def choose(self, numbers: Sequence[int]) -> "Classes":
        """Returns these classes alone, in this order."""
        return Classes(*(tuple(column[number] for number in numbers) for column in self))

    def __str__(self) -> str:
        return enumerate_names(self.names)


def enumerate_names(names: Sequence[str]) -> str:
    """Returns names in a row, the first of many, and how many more there are."""
    if len(names) <= MAX_NAMED + 1:
        return ", ".join(names)
    return f"{', '.join(names[:MAX_NAMED])} and {len(names) - MAX_NAMED} more"


def unknown_label(source: str, label: str, known: Iterable[str]) -> DataError:
    """Returns the error that images have no labels of a name, naming all that they have."""
    return DataError(
        f"data.label={label}: {source} has no such labels (it has: {', '.join(known) or 'none'}); name one of "
        "these, or leave it out"
    )


def check_label(what: str, label: np.ndarray, count: int) -> np.ndarray:
    """Returns the labels of so many images, [count], integers of at least 0, or texts; -1 or "" is no label.

    Raises:
      DataError: if they are something else.
    """
    if label.shape != (count,):
        raise DataError(f"{what} has shape {label.shape}; it should be ({count},), one for each image")
    if label.dtype.kind not in "US":
        return _check_integers(what, label, "integers or names, one for each class", least=-1)
    try:
        label = np.char.decode(label, "utf-8") if label.dtype.kind == "S" else label
        letters = np.frombuffer(label.tobytes(), label.dtype.byteorder + "u4")
    except UnicodeDecodeError:
        letters = None
    if letters is None or letters.max(initial=0) > sys.maxunicode:
        raise DataError(f"{what} holds names that are no text; save them as text, or number the classes")
    return label


def check_factor(what: str, factor: np.ndarray, count: int) -> np.ndarray:
    """Returns the values of factors of so many images, [count, factors], integers of at least 0.

    Raises:
      DataError: if they are something else.
    """
    if factor.ndim != 2 or len(factor) != count or not factor.shape[1]:
        raise DataError(f"{what} has shape {factor.shape}; it should be ({count}, factors), a row for each image")
    return _check_integers(what, factor, "integers, the values of factors")


def _check_integers(what: str, values: np.ndarray, kind: str, least: int = 0) -> np.ndarray:
    if values.dtype.kind not in "bui":
        raise DataError(f"{what} is {values.dtype}; it should hold {kind}")
    if values.min() < least:
        raise DataError(
            f"{what} ranges from {values.min()} to {values.max()}; it should hold {kind}, none below 0: "
            + ("leave out images without a known value" if least == 0 else "where there is no label, -1")
        )
    return values.astype(np.uint8) if values.dtype.kind == "b" else values


def count_values(columns: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[Any]]:
    """Returns arrays [n] with their values counted from 0 in their order, int32, and the values that occur in any.

    The integer -1 and the empty text are no values: they become -1.
    """
    uniques = {name: np.unique(column, return_inverse=True) for name, column in columns.items()}
    # As Python has them: numpy would make floats of int64 beside uint64.
    values = sorted({value for unique, _ in uniques.values() for value in unique.tolist()} - {UNKNOWN, ""})
    number = {value: index for index, value in enumerate(values)}
    counted = {
        name: np.array([number.get(value, UNKNOWN) for value in unique.tolist()], np.int32)[inverse]
        for name, (unique, inverse) in uniques.items()
    }
    return counted, values


def name_classes(values: Sequence[Any], names: Sequence[str]) -> Classes:
    """Returns the classes of these values; `names` are those of the integers from 0 on, as far as they are known."""
    name_of = dict(enumerate(names))
    called = (printable(str(name_of.get(value, value)), 40) or "(empty)" for value in values)
    return Classes(tuple(map(str, values)), tuple(called))


def choose_classes(
    source: str, arrays: Mapping[str, np.ndarray], classes: Classes, chosen: Sequence[str | int], field: str
) -> tuple[dict[str, np.ndarray], Classes]:
    """Returns the arrays with the images of some classes alone, which are numbered anew, and these classes.

    Images without a label are of none of them.

    Args:
      source: where they come from, for messages.
      arrays: as `check_arrays` returns them.
      classes: theirs.
      chosen: of these, in their order, by value or name.
      field: the path of that, for messages.

    Raises:
      DataError: if one of them is not in every split.
    """
    if "label" not in arrays:
        raise DataError(f"{field}={list(chosen)}: {source} has no labels; leave it out")
    indices = [classes.find(value) for value in chosen]
    numbers = [-1 if index is None else index for index in indices]
    number = np.full(len(classes.values), -1, np.int32)
    selection = dict(arrays)
    for prefix in [prefix for prefix in ("", "test_") if f"{prefix}label" in arrays]:
        label = arrays[f"{prefix}label"]
        known = label >= 0
        absent = [value for value, own in zip(chosen, numbers, strict=True) if own not in label[known]]
        if absent:
            where = "test split" if prefix else "training split" if "test_label" in arrays else "data"
            raise DataError(
                f"{field} names {absent[0]}, a class without images in the {where} of {source}; its classes are "
                f"{classes.choose(np.unique(label[known]).tolist())}"
            )
        number[numbers] = np.arange(len(numbers))
        kept = known & (number[label] >= 0)
        parts = [name for name in (f"{prefix}image", f"{prefix}factor", f"{prefix}row") if name in arrays]
        selection |= {name: choose(arrays[name], kept) for name in parts} | {f"{prefix}label": number[label[kept]]}
    twice = [value for value, own in zip(chosen, numbers, strict=True) if numbers.count(own) > 1]
    if twice:
        raise DataError(f"{field} names {twice[0]} and {twice[1]}, which are one class of {source}; name it once")
    return selection, classes.choose(numbers)
