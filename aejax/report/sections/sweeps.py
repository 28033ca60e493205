"""What each swept field does, and whether the best lies at the edge of what was tried."""

from typing import Any

import numpy as np

from aejax.measures.base import Metric
from aejax.measures.zoo import all_metrics
from aejax.methods.roles import Role
from aejax.report.content import Content, Section
from aejax.report.fields import CONTINUOUS, along, logarithmic, numeric, varied, wide_metric, with_value, worst
from aejax.report.findings import choose
from aejax.report.html import Html, element, join
from aejax.report.svg import Dot, interval_chart, line_chart, plain_series
from aejax.statistics import student_interval
from aejax.store.results import Setting, show_value

_TEXT = (
    "Validation images, by which settings are chosen. One point for each member, over one field alone: whatever else "
    "varies is in the spread. The lines are over settings (means over seeds): their mean, and where there are several "
    f"the best tenth, value by value, or among neighbors on the axis where a field has {CONTINUOUS} values or more. "
    "Members that diverged are crosses at the edge."
)


def effects(content: Content) -> Section | None:
    """Returns a chart for each swept field and metric, with a warning where the grid should have gone further."""
    if len(content.studies) > 1:
        return None
    groups = [setting for setting in content.settings if Role.SUBJECT in setting.role]
    charts: list[Html] = []
    edges: dict[str, list[str]] = {}
    for field in varied(groups):
        own = with_value(field, groups)
        for metric in all_metrics():
            known = [setting for setting in own if setting.mean(metric.validation) is not None]
            if not known:
                continue
            if numeric(field, own):
                charts.append(_numbers(field, metric, own))
                if edge := best_at_edge(field, metric, known):
                    edges.setdefault(edge, []).append(metric.title)
            else:
                charts.append(_choices(field, metric, known))
    if not charts:
        return None
    warnings = [
        element("p", f"By {', '.join(titles)} the best {edge}: the best may lie beyond.", class_="warning")
        for edge, titles in edges.items()
    ]
    body = join(*warnings, element("p", _TEXT, class_="note"), element("div", *charts, class_="charts"))
    return Section("effects", "Effect of each swept field", body)


def best_at_edge(field: str, metric: Metric, settings: list[Setting]) -> str | None:
    """A warning if validation chooses the smallest or largest value of a field."""
    values = sorted({setting.fields[field] for setting in settings})
    best = choose(metric, settings).fields[field]
    if len(values) < 2 or best not in (values[0], values[-1]):
        return None
    return f"{field} is {show_value(best)}, the {'smallest' if best == values[0] else 'largest'} tried"


def _numbers(field: str, metric: Metric, settings: list[Setting]) -> Html:
    """Returns every member's metric over a field's numbers, and what the settings come to there."""
    members = [
        (setting.fields[field], metric.value(value))
        for setting in settings
        for value in setting.values(metric.validation).values()
    ]
    diverged = [setting.fields[field] for setting in settings for _ in range(setting.num_diverged)]
    x, y = np.array(members, float).T
    series = [plain_series("members", x, y, marked=True, shape="speck")]
    lines = along(field, settings, metric)
    series.append(plain_series("mean", lines.x, lines.mean))
    if np.any(np.isfinite(lines.best) & (lines.best != lines.mean)):
        series.append(plain_series("best tenth", lines.x, lines.best, color=2, dashed=True))
    if diverged:
        edge = np.full(len(diverged), worst(metric))
        series.append(plain_series("diverged", np.array(diverged, float), edge, color=6, marked=True, shape="cross"))
    best = choose(metric, settings)
    place = np.array([float(best.fields[field])]), np.array([metric.value(best.mean(metric.validation) or 0.0)])
    series.append(plain_series("chosen", *place, color=1, marked=True, points=[best.name]))
    values = sorted({float(setting.fields[field]) for setting in settings})
    return line_chart(
        series,
        title=f"{metric.title} {metric.unit}".strip(),
        x_label=field,
        log_x=logarithmic(values),
        log_y=wide_metric(metric, y),
        x_ticks=values if len(values) < CONTINUOUS else (),
    )


def _choices(field: str, metric: Metric, settings: list[Setting]) -> Html:
    # By seed first: settings of one seed are not independent.
    groups: dict[str, dict[Any, list[float]]] = {}
    for setting in settings:
        by_seed = groups.setdefault(show_value(setting.fields.get(field)) or "null", {})
        for seed, value in setting.values(metric.validation).items():
            by_seed.setdefault(seed, []).append(metric.value(value))
    means = {name: [float(np.mean(values)) for values in by_seed.values()] for name, by_seed in groups.items()}
    intervals = {name: student_interval(values) for name, values in means.items()}
    dots = [Dot(f"{field} {name}", interval.mean, interval.half_width) for name, interval in intervals.items()]
    return interval_chart(dots, title=f"{metric.title}, mean of all settings", unit=metric.unit)
