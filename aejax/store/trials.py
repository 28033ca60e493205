"""The trials of a search, in the order in which they were finished."""

from collections.abc import Sequence
from typing import NamedTuple

from aejax.store.contents import SavedStudy


class Trial(NamedTuple):
    """One setting that a search tried."""

    number: int
    rung: int  # How far it was trained: a search that stops trials early takes the good ones to the next rung.
    value: float | None  # The objective on validation images; None: it diverged.
    seconds: float  # Spent on it.


def trials_of(study: SavedStudy) -> list[Trial]:
    """Returns the trials of a study that is a search; those without results are left out."""
    assert study.record.search is not None, "only a search has trials"
    rows = {row["id"]: row for row in study.rows}
    ids, lineage = study.record.search["trials"], study.record.lineage
    objective = study.record.search["method"]["objective"]
    trials = []
    for name in ids:
        if name in rows:
            first, rung = name, 0
            while first in lineage:
                first, rung = lineage[first], rung + 1
            row = rows[name]
            value = None if row["status"] == "diverged" else row["metrics"].get(objective)
            trials.append(Trial(ids.index(first), rung, value, row["cost"].get("train_seconds", 0.0)))
    return trials


def best_so_far(trials: Sequence[Trial], *, maximize: bool) -> list[float | None]:
    """Returns the best value up to each trial, None before there is one."""
    best: list[float | None] = []
    for trial in trials:
        values = [value for value in (trial.value, best[-1] if best else None) if value is not None]
        best.append((max if maximize else min)(values) if values else None)
    return best
