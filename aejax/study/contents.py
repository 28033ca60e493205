"""A study as its directory shows it, finished or not: all that tables and report are made from. No training code."""

import dataclasses

import numpy as np

from aejax.cache import read_arrays
from aejax.study.directory import SEARCH, StudyDirectory, exists
from aejax.study.explanations import Explanation, Similarity, read_explanations, read_similarity
from aejax.study.metrics import read_curves
from aejax.study.record import Record, require_record
from aejax.study.results import Row, read_rows
from aejax.study.status import PopulationStatus, read_status

Curves = dict[str, dict[str, np.ndarray]]  # Of each member by its id: the metrics of its epochs, [epochs].
Pictures = dict[str, np.ndarray]  # See `aejax.study.execute`; none where a population has none.


@dataclasses.dataclass(frozen=True)
class Population:
    """A population that was begun."""

    status: PopulationStatus
    curves: Curves
    pictures: Pictures


@dataclasses.dataclass(frozen=True)
class Study:
    """What lies in a study's directory."""

    record: Record
    rows: list[Row]
    populations: list[Population]
    search: "Study | None" = None  # The trials by which its settings were found.
    explanations: tuple[Explanation, ...] = ()  # Of its members, by setting and seed.
    similarity: Similarity | None = None


def read_study(directory: StudyDirectory) -> Study:
    """Returns what lies in a directory.

    Raises:
      UserError: if it holds no study, or if one of its files is damaged.
    """
    record = require_record(directory)
    populations = []
    for path in directory.populations():
        status = read_status(path)
        if status is not None:
            try:
                pictures = read_arrays(path / "pictures.npz")
            except (OSError, ValueError):
                pictures = {}  # Missing or damaged: a report without pictures is still worth having.
            populations.append(Population(status, read_curves(path), pictures))
    trials = StudyDirectory(directory.path / SEARCH)
    rows = read_rows(directory)
    if record.search is None:
        # Those from whom others go on are stages on the way.
        rows = [row for row in rows if row["id"] not in record.lineage.values()]
    return Study(
        record,
        rows,
        populations,
        search=read_study(trials) if exists(trials.record) else None,
        explanations=tuple(read_explanations(directory)),
        similarity=read_similarity(directory),
    )
