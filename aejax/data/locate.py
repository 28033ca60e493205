"""Finding data: where their config says, or elsewhere, by what a study has recorded of them."""

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aejax.data import prepared
from aejax.data.load import DataConfig, Dataset, load
from aejax.data.sources.base import is_path
from aejax.data.sources.originals import find_originals
from aejax.data.sources.prepared import EmbeddedSource
from aejax.errors import DataError

FOLDERS = "AEJAX_DATA_PATH"  # An environment variable: folders to look for data in, separated as in PATH.


class Clues(NamedTuple):
    """What is known of data beside their config."""

    beside: pathlib.Path | None = None  # The folder of the experiment's file, from which relative paths may begin.
    place: str = ""  # Where a study found them; see `Dataset.place`.
    fingerprint: str = ""  # Of what the study found.
    study: pathlib.Path | None = None  # The study's directory, with which they may have been moved.


NO_CLUES = Clues()


def locate(data: DataConfig, field: str = "data", clues: Clues = NO_CLUES) -> Dataset:
    """Reads the data that a config names, from the first place that holds them.

    The places are: where the config says, from the working directory; the same from the folder of the experiment's
    file; where a study found them; the folders of `$AEJAX_DATA_PATH`; the study's directory, and the two around it. If
    the study has recorded a fingerprint, places that hold other data are passed over. Only if there is no place with
    the right ones, the data are returned that lie where config or study say: they have changed.

    Args:
      data: their config.
      field: its path in the whole config, for messages.
      clues: what else is known of them.

    Raises:
      DataError: if they are nowhere, saying where they were looked for; and all that `load` raises.
    """
    if EmbeddedSource.claims(data.name):
        return load(data, field)
    candidates: dict[pathlib.Path, bool] = {}
    for path, is_named in _candidates(data, clues):
        candidates.setdefault(path, is_named)
    places = [path for path in candidates if _exists(data, path)]
    if places and not clues.fingerprint:
        left_alone = [f"{path} is left alone" for path in places[1:] if candidates[path]]
        return _load(data, places[0], field, left_alone)
    if places == [_words(data)]:
        return _load(data, places[0], field)
    others: list[str] = []
    for path in places:
        try:
            dataset = _load(data, path, field, others)
        except DataError:
            continue  # If nothing else is there it is read once more, and says why it cannot be.
        if dataset.fingerprint == clues.fingerprint:
            return dataset
        others.append(f"{path} holds others (fingerprint {dataset.fingerprint}, not {clues.fingerprint})")
    for path in places:
        if candidates[path]:
            return _load(data, path, field)
    if len(candidates) == 1 or not (is_path(data.name) or others):
        return load(data, field)  # It says what is not there, and how to make it.
    looked = f"looked for at {', '.join(map(str, candidates))}"
    raise DataError(
        f"{field}: {data.name} is not there ({'; '.join([looked, *others])}); bring it back, or set {FOLDERS} to the "
        "folder that holds it"
    )


def load_from(data: DataConfig, place: str | pathlib.Path, field: str = "data") -> Dataset:
    """Reads the data of a config from a place, as `Dataset.place` names it; see `load`."""
    path = pathlib.Path(place)
    if path == _words(data):  # Messages then call them as the config does.
        return dataclasses.replace(load(data, field), place=str(path))
    if is_path(data.name):
        there = dataclasses.replace(data, name=str(path))
    else:
        there = dataclasses.replace(data, directory=str(path))
    return dataclasses.replace(load(there, field), name=data.name, place=str(path))


def _load(data: DataConfig, path: pathlib.Path, field: str, others: Sequence[str] = ()) -> Dataset:
    """Reads data from a place; `others` are sentences on places where they are not read from."""
    dataset = load_from(data, path, field)
    if path == _words(data) and not others:
        return dataset
    return dataclasses.replace(dataset, found="; ".join([f"read from {path}", *others]))


def _words(data: DataConfig) -> pathlib.Path:
    """The place that a config says, from the working directory."""
    return _absolute(_spelled(data))


def _absolute(path: pathlib.Path) -> pathlib.Path:
    """An absolute path without '..'; the last part may be a link."""
    return pathlib.Path(os.path.realpath(path.absolute().parent)) / path.name


def _spelled(data: DataConfig) -> pathlib.Path:
    """Of a path, the path; of a name, the folder in which data sets are prepared."""
    return pathlib.Path(os.path.expanduser(data.name)) if is_path(data.name) else prepared.data_root(data.directory)


def _candidates(data: DataConfig, clues: Clues) -> Iterator[tuple[pathlib.Path, bool]]:
    """Yields places where data may lie, and whether config or study name it: elsewhere they are only looked for."""
    spelled = _spelled(data)
    yield _absolute(spelled), True
    if clues.beside is not None:
        yield _absolute(clues.beside / spelled), True
    if clues.place:
        yield pathlib.Path(clues.place), True
    listed = os.environ.get(FOLDERS, "").split(os.pathsep)
    folders = [pathlib.Path(os.path.expanduser(folder)) for folder in listed if folder]
    if not is_path(data.name):
        yield from ((_absolute(folder), False) for folder in folders)
        return
    yield from ((_absolute(folder), False) for folder in folders if folder.name == spelled.name)
    if clues.fingerprint and clues.study is not None:
        study = clues.study.absolute()
        folders += [study, *study.parents[:2]]
    tails = [spelled.name] if spelled.is_absolute() else [str(spelled), spelled.name]
    yield from ((_absolute(folder / tail), False) for folder in folders for tail in tails)


def _exists(data: DataConfig, path: pathlib.Path) -> bool:
    if is_path(data.name):
        return os.path.exists(path)  # False for a name that no file can have.
    return (prepared.find(data.name, path) or find_originals(data.name, path)) is not None
