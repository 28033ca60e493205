"""Quality against cost: which settings give the most for what they take."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from aejax.measures.base import Metric
from aejax.measures.zoo import all_metrics
from aejax.methods.roles import Role
from aejax.report.content import Content, Section
from aejax.report.fields import wide_metric
from aejax.report.findings import choose, comparable
from aejax.report.html import Html, element, join, table
from aejax.report.label_curves import LABELS
from aejax.report.svg import NUM_COLORS, Series, line_chart, plain_series, steps
from aejax.store.results import Setting

FEWEST = 3  # Settings of the autoencoder, of which it is worth asking which to pay for.

_TEXT = (
    "One point for each setting of each method: the mean over seeds on validation images, over what training a member "
    "costs. On the line, with 95 % intervals, lie those that nothing as cheap beats; dashed is the best that costs "
    "none of it. Left out are settings whose members all diverged, fine-tuned networks, whose autoencoder costs too, "
    "and networks of few labels, which are validated on other images. The members of a population share its seconds."
)


class CostAxis(NamedTuple):
    """What a member takes: its name in the results, and how people call it."""

    name: str
    title: str
    digits: str


COSTS = (
    CostAxis("train_seconds", "seconds", ".3g"),
    CostAxis("train_tflop", "TFLOP", ".3g"),
    CostAxis("parameters", "parameters", ",.0f"),
)


class Front(NamedTuple):
    """Settings that have a cost [n], their metric on validation images in its unit [n], and which are on the front."""

    cost: CostAxis
    settings: list[Setting]
    costs: np.ndarray
    values: np.ndarray
    indices: list[int]


def pareto_front(costs: Sequence[float], values: Sequence[float], higher_is_better: bool) -> list[int]:
    """Returns the indices of the points that none dominates, by rising cost.

    A point dominates another if it costs no more and is no worse, and is cheaper or better. Equals do not.
    """
    quality = [value if higher_is_better else -value for value in values]
    front: list[int] = []
    for index in sorted(range(len(costs)), key=lambda i: (costs[i], -quality[i])):
        best = (costs[front[-1]], quality[front[-1]]) if front else (0, -math.inf)
        if quality[index] > best[1] or (costs[index], quality[index]) == best:
            front.append(index)
    return front


def quality_against_cost(content: Content) -> Section | None:
    """Returns a chart for each metric and cost with its Pareto front, and a table of the settings on a front."""
    charts: list[Html] = []
    rows: list[list[str]] = []
    methods = dict.fromkeys((setting.study, setting.method) for setting in content.settings)
    colors = {method: index % NUM_COLORS for index, method in enumerate(methods)}
    for metric in all_metrics():
        groups: dict[str, list[Setting]] = {}
        for setting in content.settings:
            mean = setting.mean(metric.validation)
            if mean is not None and math.isfinite(mean) and not _apart(setting):
                groups.setdefault(comparable(metric, setting), []).append(setting)
        for group in groups.values():
            if sum(Role.SUBJECT in setting.role for setting in group) < FEWEST:
                continue
            title = f"{metric.title} {metric.unit}".strip()
            title += f", {group[0].rows[0]['data']['name']}" if len(groups) > 1 else ""
            fronts = [front for cost in COSTS if (front := _front(cost, group, metric)) is not None]
            charts += [_chart(front, group, metric, colors, title) for front in fronts]
            rows += [[title, *cells] for cells in _rows(fronts, metric)]
    if not charts:
        return None
    heading = ["measure", "setting", "on the front of", *(cost.title for cost in COSTS), "validation", "test"]
    parts = element("p", _TEXT, class_="note"), element("div", *charts, class_="charts"), table(heading, rows)
    return Section("pareto", "Quality against cost", join(*parts))


def _apart(setting: Setting) -> bool:
    """Returns whether a setting's cost or validation is not that of others."""
    few = Role.CLASSIFIER in setting.role and setting.rows[0]["config"].get(LABELS) is not None
    return few or Role.PRETRAINED in setting.role


def _value(setting: Setting, metric: Metric) -> float:
    return metric.value(setting.mean(metric.validation) or 0.0)


def _front(cost: CostAxis, group: Sequence[Setting], metric: Metric) -> Front | None:
    """Returns the settings of a group that have a cost, or None where it is the same for all."""
    known = [(setting, value) for setting in group if (value := setting.cost(cost.name))]
    if len({value for _, value in known}) < 2:
        return None
    own, costs = [setting for setting, _ in known], [value for _, value in known]
    values = [_value(setting, metric) for setting in own]
    return Front(cost, own, np.array(costs), np.array(values), pareto_front(costs, values, metric.higher_is_better))


def _chart(
    front: Front, group: Sequence[Setting], metric: Metric, colors: Mapping[tuple[str, str], int], title: str
) -> Html:
    """Returns settings in the colors of their methods, the front in steps, and the best of those that are free."""
    _, settings, costs, values, indices = front
    series: list[Series] = []
    for method, color in colors.items():
        own = np.array([(setting.study, setting.method) == method for setting in settings])
        if not own.any():
            continue
        name = " ".join(filter(None, method))
        series.append(plain_series(name, costs[own], values[own], color=color, marked=True, shape="speck"))
        best = [index for index in indices if own[index]]
        intervals = [settings[index].interval(metric.validation) for index in best]
        half = np.array([metric.value(interval.half_width) for interval in intervals if interval is not None])
        x, y, names = costs[best], values[best], [settings[index].name for index in best]
        series.append(Series(name, x, y, y - half, y + half, color=color, marked=True, points=names))
    line = steps(np.append(costs[indices], costs.max()), np.append(values[indices], values[indices[-1]]))
    series.append(plain_series("Pareto front", *line, color=7))
    free = [setting for setting in group if setting.cost(front.cost.name) is None]
    if free:
        best_free = choose(metric, free)
        ends, level = np.array([costs.min(), costs.max()]), np.full(2, _value(best_free, metric))
        series.append(plain_series(f"{best_free.name}, free", ends, level, color=4, dashed=True))
    log_y = wide_metric(metric, np.concatenate([one.y for one in series]))
    return line_chart(series, title=title, x_label=front.cost.title, log_x=True, log_y=log_y)


def _rows(fronts: Sequence[Front], metric: Metric) -> list[list[str]]:
    """Returns the cells of every setting on a front: its name, of what it is on the front, costs and metric."""
    found: dict[int, tuple[Setting, list[str]]] = {}
    for front in fronts:
        for index in front.indices:
            setting = front.settings[index]
            found.setdefault(id(setting), (setting, []))[1].append(front.cost.title)
    rows = []
    for setting, of in found.values():
        costs = [(setting.cost(cost.name), cost.digits) for cost in COSTS]
        shown = ["" if value is None else f"{value:{digits}}" for value, digits in costs]
        intervals = [setting.interval(name) for name in (metric.validation, metric.test)]
        scores = [metric.show(interval, seeded=setting.seeded) for interval in intervals]
        rows.append([setting.name, ", ".join(of), *shown, *scores])
    return rows
