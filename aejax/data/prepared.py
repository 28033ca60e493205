"""Data sets that TFDS has prepared: finding them on disk and decoding them, with neither TensorFlow nor a network."""

import contextlib
import functools
import json
import os
import pathlib
import re
import shlex
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from aejax.data.classes import unknown_label
from aejax.errors import DataError

FACTOR = "label_"  # What the names of features begin with that an image was made from.
_SPLITS = {"train": "", "test": "test_"}  # What the names of their arrays begin with.
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def data_root(directory: str | None) -> pathlib.Path:
    """Returns where prepared data sets lie: `directory`, else `$TFDS_DATA_DIR`, else `~/tensorflow_datasets`."""
    return pathlib.Path(os.path.expanduser(directory or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"))


def find(name: str, root: pathlib.Path) -> pathlib.Path | None:
    """Returns where the data set `name`, `name/config` or either with `:1.0.0` is prepared; else the newest version.

    TFDS itself would try the network for minutes before it said that a data set is not there.
    """
    base, _, version = name.partition(":")
    paths = [path for path in _prepared(root) if path.parent.as_posix() == base and version in ("", path.name)]
    return root / max(paths, key=lambda path: [int(number) for number in path.name.split(".")]) if paths else None


def _prepared(root: pathlib.Path) -> list[pathlib.Path]:
    infos = sorted([*root.glob("*/*/dataset_info.json"), *root.glob("*/*/*/dataset_info.json")])
    return [info.parent.relative_to(root) for info in infos if _VERSION.fullmatch(info.parent.name)]


def absent(name: str, root: pathlib.Path, command: str | None) -> DataError:
    """Returns the error that a data set is not there, naming what is and how to prepare it.

    Args:
      name: of the data set.
      root: where prepared data sets lie.
      command: a simpler one that prepares it, if there is one.
    """
    others = ", ".join(f"{path.parent.as_posix()}:{path.name}" for path in _prepared(root)) or "nothing"
    simpler = f"{command}, or by TFDS: " if command else ""
    return DataError(
        f"{name} is not prepared in {root} (prepared there: {others}); set data.directory or TFDS_DATA_DIR to where "
        f"it is, or prepare it: {simpler}{_command(name, root)}"
    )


def decode(path: pathlib.Path, label: str | None = None) -> dict[str, np.ndarray]:
    """Returns the decoded splits of the data set prepared at `path`.

    Args:
      path: of its version.
      label: the feature of classes that labels are; None: the feature "label".

    Returns:
      `image` [N, ...], where the data set has them `label` [N], `factor` [N, factors] (classes named `label_...`, as
      dSprites, Shapes3D and SmallNORB have them) with `factor_names`, the same of the test split with `test_` before
      them, and where labels are numbers of classes `class_names` [classes]. All other splits and features are left
      alone.

    Raises:
      DataError: if it is not a set of images of one size with a train split, in array_record format, or is damaged, or
        has no such labels.
    """
    return _decode(path, label, images=True)


def _decode(path: pathlib.Path, label: str | None, *, images: bool) -> dict[str, np.ndarray]:
    """Returns the decoded factors and labels of a data set, and perhaps its images."""
    with quiet() as tfds:
        builder = _builder(tfds, path)
        features = builder.info.features
        is_class = {name: isinstance(feature, tfds.features.ClassLabel) for name, feature in features.items()}
        # Sorted, because features come back in no certain order.
        factors = sorted(name for name in features if name.startswith(FACTOR) and is_class[name])
        known = sorted(name for name in features if is_class[name] or name == "label")
        if label is not None and label not in known:
            raise unknown_label(str(path), label, known)
        feature_of = ({"image": "image"} if images else {}) | {"label": label or "label"}
        parts = {part: feature for part, feature in feature_of.items() if feature in features}
        arrays = {}
        for split, prefix in _SPLITS.items():
            if not builder.info.splits.get(split) or not [*parts, *factors]:
                continue
            try:
                source = _records(tfds, builder, split, images=images)
                records = source.__getitems__(range(len(source)))
            except Exception as error:
                raise _damaged(path, error) from error
            for part, feature in parts.items():
                arrays[prefix + part] = _stack(path, feature, [record[feature] for record in records])
            if factors:
                arrays[f"{prefix}factor"] = np.array([[record[name] for name in factors] for record in records])
        if is_class.get(feature_of["label"]):
            arrays["class_names"] = np.array(features[feature_of["label"]].names, np.str_)
        if factors:
            arrays["factor_names"] = np.array([name.removeprefix(FACTOR) for name in factors])
    return arrays


def _builder(tfds: Any, path: pathlib.Path) -> Any:
    """Returns the builder of the data set prepared at `path`, which is checked to be usable."""
    try:
        builder = tfds.builder_from_directory(path)
    except Exception as error:
        raise _damaged(path, error) from error
    _check_usable(path, builder.info, [name for name, split in builder.info.splits.items() if split.num_examples])
    return builder


def _records(tfds: Any, builder: Any, split: str, *, images: bool) -> Any:
    """Returns the records of a split, with or without their images decoded."""
    decoders = None if images else {"image": tfds.decode.SkipDecoding()}
    return builder.as_data_source(split, file_format="array_record", decoders=decoders)


class RecordImages:
    """The images of a split that TFDS has prepared, read from its records when asked for: see `Images`."""

    def __init__(self, path: pathlib.Path, split: str, num: int):
        """Takes where the data set lies, and how many examples the split has."""
        self._path, self._split = path, split
        first = self._read([0])
        self.shape, self.dtype = (num, *first.shape[1:]), first.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: slice | np.ndarray) -> np.ndarray:
        chosen = np.arange(len(self))[indices].tolist()
        return self._read(chosen) if chosen else np.zeros((0, *self.shape[1:]), self.dtype)

    def key(self) -> str:
        """A text that changes when a file of the data set changes."""
        files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(self._path.iterdir())]
        return repr((str(self._path.resolve()), self._split, files))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_records"}

    @functools.cached_property
    def _records(self) -> Any:
        with quiet() as tfds:
            return _records(tfds, _builder(tfds, self._path), self._split, images=True)

    def _read(self, indices: list[int]) -> np.ndarray:
        try:
            records = self._records.__getitems__(indices)
        except Exception as error:
            raise _damaged(self._path, error) from error
        return _stack(self._path, "image", [record["image"] for record in records])


