"""Data sets of Hugging Face `datasets`: by name, or from a directory of this machine."""

import dataclasses
import importlib.util
import io
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from aejax.data.classes import unknown_label
from aejax.data.sources.base import HUGGING_FACE, Contents
from aejax.data.sources.collection import PictureSource, choose, to_contents
from aejax.data.sources.pictures import File
from aejax.errors import DataError, in_one_line

_IMAGES = ("image", "img", "picture")  # Columns by these names come before others.
_LABELS = ("label", "labels", "fine_label", "class")


class DatasetFiles:
    """The encoded pictures in a column of a data set: see `Files`."""

    def __init__(self, parts: Sequence[tuple[str, Any]], column: str):
        """Takes data sets, each with its name, whose `column` holds pictures that are not decoded."""
        self._parts, self._column = parts, column
        self._places = [(part, index) for part, (_, rows) in enumerate(parts) for index in range(len(rows))]

    def __len__(self) -> int:
        return len(self._places)

    def name(self, index: int) -> str:
        """The split, and the number in it."""
        part, place = self._places[index]
        return f"{self._parts[part][0]}[{place}]"

    def content(self, index: int) -> File:
        """The bytes, or the path."""
        part, place = self._places[index]
        cell = self._parts[part][1][place][self._column] or {}
        path = cell.get("path")
        return path if cell.get("bytes") is None and path else io.BytesIO(cell.get("bytes") or b"")

    def key(self) -> str:
        """Their fingerprints, as `datasets` has them, and their numbers."""
        return repr(([(name, rows._fingerprint) for name, rows in self._parts], self._column, self._places))

    def choose(self, indices: Sequence[int]) -> "DatasetFiles":
        """Some of the pictures."""
        chosen = DatasetFiles(self._parts, self._column)
        chosen._places = [self._places[index] for index in indices]
        return chosen


@dataclasses.dataclass(frozen=True)
class HuggingFaceSource(PictureSource):
    """A data set of `datasets`: hf:NAME, hf:NAME:CONFIG, or hf:DIRECTORY, as `save_to_disk` writes it.

    Pictures are in the column `image` or the only one of images, labels in the column that the config names, `label`,
    or the only one of classes. It is trained on the split `train`, and tested on `test` if there is one; other splits
    are left out.
    """

    CHOOSES_LABEL = True

    @staticmethod
    def claims(name: str) -> bool:
        """Whether a name begins with hf:."""
        return name.startswith(HUGGING_FACE)

    def _contents(self, *, now: bool) -> Contents:
        if importlib.util.find_spec("datasets") is None:
            raise DataError(f"{self.config.name} takes Hugging Face datasets: pip install 'aejax[datasets]'")
        import datasets

        splits = self._load(datasets)
        if "train" not in splits:
            raise DataError(
                f"{self.config.name} has no split 'train' (it has: {', '.join(splits)}); choose one that has"
            )
        notes = []
        if others := [name for name in splits if name not in ("train", "test")]:
            notes.append(f"splits that are neither train nor test were left out: {', '.join(others)}")
        parts = [(name, splits[name]) for name in ("train", "test") if name in splits]
        features = parts[0][1].features
        column = self._column(features, datasets.Image, _IMAGES, "pictures", "rename one: image")
        if column is None:
            raise DataError(f"{self.config.name} has no column of pictures (it has: {', '.join(features)})")
        raw = datasets.Image(decode=False)
        files = DatasetFiles(
            [(name, rows.select_columns([column]).cast_column(column, raw)) for name, rows in parts], column
        )
        chosen = choose(self.config, files, {}, now=now)
        label, classes = self._labels(datasets, parts)
        contents = to_contents(chosen, label, num_train=len(parts[0][1]), num=len(files), notes=notes)
        return dataclasses.replace(contents, arrays={**contents.arrays, **classes})

    def _load(self, datasets: Any) -> Any:
        """Returns the splits by their names."""
        reference = self.config.name.removeprefix(HUGGING_FACE)
        path = os.path.expanduser(reference)
        try:
            if os.path.isdir(path) and {"dataset_dict.json", "state.json"} & set(os.listdir(path)):
                loaded = datasets.load_from_disk(path)
            elif os.path.isdir(path):
                loaded = datasets.load_dataset(path)
            else:
                loaded = datasets.load_dataset(*reference.split(":", 1))
        except Exception as error:  # What the library, the network and a stranger's files make of it is no list.
            raise DataError(f"{self.config.name} cannot be loaded ({in_one_line(error)}); name another") from None
        return loaded if isinstance(loaded, dict) else {"train": loaded}

    def _column(self, features: Any, kind: Any, names: Sequence[str], what: str, advice: str) -> str | None:
        """Returns the column of a kind: by one of the names, or the only one."""
        columns = [name for name, feature in features.items() if isinstance(feature, kind)]
        named = [name for name in names if name in columns]
        if len(columns) > 1 and not named:
            raise DataError(f"{self.config.name} has several columns of {what} ({', '.join(columns)}); {advice}")
        return (named or columns or [None])[0]

    def _labels(
        self, datasets: Any, parts: Sequence[tuple[str, Any]]
    ) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Returns the label of each example, split after split (None: there are none), and the names of classes."""
        features, column = parts[0][1].features, self.config.label
        if column is None:
            column = self._column(features, datasets.ClassLabel, _LABELS, "classes", "name one: data.label")
        elif not isinstance(features.get(column), datasets.ClassLabel | datasets.Value):
            known = [name for name, of in features.items() if isinstance(of, datasets.ClassLabel | datasets.Value)]
            raise unknown_label(self.config.name, column, known)
        is_class = column is not None and isinstance(features[column], datasets.ClassLabel)
        names = {"class_names": np.array(features[column].names, np.str_)} if is_class else {}
        column = column or next((name for name in _LABELS if name in features), None)
        if column is None:
            return None, names
        return np.concatenate([np.asarray(rows.with_format(None)[column][:]) for _, rows in parts]), names
