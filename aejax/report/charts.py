"""Charts by name: what the report shows, for notebooks and other programs."""

import difflib
import pathlib
from collections.abc import Callable

import altair as alt

from aejax.errors import UserError
from aejax.report.content import Content, gather
from aejax.report.drawing import Chart
from aejax.report.sections import (
    answer,
    codes,
    disentanglement,
    interactions,
    labels,
    overfitting,
    pareto,
    robustness,
    search,
    sweeps,
    training,
)
from aejax.store.contents import read_study
from aejax.store.directory import StudyDirectory

CHARTS: dict[str, Callable[[Content], list[Chart]]] = {
    "baselines": answer.baseline_charts,
    "curves": training.curve_charts,
    "disentanglement": disentanglement.disentanglement_charts,
    "gap": training.gap_charts,
    "interactions": interactions.interaction_charts,
    "labels": labels.label_charts,
    "overfitting": overfitting.overfitting_charts,
    "pareto": pareto.pareto_charts,
    "rate_distortion": codes.rate_distortion_charts,
    "robustness": robustness.robustness_charts,
    "search": search.search_charts,
    "sweep": sweeps.sweep_charts,
}


def chart(name: str, *directories: str | pathlib.Path) -> alt.TopLevelMixin:
    """Returns a chart of the report by its name in `CHARTS`, of a study or of several beside each other.

    Where the report has several of a kind, as one for each metric, they are returned side by side, as one.

    Raises:
      UserError: if there is no such chart, or if the studies do not have what it shows; DataError and others as
        `read_study` does.
    """
    return draw(name, gather([read_study(StudyDirectory(pathlib.Path(directory))) for directory in directories]))


def draw(name: str, content: Content) -> alt.TopLevelMixin:
    """Returns a chart of studies that are read already; see `chart`."""
    if name not in CHARTS:
        near = difflib.get_close_matches(name, CHARTS, n=1)
        hint = f", did you mean '{near[0]}'?" if near else ""
        raise UserError(f"no chart is called '{name}'{hint}; there are {', '.join(CHARTS)}")
    charts = CHARTS[name](content)
    if not charts:
        raise UserError(f"'{content.title}' has nothing that the chart '{name}' shows; it has {_others(content)}")
    return charts[0] if len(charts) == 1 else alt.concat(*charts, columns=2)


def _others(content: Content) -> str:
    return ", ".join(name for name, make in CHARTS.items() if make(content)) or "none"
