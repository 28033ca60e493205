"""What each swept field does, and whether the best lies at the edge of what was tried."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from aejax.measures.base import Metric
from aejax.measures.zoo import all_metrics
from aejax.methods.roles import Role
from aejax.report.content import Content, Section
from aejax.report.drawing import Chart, Dot, Series, interval_chart, line_chart, plain_series
from aejax.report.embed import figures
from aejax.report.fields import CONTINUOUS, along, logarithmic, numeric, varied, wide_metric, with_value, worst
from aejax.report.findings import choose
from aejax.report.html import join, note, warning
from aejax.statistics import student_interval
from aejax.store.results import Row, Setting, show_value

_TEXT = (
    "Validation images, by which settings are chosen. One point for each member, over one field alone: whatever else "
    "varies is in the spread. The lines are over settings (means over seeds): their mean, and where there are several "
    f"the best tenth, value by value, or among neighbors on the axis where a field has {CONTINUOUS} values or more. "
    "Members that diverged are crosses at the edge."
)


def effects(content: Content) -> Section | None:
    """Returns a chart for each swept field and metric, with a warning where the grid should have gone further."""
    charts = sweep_charts(content)
    if not charts:
        return None
    edges: dict[str, list[str]] = {}
    for field, metric, own in _swept(content):
        known = [setting for setting in own if setting.mean(metric.validation) is not None]
        if numeric(field, own) and (edge := best_at_edge(field, metric, known)):
            edges.setdefault(edge, []).append(metric.title)
    warnings = [
        warning(f"By {', '.join(titles)} the best {edge}: the best may lie beyond.") for edge, titles in edges.items()
    ]
    body = join(*warnings, note(_TEXT), figures(charts))
    return Section("effects", "Effect of each swept field", body)


def sweep_charts(content: Content) -> list[Chart]:
    """Returns a chart for each swept field and metric of a single study."""
    return [
        _numbers(field, metric, own) if numeric(field, own) else _choices(field, metric, own)
        for field, metric, own in _swept(content)
    ]


def _swept(content: Content) -> Iterator[tuple[str, Metric, list[Setting]]]:
    """Yields each swept field and each metric that is known along it, with the settings that have the field."""
    if len(content.studies) > 1:
        return
    groups = [setting for setting in content.settings if Role.SUBJECT in setting.role]
    for field in varied(groups):
        own = with_value(field, groups)
        for metric in all_metrics():
            if any(setting.mean(metric.validation) is not None for setting in own):
                yield field, metric, own


def best_at_edge(field: str, metric: Metric, settings: list[Setting]) -> str | None:
    """A warning if validation chooses the smallest or largest value of a field."""
    values = sorted({setting.fields[field] for setting in settings})
    best = choose(metric, settings).fields[field]
    if len(values) < 2 or best not in (values[0], values[-1]):
        return None
    return f"{field} is {show_value(best)}, the {'smallest' if best == values[0] else 'largest'} tried"


def _numbers(field: str, metric: Metric, settings: list[Setting]) -> Chart:
    """Returns every member's metric over a field's numbers, and what the settings come to there."""
    members = [(setting, row) for setting in settings for row in setting.rows]
    diverged = [(setting, row) for setting, row in members if row["status"] == "diverged"]
    known = [(s, row) for s, row in members if row["status"] != "diverged" and metric.validation in row["metrics"]]
    y = np.array([metric.value(row["metrics"][metric.validation]) for _, row in known])
    series = [_marks("members", field, known, y)]
    lines = along(field, settings, metric)
    series.append(plain_series("mean", lines.x, lines.mean))
    if np.any(np.isfinite(lines.best) & (lines.best != lines.mean)):
        series.append(plain_series("best tenth", lines.x, lines.best, color=2, dashed=True))
    if diverged:
        series.append(_marks("diverged", field, diverged, np.full(len(diverged), worst(metric)), color=6))
    best = choose(metric, [setting for setting in settings if setting.mean(metric.validation) is not None])
    place = np.array([float(best.fields[field])]), np.array([metric.value(best.mean(metric.validation) or 0.0)])
    series.append(plain_series("chosen", *place, color=1, marked=True, tips=[{"setting": best.name}]))
    values = sorted({float(setting.fields[field]) for setting in settings})
    return line_chart(
        series,
        title=f"{metric.title} {metric.unit}".strip(),
        x_label=field,
        log_x=logarithmic(values),
        log_y=wide_metric(metric, y),
        x_ticks=values if len(values) < CONTINUOUS else (),
    )


def _marks(name: str, field: str, members: Sequence[tuple[Setting, Row]], y: np.ndarray, color: int = 0) -> Series:
    """Returns a small mark for each member, whose tooltip says which it is."""
    x = np.array([setting.fields[field] for setting, _ in members], float)
    names = {id(setting): setting.name for setting, _ in members}
    tips = [
        {"member": row["id"], "setting": names[id(setting)], "seed": row["config"].get("seed")}
        for setting, row in members
    ]
    return plain_series(name, x, y, color=color, marked=True, small=True, tips=tips)


def _choices(field: str, metric: Metric, settings: list[Setting]) -> Chart:
    # By seed first: settings of one seed are not independent.
    groups: dict[str, dict[Any, list[float]]] = {}
    for setting in settings:
        by_seed = groups.setdefault(show_value(setting.fields.get(field)) or "null", {})
        for seed, value in setting.values(metric.validation).items():
            by_seed.setdefault(seed, []).append(metric.value(value))
    means = {name: [float(np.mean(values)) for values in by_seed.values()] for name, by_seed in groups.items()}
    intervals = {
        name: student_interval(values) for name, values in means.items() if values
    }  # Some have no such metric.
    dots = [Dot(f"{field} {name}", interval.mean, interval.half_width) for name, interval in intervals.items()]
    return interval_chart(dots, title=f"{metric.title}, mean of all settings", unit=metric.unit)
