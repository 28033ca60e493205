"""The rows of a study: what came of every member and baseline, and how they group. Free of training code."""

import dataclasses
import functools
import json
import math
import pathlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from aejax.config import NonNegativeInt, PositiveInt
from aejax.measures.config import rename_fields
from aejax.methods.roles import Role
from aejax.methods.zoo import order_of, role_of
from aejax.statistics import Interval, student_interval
from aejax.store.directory import population_name
from aejax.store.files import Damaged, Number, read
from aejax.store.status import MemberId

FILE = "results.json"
CODES = "codes.npz"
KEYS = ("method", "id", "config", "metrics", "status", "cost", "data")
# With these keys; `config` by dotted path. And `study`, where several studies are compared, and `label`, if its sweep
# gave it one.
Row = dict[str, Any]

MAX_COLUMNS = 6  # Of swept fields, in tables for people.


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataFacts:
    """A data set that numbers come from."""

    name: str
    fingerprint: str
    num_classes: PositiveInt | None
    pixels: str | None = None  # Their range, in words; an earlier version did not write it.
    train: PositiveInt
    validation: NonNegativeInt
    test: NonNegativeInt
    labelled: dict[str, NonNegativeInt] = dataclasses.field(default_factory=dict)  # Of each split, where some are not.
    # What naming the most frequent class reaches; see `aejax.data.balance`. An earlier version did not write it.
    majority: dict[str, Number] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The fields by their names, without those that say nothing."""
        silent: dict[str, Any] = {"pixels": None, "labelled": {}, "majority": {}}
        fields = dataclasses.asdict(self)
        return {name: value for name, value in fields.items() if name not in silent or value != silent[name]}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AllDataFacts(DataFacts):
    """The data that a population was trained and evaluated on, and the others that evaluation read, by their use."""

    others: dict[str, DataFacts] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The fields by their names, without those that say nothing."""
        others = {use: data.to_dict() for use, data in self.others.items()}
        fields = {name: value for name, value in super().to_dict().items() if name != "others"}
        return fields | ({"others": others} if others else {})


@dataclasses.dataclass(frozen=True, kw_only=True)
class MemberResults:
    """The results of one member; `config` holds the fields in which it differs from the others, by dotted path."""

    id: MemberId
    config: dict[str, Any]
    metrics: dict[str, Number]
    status: Literal["finished", "reached_target", "out_of_patience", "diverged", "paused"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Results:
    """The content of results.json: the results of a population, with what its members share written once.

    `files` are the digests of the files beside it that belong to the results: curves, pictures and codes.
    """

    method: str
    data: AllDataFacts
    config: dict[str, Any]
    cost: dict[str, Number]
    members: Annotated[tuple[MemberResults, ...], Field(min_length=1)]
    files: dict[Literal["metrics.jsonl", "pictures.npz", "codes.npz"], str] = dataclasses.field(default_factory=dict)


def read_results(path: pathlib.Path) -> Results:
    """The results of the population in a directory.

    Raises:
      OSError: if they are not there, or cannot be read now.
      Damaged: if the file holds something else, or results of another population.
    """
    results = read(Results, path / FILE)
    if population_name(results.method, [member.id for member in results.members]) != path.name:
        raise Damaged(path / FILE, "it is another population's")
    return results


def to_rows(results: Results) -> list[Row]:
    """The rows of a population's results, one for each member."""
    shared = {"method": results.method, "data": results.data.to_dict(), "cost": results.cost}
    members = [dataclasses.asdict(member) for member in results.members]
    rows = [shared | member | {"config": rename_fields(results.config | member["config"])} for member in members]
    return [{name: row[name] for name in KEYS} for row in rows]


def varying_fields(rows: Sequence[Row]) -> list[str]:
    """Returns the config paths in which rows differ, the seed always and last."""
    paths = list(dict.fromkeys(path for row in rows for path in row["config"]))
    values = {path: {repr(row["config"][path]) for row in rows if path in row["config"]} for path in paths}
    # A field that only some kinds of a part have follows from the part's kind unless it differs by itself. But a part
    # that is null in some rows has no kind there.
    sometimes = {path for path in paths for other in paths if other.startswith(path + ".")}
    return [path for path in paths if path != "seed" and (len(values[path]) > 1 or path in sometimes)] + ["seed"]


def sort_rows(rows: Sequence[Row]) -> list[Row]:
    """Returns the rows by method, then by the fields that vary: an order that does not depend on who finished first."""
    fields = varying_fields(rows)

    def key(row: Row) -> Any:
        method, values = row["method"], [_sortable(row["config"].get(field)) for field in fields]
        return row.get("study", ""), order_of(method), method, values

    return sorted(rows, key=key)


def _sortable(value: Any) -> tuple[int, float, str]:
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, json.dumps(value))