def open_records(path: pathlib.Path, label: str | None = None) -> dict[str, Any]:
    """Returns the arrays of `decode`, with `RecordImages` in the place of images; labels and factors are read.

    Raises:
      DataError: as `decode` does.
    """
    images: dict[str, Any] = {}
    with quiet() as tfds:
        builder = _builder(tfds, path)
        for name, prefix in _SPLITS.items():
            if split := builder.info.splits.get(name):
                images[f"{prefix}image"] = RecordImages(path, name, split.num_examples)
    return images | _decode(path, label, images=False)


def _check_usable(path: pathlib.Path, info: Any, splits: Sequence[str]) -> None:
    """Checks that a data set is prepared in the format that is read here, has images, and a split to train on."""
    formats = {file_format.value for file_format in info.available_file_formats()}
    if "array_record" not in formats:
        name, root = "/".join(info.full_name.split("/")[:-1]), path.parents[info.full_name.count("/")]
        # It has to go first: TFDS refuses to prepare in one format what is there in another.
        raise DataError(
            f"{path} is prepared as {', '.join(sorted(formats))}, not as array_record; delete it and prepare it "
            f"again: {_command(name, root)}"
        )
    if "image" not in info.features:
        raise DataError(f"{path} has no feature 'image' (it has: {', '.join(info.features)}); choose a set of images")
    if "train" not in splits:
        raise DataError(f"{path} has no split 'train' (it has: {', '.join(splits)}); choose a set that has one")


def _stack(path: pathlib.Path, feature: str, values: Sequence[np.ndarray]) -> np.ndarray:
    """Stacks one feature of all examples, which should have one shape."""
    shapes = sorted(set(map(np.shape, values)))
    if len(shapes) > 1:
        raise DataError(
            f"{path}: '{feature}' comes in different shapes ({shapes[0]}, {shapes[-1]}); make them alike and save them "
            "as .npz"
        )
    return np.stack(values)


def _command(name: str, root: pathlib.Path) -> str:
    """Returns the command that prepares a data set. The program `tfds build` would need apache_beam on top."""
    arguments = f'"{name}", data_dir={json.dumps(str(root))}, file_format="array_record"'
    code = f"import tensorflow_datasets as tfds; tfds.builder({arguments}).download_and_prepare()"
    return f"pip install 'aejax[tf]' && {shlex.join(['python', '-c', code])}"


def _damaged(path: pathlib.Path, error: Exception) -> DataError:
    """Returns the error for whatever TFDS, and the readers it rests on, make of missing or damaged files."""
    reason = (str(error).strip().splitlines() or [""])[0]
    return DataError(
        f"{path} cannot be read ({type(error).__name__}: {reason}); if it is damaged, delete it and prepare it again"
    )


@contextlib.contextmanager
def quiet() -> Iterator[ModuleType]:
    """Gives tensorflow_datasets, kept from writing its banners, progress bars and log lines to the screen."""
    from absl import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    import tensorflow_datasets as tfds  # Only now: importing it can write log lines.

    tfds.disable_progress_bar()  # In a notebook it would not be text that can be redirected.
    try:
        with (
            open(os.devnull, "w", encoding="utf-8") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            yield tfds
    finally:
        tfds.enable_progress_bar()
        logging.set_verbosity(verbosity)
