"""study.json: which configs a study trains, on which data, and every start of it. Enough to run it again elsewhere."""

import dataclasses
import datetime
import json
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from aejax.config import flatten, load, to_tree
from aejax.errors import ConfigError, UserError
from aejax.store.directory import StudyDirectory
from aejax.store.files import Damaged, exists, read_json, write_json

FORMAT: Literal[1] = 1


def _moment(text: str) -> str:
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError("moment", "should be a moment such as 2026-01-31T12:00:00+00:00") from None
    return text


def _file_name(text: str) -> str:
    if text != pathlib.PurePath(text).name or "\0" in text:
        raise PydanticCustomError("name", "should be the name of a directory, without '/'")
    return text


def _place(text: str) -> str:
    if not text.startswith("/") or "\0" in text:
        raise PydanticCustomError("place", "should be an absolute path")
    return text


def _without_cycles(lineage: dict[str, str]) -> dict[str, str]:
    settled: set[str] = set()
    for name in lineage:
        way: list[str] = []
        while name in lineage and name not in settled:
            if name in way:
                raise PydanticCustomError("cycle", "member {name} goes on from itself", {"name": name})
            way.append(name)
            name = lineage[name]
        settled.update(way)
    return lineage


@dataclasses.dataclass(frozen=True, kw_only=True)
class Start:
    """One start of a study: when, by which command, and in which environment."""

    time: Annotated[str, AfterValidator(_moment)]
    command: str
    environment: dict[str, str | int | bool | dict[str, str] | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parent:
    """The finished study that another goes on from; which of its members, the lineage of the other says."""

    path: str  # From the other's directory.
    name: str
    epochs: Annotated[int, Field(ge=0)]  # For which its members had been trained.

    def seen_from(self, directory: StudyDirectory) -> StudyDirectory:
        """Returns where it lies, given the directory of the study that goes on from it."""
        return StudyDirectory((directory.path / self.path).resolve())

    def __str__(self) -> str:
        return f"{self.name}, trained for {self.epochs} epochs, in {self.path} (from the study's own directory)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """The content of study.json. Configs are plain trees: those who only read a study need no training code."""

    project: Literal["aejax"] = "aejax"
    format: Literal[1] = FORMAT
    name: Annotated[str, AfterValidator(_file_name)]
    question: str
    configs: tuple[dict[str, Any], ...]
    data: dict[str, str]  # The fingerprint of each data config, by its JSON.
    # What was left out or converted when data were read, in sentences, by the JSON of their configs.
    notes: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    # The names of their classes that are more than numbers, likewise.
    classes: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    starts: tuple[Start, ...] = ()
    # See `aejax.study.plan.Lineage`.
    lineage: Annotated[dict[str, str], AfterValidator(_without_cycles)] = dataclasses.field(default_factory=dict)
    parent: Parent | None = None  # Where those are that it names, and the study's own members are not.
    # The SHA-256 of files of the user's that added kinds of parts, by their names; see `aejax.registry.origins`.
    plugins: dict[str, str | None] = dataclasses.field(default_factory=dict)
    # What a sweep called the settings of its members of all methods, by their ids.
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    # Where data were found when the study was last started, by the JSON of their name and directory; other than a
    # config, this holds on one machine only.
    places: dict[str, Annotated[str, AfterValidator(_place)]] = dataclasses.field(default_factory=dict)
    search: dict[str, Any] | None = None  # By what its members were found, if it is a search; see `aejax.search`.

    @property
    def flags(self) -> dict[str, str]:
        """The environment variables of JAX and XLA at the last start."""
        flags = self.starts[-1].environment.get("flags") if self.starts else None
        return flags if isinstance(flags, dict) else {}

    def labelled(self, row: dict[str, Any]) -> dict[str, Any]:
        """Returns a row of results with the label of its setting, if it has one; see `aejax.store.results`."""
        label = self.labels.get(row["id"])
        return row if label is None else row | {"label": label}


def read_record(directory: StudyDirectory) -> Record | None:
    """The content of study.json, or None where no study was begun.

    Raises:
      OSError: if it cannot be read now.
      UserError: if it is damaged, no study's, or a later version's; it says whether the copy is whole.
    """
    if not exists(directory.record) and not exists(directory.copy):
        return None
    try:
        return _read(directory.record)
    except FileNotFoundError:
        raise UserError(f"{directory.record} is missing; {_advice(directory)}") from None
    except Damaged as damage:
        raise UserError(f"{damage}; {_advice(directory)}") from None


def _read(path: pathlib.Path) -> Record:
    tree = read_json(path)
    if tree.get("project") != "aejax":
        raise UserError(f"{path} is not one of aejax's; choose another workdir")
    by, this = _written_by(tree), f"aejax {package_version('aejax')}"
    if isinstance(tree.get("format"), int) and tree["format"] > FORMAT:
        raise UserError(
            f"{path} is of format {tree['format']}, which {by or 'a later version'} wrote, and this is "
            f"{this}, which reads format {FORMAT}; use that version"
        )
    try:
        return load(Record, tree)
    except ConfigError as error:
        other = "" if by in (None, this) else f"; {by} wrote it, and this is {this}"
        raise Damaged(path, f"{error}{other}") from None


def _written_by(tree: Mapping[str, Any]) -> str | None:
    """Returns the version that wrote a record, perhaps of another format, as far as it can be told."""
    try:
        return f"aejax {tree['starts'][-1]['environment']['aejax']}"
    except (KeyError, IndexError, TypeError):
        return None


def _advice(directory: StudyDirectory) -> str:
    try:
        _read(directory.copy)
    except (OSError, UserError):
        return "bring back the file that was written (there is no whole copy of it); all else is as it was"
    return f"its copy is whole: run  mv {shlex.quote(str(directory.copy))} {shlex.quote(str(directory.record))}  first"


def require_record(directory: StudyDirectory) -> Record:
    """The content of study.json.

    Raises:
      OSError: if it cannot be read now.
      UserError: if there is none, if it is damaged or no study's, or if a link leads out of the directory.
    """
    directory.check()
    record = read_record(directory)
    if record is None:
        raise UserError(f"{directory.path} holds no study.json; name a directory that aejax train wrote")
    return record


def write_record(directory: StudyDirectory, record: Record) -> None:
    """Writes study.json, then its copy."""
    for path in (directory.record, directory.copy):
        write_json(path, to_tree(record))


def unite(directory: StudyDirectory, recorded: Sequence[Any], wanted: Sequence[Any]) -> list[Any]:
    """Returns the configs that a study holds and those that are asked for, each once.

    A study may grow by seeds and by points of its sweep, and a part of it may be asked for. All else would mix two
    studies in one table.

    Raises:
      ConfigError: if the study holds other configs, saying where they differ.
    """
    recorded_settings, wanted_settings = set(map(_setting, recorded)), set(map(_setting, wanted))
    if recorded_settings and not (recorded_settings <= wanted_settings or wanted_settings <= recorded_settings):
        other = next(config for config in wanted if _setting(config) not in recorded_settings)
        changes = min((differences(to_tree(config), to_tree(other)) for config in recorded), key=len)
        raise ConfigError(
            f"{directory.path} holds another study ({'; '.join(changes[:4])}{'; ...' if len(changes) > 4 else ''}); "
            "choose another workdir"
        )
    return list(dict.fromkeys([*recorded, *wanted]))


def _setting(config: Any) -> Any:
    """A config with the seed left out: its setting."""
    return dataclasses.replace(config, seed=0)


def differences(recorded: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Returns in which fields, but for the seed, a config that is asked for differs from one that was recorded."""
    old, new = dict(flatten(recorded)), dict(flatten(asked))

    def shown(values: Mapping[str, Any], path: str) -> str:
        return json.dumps(values[path]) if path in values else "absent"

    paths = [path for path in (old | new) if path != "seed" and old.get(path, ...) != new.get(path, ...)]
    # First what was chosen, last what follows from it.
    paths.sort(key=lambda path: (not path.endswith(".kind"), path not in old or path not in new))
    return [f"{path} is {shown(old, path)} there and {shown(new, path)} here" for path in paths]


def package_version(package: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
