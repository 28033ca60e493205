"""Quality against cost: which settings give the most for what they take."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from aejax.measures.base import Metric
from aejax.measures.zoo import all_metrics
from aejax.methods.roles import Role
from aejax.report.content import Content, Section
from aejax.report.drawing import NUM_COLORS, Chart, Series, line_chart, plain_series
from aejax.report.embed import figures
from aejax.report.fields import wide_metric
from aejax.report.findings import LABELS, choose, comparable
from aejax.report.html import join, note, table
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


class _Compared(NamedTuple):
    """Settings that one metric can rank, what to call it, and their fronts."""

    metric: Metric
    title: str
    settings: list[Setting]
    fronts: list[Front]


def quality_against_cost(content: Content) -> Section | None:
    """Returns a chart for each metric and cost with its Pareto front, and a table of the settings on a front."""
    compared = _compared(content)
    if not compared:
        return None
    rows = [[one.title, *cells] for one in compared for cells in _rows(one.fronts, one.metric)]
    heading = ["measure", "setting", "on the front of", *(cost.title for cost in COSTS), "validation", "test"]
    parts = note(_TEXT), figures(pareto_charts(content)), table(heading, rows)
    return Section("pareto", "Quality against cost", join(*parts))


def pareto_charts(content: Content) -> list[Chart]:
    """Returns a chart for each metric and cost."""
    methods = dict.fromkeys((setting.study, setting.method) for setting in content.settings)
    colors = {method: index % NUM_COLORS for index, method in enumerate(methods)}
    return [_chart(front, one, colors) for one in _compared(content) for front in one.fronts]


def _compared(content: Content) -> list[_Compared]:
    compared = []
    for metric in all_metrics():
        groups: dict[str, list[Setting]] = {}
        for setting in content.settings:
            mean = setting.mean(metric.validation)
            if mean is not None and math.isfinite(mean) and not _apart(setting):
                groups.setdefault(comparable(metric, setting), []).append(setting)
        for group in groups.values():
            if sum(Role.SUBJECT in setting.role for setting in group) >= FEWEST:
                title = f"{metric.title} {metric.unit}".strip()
                title += f", {group[0].rows[0]['data']['name']}" if len(groups) > 1 else ""
                fronts = [front for cost in COSTS if (front := _front(cost, group, metric)) is not None]
                compared += [_Compared(metric, title, group, fronts)] if fronts else []
    return compared


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


def _chart(front: Front, compared: _Compared, colors: Mapping[tuple[str, str], int]) -> Chart:
    """Returns settings in the colors of their methods, the front in steps, and the best of those that are free."""
    _, settings, costs, values, indices = front
    metric = compared.metric
    tips = [{"setting": setting.name} for setting in settings]
    series: list[Series] = []
    for method, color in colors.items():
        own = [i for i, setting in enumerate(settings) if (setting.study, setting.method) == method]
        if not own:
            continue
        name = " ".join(filter(None, method))
        others, best = ([i for i in own if (i in indices) == on_front] for on_front in (False, True))
        of_others = [tips[index] for index in others]
        series.append(
            plain_series(name, costs[others], values[others], color=color, marked=True, small=True, tips=of_others)
        )
        intervals = [settings[index].interval(metric.validation) for index in best]
        half = np.array([metric.value(interval.half_width) for interval in intervals if interval is not None])
        x, y = costs[best], values[best]
        of_best = [tips[index] for index in best]
        series.append(Series(name, x, y, y - half, y + half, color=color, marked=True, tips=of_best))
    x, y = np.append(costs[indices], costs.max()), np.append(values[indices], values[indices[-1]])
    series.append(plain_series("Pareto front", x, y, color=7, step=True))
    free = [setting for setting in compared.settings if setting.cost(front.cost.name) is None]
    if free:
        best_free = choose(metric, free)
        ends, level = np.array([costs.min(), costs.max()]), np.full(2, _value(best_free, metric))
        series.append(plain_series(f"{best_free.name}, free", ends, level, color=4, dashed=True))
    log_y = wide_metric(metric, np.concatenate([one.y for one in series]))
    return line_chart(series, title=compared.title, x_label=front.cost.title, log_x=True, log_y=log_y)


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