@dataclasses.dataclass(frozen=True)
class Setting:
    """The rows of one method at one setting of the swept fields, which differ in their seed only."""

    method: str
    fields: dict[str, Any]
    rows: list[Row]
    study: str = ""
    unusual: tuple[str, ...] = ()  # Fields whose value most settings of its method do not have, see `settings`.
    distinctive: tuple[str, ...] = ()  # The fewest of them that tell it from the other settings.

    @property
    def role(self) -> Role:
        """What its method is beside the others."""
        return role_of(self.method)

    @property
    def seeded(self) -> bool:
        """Whether a seed enters the method at all."""
        return "seed" in self.rows[0]["config"]

    @property
    def num_diverged(self) -> int:
        """How many of its members diverged: they are left out of every mean."""
        return sum(row["status"] == "diverged" for row in self.rows)

    @property
    def name(self) -> str:
        """What to call it: the method, and what tells the setting from most others."""
        return " · ".join(filter(None, [self.study, self.method, self.label]))

    @property
    def label(self) -> str:
        """Its name among the settings of its method: the label of its sweep, and the fields that tell it apart."""
        return self._name_by(self.distinctive)

    @property
    def description(self) -> str:
        """The label with all fields in which it departs from most others."""
        return self._name_by(self.unusual)

    def _name_by(self, paths: Sequence[str]) -> str:
        return " · ".join(value if name == "kind" else f"{name} {value}" for name, value in self._terms(paths))

    @property
    def kinds(self) -> str:
        """The label without numbers: what settings share that differ in the strength or size of something alone."""
        return " · ".join(value if name == "kind" else name for name, value in self._terms(self.distinctive))

    def _terms(self, paths: Sequence[str]) -> list[tuple[str, str]]:
        last = [path.rsplit(".", 1)[-1] for path in paths]
        # As much of the path as tells it from the others, but a kind needs no name.
        names = [
            name if name == "kind" or last.count(name) == 1 else path for name, path in zip(last, paths, strict=True)
        ]
        values = [show_value(self.fields[path]) or "null" for path in paths]
        return [("kind", self.sweep_label)] * bool(self.sweep_label) + list(zip(names, values, strict=True))

    @functools.cached_property
    def sweep_label(self) -> str:
        """The label that its sweep gave it; empty if it gave none."""
        labels = {row.get("label", "") for row in self.rows}
        return labels.pop() if len(labels) == 1 else ""

    def values(self, metric: str) -> dict[Any, float]:
        """Returns the metric by seed (None where no seed enters), of the seeds that did not diverge."""
        return {
            row["config"].get("seed"): row["metrics"][metric]
            for row in self.rows
            if row["status"] != "diverged" and metric in row["metrics"]
        }

    def interval(self, metric: str) -> Interval | None:
        """Returns the metric's mean and interval over the seeds that did not diverge, or None where it has none."""
        values = list(self.values(metric).values())
        return student_interval(values) if values else None

    def interval_of(self, function: Callable[[dict[str, float]], float | None]) -> Interval | None:
        """Returns the same of what a function makes of a member's metrics, of the members of which it is not None."""
        rows = [row for row in self.rows if row["status"] != "diverged"]
        values = [value for row in rows if (value := function(row["metrics"])) is not None]
        return student_interval(values) if values else None

    def mean(self, metric: str) -> float | None:
        """Returns the mean of `interval` alone, which costs much less."""
        values = list(self.values(metric).values())
        return sum(values) / len(values) if values else None

    def cost(self, name: str) -> float | None:
        """Returns the mean of a cost over the rows, or None where it has none."""
        costs = [row["cost"][name] for row in self.rows if name in row["cost"]]
        return sum(costs) / len(costs) if costs else None


