"""The trials of a search, in the order in which they were finished."""

from collections.abc import Sequence
from typing import NamedTuple


class Trial(NamedTuple):
    """One setting that a search tried."""

    number: int
    rung: int  # How far it was trained: a search that stops trials early takes the good ones to the next rung.
    value: float | None  # The objective on validation images; None: it diverged.
    seconds: float  # Spent on it.


def best_so_far(trials: Sequence[Trial], *, maximize: bool) -> list[float | None]:
    """Returns the best value up to each trial, None before there is one."""
    best: list[float | None] = []
    for trial in trials:
        known = [value for value in (trial.value, best[-1] if best else None) if value is not None]
        best.append((max if maximize else min)(known) if known else None)
    return best
