"""How a search went: what each trial reached, and when the best was found."""

from collections.abc import Sequence

import numpy as np

from aejax.measures.zoo import find_metric
from aejax.report.content import Content, Section
from aejax.report.fields import wide
from aejax.report.html import Html, element, join
from aejax.report.svg import NUM_COLORS, line_chart, plain_series, steps
from aejax.store.trials import Trial, best_so_far, trials_of

_TEXT = (
    "The objective of each trial on validation images, over its number and over the seconds of all trials up to it. "
    "The line is the best so far, of whatever rung. Trials that diverged are crosses at the edge."
)


def search(content: Content) -> Section | None:
    """Returns the history of the search that a study is, or by which its settings were found."""
    if len(content.studies) > 1:
        return None
    (study,) = content.studies.values()
    trials = study if study.record.search is not None else study.search
    if trials is None or trials.record.search is None:
        return None
    objective = trials.record.search["method"]["objective"]
    metric = find_metric(objective.removeprefix("validation_"))
    found = [
        trial._replace(value=None if trial.value is None else metric.value(trial.value)) for trial in trials_of(trials)
    ]
    title = f"{metric.title} {metric.unit}".strip()
    return history(found, title, maximize=metric.higher_is_better) if found else None


def history(trials: Sequence[Trial], objective: str, *, maximize: bool) -> Section | None:
    """Returns the trials in their order, over their number and over seconds; None if all diverged.

    Args:
      trials: in the order in which they were finished.
      objective: what to call their value.
      maximize: whether larger values are better.
    """
    if all(trial.value is None for trial in trials):
        return None
    by_number = sorted(trials, key=lambda trial: trial.number)
    charts = [
        _chart(by_number, np.array([trial.number for trial in by_number], float), "trial", objective, maximize),
        _chart(trials, np.cumsum([trial.seconds for trial in trials]), "seconds of all trials", objective, maximize),
    ]
    body = join(element("p", _TEXT, class_="note"), element("div", *charts, class_="charts"))
    return Section("search", "Search history", body)


def _chart(trials: Sequence[Trial], x: np.ndarray, x_label: str, objective: str, maximize: bool) -> Html:
    """Returns the values of trials at x [trials], in the colors of their rungs, and the best so far."""
    y = _to_array([trial.value for trial in trials])
    rungs = np.array([trial.rung for trial in trials])
    diverged = np.isnan(y)
    series = []
    for color, rung in enumerate(np.unique(rungs)):
        own = np.flatnonzero((rungs == rung) & ~diverged)
        name = f"rung {rung}" if len(np.unique(rungs)) > 1 else "trials"
        tips = [f"trial {trials[int(index)].number} at" for index in own]
        series.append(plain_series(name, x[own], y[own], color=color % NUM_COLORS, marked=True, points=tips))
    if diverged.any():
        edge = np.full(diverged.sum(), -np.inf if maximize else np.inf)
        series.append(plain_series("diverged", x[diverged], edge, color=6, marked=True, shape="cross"))
    best = _to_array(best_so_far(trials, maximize=maximize))
    series.append(plain_series("best so far", *steps(x, best), color=7))
    return line_chart(series, title=objective, x_label=x_label, log_y=not maximize and wide(y))


def _to_array(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], float)