def settings(rows: Sequence[Row]) -> list[Setting]:
    """Returns the rows grouped into settings, in the order of `sort_rows`."""
    rows = sort_rows(rows)
    fields = [field for field in varying_fields(rows) if field != "seed"]
    groups: dict[str, Setting] = {}
    for row in rows:
        values = {field: row["config"][field] for field in fields if field in row["config"]}
        study = row.get("study", "")
        key = json.dumps([study, row["method"], values])
        groups.setdefault(key, Setting(row["method"], values, [], study)).rows.append(row)
    alike: dict[tuple[str, str], list[Setting]] = {}
    for setting in groups.values():
        alike.setdefault((setting.study, setting.method), []).append(setting)
    return [_named(setting, alike[setting.study, setting.method]) for setting in groups.values()]


_ABSENT = object()  # The value of a field that a setting does not have.


def _named(setting: Setting, among: Sequence[Setting]) -> Setting:
    """Returns a setting with the fields that its names are made of.

    The label that a sweep gave goes first, then kinds, those of a whole before those of its parts. A field departs
    unless most settings have its value, or all that share the label and the kinds before it; it tells the setting apart
    unless all have its value that share what tells it apart so far.
    """
    label = setting.sweep_label
    same = [other for other in among if label in ("", other.sweep_label)]
    unusual, distinctive, left = [], [], same
    for path in sorted(setting.fields, key=lambda path: path.count(".") if path.endswith(".kind") else math.inf):
        value = setting.fields[path]
        if all(other.fields.get(path, _ABSENT) == value for other in same):
            continue
        values = [other.fields[path] for other in among if path in other.fields]
        if len(values) > 1 and values.count(value) > len(values) / 2:
            continue
        alike = [other for other in left if other.fields.get(path, _ABSENT) == value]
        unusual.append(path)
        distinctive += [path] if len(alike) < len(left) else []
        left = alike
        same = left if path.endswith(".kind") else same
    return dataclasses.replace(setting, unusual=tuple(unusual), distinctive=tuple(distinctive))


def columns_of_fields(groups: Sequence[Setting]) -> dict[str, Callable[[Setting], Any]]:
    """Returns the columns in which tables say how settings differ: the heading, and the value for a setting.

    There is a column for each field in which settings depart from most others, called by the last part of its path, a
    kind by the part that has it. If these are so many that most cells would say nothing, or the same, or if a sweep
    gave labels, one is for all.
    """
    unusual = {field for group in groups for field in group.unusual}
    fields = [field for field in dict.fromkeys(path for group in groups for path in group.fields) if field in unusual]
    if len(fields) > MAX_COLUMNS or any(group.sweep_label for group in groups):
        return {"setting": lambda setting: setting.description}
    last = [field.removesuffix(".kind").rsplit(".", 1)[-1] for field in fields]
    names = [name if last.count(name) == 1 else field for name, field in zip(last, fields, strict=True)]
    return {name: functools.partial(_value_of, field) for name, field in zip(names, fields, strict=True)}


def _value_of(field: str, setting: Setting) -> Any:
    return setting.fields.get(field)


def show_value(value: Any) -> str:
    """Returns a config's value as a person would write it; nothing for null."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else json.dumps(value) if isinstance(value, list) else str(value)
