"""How a search went: what each trial reached, and when the best was found."""

from collections.abc import Sequence

import numpy as np

from aejax.measures.zoo import find_metric
from aejax.report.content import Content, Section
from aejax.report.drawing import Chart, line_chart, plain_series
from aejax.report.embed import figures
from aejax.report.fields import wide
from aejax.report.html import join, note
from aejax.store.trials import Trial, best_so_far, trials_of

_TEXT = (
    "The objective of each trial on validation images, over its number and over the seconds of all trials up to it. "
    "The line is the best so far, of whatever rung. Trials that diverged are crosses at the edge."
)


def search(content: Content) -> Section | None:
    """Returns the history of the search that a study is, or by which its settings were found."""
    charts = search_charts(content)
    if not charts:
        return None
    return Section("search", "Search history", join(note(_TEXT), figures(charts)))


def search_charts(content: Content) -> list[Chart]:
    """Returns the trials over their number and over seconds; nothing where there are none."""
    if len(content.studies) > 1:
        return []
    (study,) = content.studies.values()
    trials = study if study.record.search is not None else study.search
    if trials is None or trials.record.search is None:
        return []
    objective = trials.record.search["method"]["objective"]
    metric = find_metric(objective)
    found = [
        trial._replace(value=None if trial.value is None else metric.value(trial.value)) for trial in trials_of(trials)
    ]
    return history_charts(found, f"{metric.title} {metric.unit}".strip(), maximize=metric.higher_is_better)


def history_charts(trials: Sequence[Trial], objective: str, *, maximize: bool) -> list[Chart]:
    """Returns the trials in their order, over their number and over seconds; nothing if all diverged.

    Args:
      trials: in the order in which they were finished.
      objective: what to call their value.
      maximize: whether larger values are better.
    """
    if all(trial.value is None for trial in trials):
        return []
    by_number = sorted(trials, key=lambda trial: trial.number)
    return [
        _chart(by_number, np.array([trial.number for trial in by_number], float), "trial", objective, maximize),
        _chart(trials, np.cumsum([trial.seconds for trial in trials]), "seconds of all trials", objective, maximize),
    ]


def _chart(trials: Sequence[Trial], x: np.ndarray, x_label: str, objective: str, maximize: bool) -> Chart:
    """Returns the values of trials at x [trials], in the colors of their rungs, and the best so far."""
    y = _to_array([trial.value for trial in trials])
    rungs = np.array([trial.rung for trial in trials])
    diverged = np.isnan(y)
    tips = [{"trial": trial.number} for trial in trials]
    series = []
    for color, rung in enumerate(np.unique(rungs)):
        own = np.flatnonzero((rungs == rung) & ~diverged)
        name = f"rung {rung}" if len(np.unique(rungs)) > 1 else "trials"
        own_tips = [tips[index] for index in own]
        series.append(plain_series(name, x[own], y[own], color=color, marked=True, tips=own_tips))
    if diverged.any():
        edge = np.full(diverged.sum(), -np.inf if maximize else np.inf)
        own_tips = [tips[index] for index in np.flatnonzero(diverged)]
        series.append(plain_series("diverged", x[diverged], edge, color=6, marked=True, tips=own_tips))
    best = _to_array(best_so_far(trials, maximize=maximize))
    series.append(plain_series("best so far", x, best, color=7, step=True))
    return line_chart(series, title=objective, x_label=x_label, log_y=not maximize and wide(y))


def _to_array(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], float)
