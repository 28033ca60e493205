"""Whether the files of a population are whole and belong together: only then is it finished."""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from aejax.config import flatten
from aejax.store import metrics, results, status
from aejax.store.directory import StudyDirectory
from aejax.store.files import Damaged, digest_of_bytes, read_bytes
from aejax.store.record import Record
from aejax.store.results import Results, Row, read_results, sort_rows, to_rows
from aejax.store.status import PopulationStatus, read_status

PICTURES = "pictures.npz"


@dataclasses.dataclass(frozen=True)
class Fault:
    """A file that is missing, damaged or another's, why, and how to have it again."""

    path: pathlib.Path
    reason: str
    advice: str = "the study's command, run again, makes again what it can"

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What lies in a population's directory, as far as it is whole."""

    path: pathlib.Path
    status: PopulationStatus | None = None
    results: Results | None = None
    faults: tuple[Fault, ...] = ()

    @property
    def is_finished(self) -> bool:
        """Whether the population has all that a run makes again: curves alone cannot be made without training."""
        faults = [fault for fault in self.faults if fault.path.name != metrics.FILE]
        return self.status is not None and self.status.state == "finished" and self.results is not None and not faults

    @property
    def to_do(self) -> PopulationStatus | None:
        """The status of a population that was begun and is not finished, for another run to go on with it."""
        if self.status is None or self.is_finished:
            return None
        if self.status.state == "finished":
            return self.status.enter("waiting")
        return self.status if self.status.begun else None


def read_evidence(path: pathlib.Path) -> Evidence:
    """The evidence of the population in a directory.

    Raises:
      OSError: if a file cannot be read now.
    """
    faults: list[Fault] = []
    found_status: PopulationStatus | None = None
    found_results: Results | None = None
    try:
        found_status = read_status(path)
        if found_status is None:
            faults.append(Fault(path / status.FILE, "it is missing"))
    except Damaged as damage:
        faults.append(Fault(path / status.FILE, damage.reason))
    try:
        found_results = read_results(path)
    except FileNotFoundError:
        if found_status is not None and found_status.state == "finished":
            faults.append(Fault(path / results.FILE, "it is missing"))
    except Damaged as damage:
        faults.append(Fault(path / results.FILE, damage.reason))
    for name, digest in (found_results.files if found_results is not None else {}).items():
        try:
            if digest_of_bytes(read_bytes(path / name)) != digest:
                faults.append(Fault(path / name, "its content has changed since it was written"))
        except FileNotFoundError:
            faults.append(Fault(path / name, "it is missing"))
        except Damaged as damage:
            faults.append(Fault(path / name, damage.reason))
    return Evidence(path, found_status, found_results, tuple(faults))


def read_all(directory: StudyDirectory, record: Record | None = None) -> list[Evidence]:
    """The evidence of every population of a study that was begun.

    With the record of the study, results of configs that it does not have are left out, and a fault.

    Raises:
      OSError: if a file cannot be read now.
    """
    begun = [path for path in directory.populations() if any(file.name[0] != "." for file in path.iterdir())]
    evidence = [read_evidence(path) for path in begun]
    if record is None:
        return evidence
    recorded = _Recorded(record)
    return [_own(one, recorded) for one in evidence]


class _Recorded:
    """The configs of study.json, to be compared with those of results."""

    def __init__(self, record: Record):
        self._configs = [dict(flatten(tree)) for tree in record.configs]
        self._common = set.intersection(*map(set, self._configs)) if self._configs else set()
        self._values_by_fields: dict[tuple[str, ...], set[str]] = {}

    def has(self, config: Mapping[str, Any]) -> bool:
        """Whether a config agrees with one of the study's in all fields that every config of the study has."""
        fields = tuple(sorted(self._common.intersection(config)))
        if fields not in self._values_by_fields:
            self._values_by_fields[fields] = {_values(own, fields) for own in self._configs}
        return _values(config, fields) in self._values_by_fields[fields]


def _values(config: Mapping[str, Any], fields: Iterable[str]) -> str:
    return json.dumps([config[name] for name in fields])


def _own(one: Evidence, recorded: _Recorded) -> Evidence:
    """Returns the evidence without results of configs that the study does not have, which then are a fault."""
    if one.results is None or all(recorded.has(one.results.config | member.config) for member in one.results.members):
        return one
    fault = Fault(one.path, "its configs are not among those of study.json, so it is another study's")
    return dataclasses.replace(one, results=None, faults=(*one.faults, fault))


def rows_of(evidence: Iterable[Evidence]) -> list[Row]:
    """The results of the populations that are finished, a row for each member, sorted."""
    return sort_rows([row for one in evidence if one.is_finished and one.results for row in to_rows(one.results)])


def read_rows(directory: StudyDirectory) -> list[Row]:
    """The results of every finished population of a study, a row for each member, sorted.

    Raises:
      OSError: if a file cannot be read now.
    """
    return rows_of(read_all(directory))
