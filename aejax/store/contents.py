"""A study as its directory shows it, finished or not: all that tables and report are made from. No training code."""

import dataclasses

import numpy as np

from aejax.store import metrics
from aejax.store.directory import SEARCH, StudyDirectory
from aejax.store.evidence import PICTURES, Evidence, Fault, read_all, rows_of
from aejax.store.explanations import Explanation, Similarity, read_explanations, read_similarity
from aejax.store.files import Damaged, exists, read_npz
from aejax.store.record import Record, require_record
from aejax.store.results import Row
from aejax.store.status import PopulationStatus

Curves = dict[str, dict[str, np.ndarray]]  # Of each member by its id: the metrics of its epochs, [epochs].
Pictures = dict[str, np.ndarray]  # See `aejax.study.execute`; none where a population has none.


@dataclasses.dataclass(frozen=True)
class SavedPopulation:
    """A population that was begun."""

    status: PopulationStatus
    curves: Curves
    pictures: Pictures


@dataclasses.dataclass(frozen=True)
class SavedStudy:
    """What lies in a study's directory."""

    record: Record
    rows: list[Row]
    populations: list[SavedPopulation]
    search: "SavedStudy | None" = None  # The trials by which its settings were found.
    explanations: tuple[Explanation, ...] = ()  # Of its members, by setting and seed.
    similarity: Similarity | None = None
    faults: tuple[Fault, ...] = ()  # Files that are missing, damaged or another's.


def read_study(directory: StudyDirectory) -> SavedStudy:
    """Reads a study's directory; files that are missing, damaged or another study's are among the faults.

    Raises:
      UserError: if it holds no study, or if its study.json is damaged.
      OSError: if a file cannot be read now.
    """
    record = require_record(directory)
    evidence = read_all(directory, record)
    faults = [fault for one in evidence for fault in one.faults]
    populations = []
    for one in evidence:
        if one.status is None:
            continue
        curves, curve_faults = _read_curves(one, one.status, record)
        pictures, picture_faults = _read_pictures(one)
        populations.append(SavedPopulation(one.status, curves, pictures))
        faults += [*curve_faults, *picture_faults]
    rows = [record.labelled(row) for row in rows_of(evidence)]
    if record.search is None:
        # Those from whom others go on are stages on the way.
        rows = [row for row in rows if row["id"] not in record.lineage.values()]
    trials = StudyDirectory(directory.path / SEARCH)
    search = read_study(trials) if exists(trials.record) else None
    explanations, explanation_faults = read_explanations(directory)
    similarity, similarity_faults = read_similarity(directory)
    faults += [*explanation_faults, *similarity_faults, *(search.faults if search else ())]
    return SavedStudy(
        record,
        rows,
        populations,
        search=search,
        explanations=tuple(explanations),
        similarity=similarity,
        faults=tuple({(fault.path, fault.reason): fault for fault in faults}.values()),
    )


def _read_curves(one: Evidence, status: PopulationStatus, record: Record) -> tuple[Curves, list[Fault]]:
    path = one.path / metrics.FILE
    try:
        curves, problem = metrics.read_curves(one.path)
    except Damaged as damage:
        return {}, [Fault(path, damage.reason)]
    own = {name: values for name, values in curves.items() if name in status.members}
    if len(own) < len(curves):
        problem = problem or "it has curves of members of another population"
    # A member that goes on from another begins where that one paused.
    late = [name for name, values in own.items() if values["epoch"][0] > 1 and name not in record.lineage]
    if late:
        epoch = max(int(own[name]["epoch"][0]) for name in late)
        problem = problem or f"the curves of {len(late)} of {len(own)} members are gone before epoch {epoch}"
    trained = one.results is not None and one.results.cost.get("images_per_second", 0) > 0
    if trained and len(own) < len(status.members):
        # One that goes on from another may have nothing left to do.
        lost = len([name for name in status.members if name not in own and name not in record.lineage])
        problem = problem or (f"the curves of {lost} of {len(status.members)} members are gone" if lost else None)
    return own, [] if problem is None else [Fault(path, problem)]


def _read_pictures(one: Evidence) -> tuple[Pictures, list[Fault]]:
    path = one.path / PICTURES
    if one.results is None or not path.exists() or path in [fault.path for fault in one.faults]:
        return {}, []
    try:
        pictures = read_npz(path)
    except Damaged as damage:
        return {}, [Fault(path, damage.reason)]
    count = len(pictures.get("id", ()))
    if not count or any(len(array) != count for name, array in pictures.items() if name != "image"):
        return {}, [Fault(path, "it holds no pictures of members")]
    return pictures, []
