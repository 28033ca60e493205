"""What each swept field does, and whether the best lies at the edge of what was tried."""

from typing import Any

import numpy as np

from aejax.report.content import Content, Section
from aejax.report.findings import SUBJECT, choose
from aejax.report.html import Html, element, join
from aejax.report.measures import MEASURES, Measure
from aejax.report.svg import Dot, Series, interval_chart, line_chart
from aejax.study.results import Setting, show_value
from aejax.study.statistics import student_interval


def effects(content: Content) -> Section | None:
    """Returns a chart for each swept field and measure, with a warning where the grid should have gone further."""
    if len(content.studies) > 1:
        return None
    groups = [setting for setting in content.settings if setting.method == SUBJECT]
    fields = list(dict.fromkeys(field for group in groups for field in group.fields))
    parts, charts = [], []
    for field in fields:
        if len({show_value(group.fields.get(field)) for group in groups}) < 2:
            continue
        for measure in MEASURES:
            # Where a number is null for some, these have not the smallest of it, but do without.
            known = [
                group
                for group in groups
                if group.interval(measure.test)
                and group.interval(measure.validation)
                and (group.fields.get(field) is not None or not _numeric(field, groups))
            ]
            if not known:
                continue
            warning = edge_warning(field, measure, known)
            if warning:
                parts.append(element("p", warning, class_="warning"))
            charts.append(
                _numbers(field, measure, known) if _numeric(field, known) else _choices(field, measure, known)
            )
    if not charts:
        return None
    text = (
        "One point for each setting (mean and 95 % interval over seeds, test images); the line is the mean over all "
        "settings with the same value."
    )
    body = join(*parts, element("p", text, class_="note"), element("div", *charts, class_="charts"))
    return Section("effects", "Effect of each swept field", body)


def edge_warning(field: str, measure: Measure, settings: list[Setting]) -> str | None:
    """Returns a warning if the value that validation chooses is the smallest or largest of a field's numbers."""
    if not _numeric(field, settings):
        return None
    values = sorted({setting.fields[field] for setting in settings})
    best = choose(measure, settings).fields[field]
    if len(values) < 2 or best not in (values[0], values[-1]):
        return None
    side = "smallest" if best == values[0] else "largest"
    return f"By {measure.title} the best {field} is {show_value(best)}, the {side} tried: the best may lie beyond."


def _numeric(field: str, settings: list[Setting]) -> bool:
    values = [value for setting in settings if (value := setting.fields.get(field)) is not None]
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _numbers(field: str, measure: Measure, settings: list[Setting]) -> Html:
    x = np.array([setting.fields[field] for setting in settings], float)
    intervals = [interval for setting in settings if (interval := setting.interval(measure.test))]
    y = np.array([measure.value(interval.mean) for interval in intervals])
    half = np.array([measure.value(interval.half_width) for interval in intervals])
    points = Series("", x, y, y - half, y + half, marked=True)
    distinct = np.unique(x)
    means = np.array([y[x == value].mean() for value in distinct])
    series = [points]
    if len(distinct) < len(x) or len(distinct) <= 20:
        series.append(Series("mean", distinct, means, means, means))
    log = bool(np.all(distinct > 0) and distinct[-1] / distinct[0] >= 8)
    title = f"{measure.title} {measure.unit}".strip()
    return line_chart(series, title=title, x_label=field, log_x=log)


def _choices(field: str, measure: Measure, settings: list[Setting]) -> Html:
    # By seed first: settings of one seed are not independent.
    groups: dict[str, dict[Any, list[float]]] = {}
    for setting in settings:
        by_seed = groups.setdefault(show_value(setting.fields.get(field)) or "null", {})
        for seed, value in setting.values(measure.test).items():
            by_seed.setdefault(seed, []).append(measure.value(value))
    means = {name: [float(np.mean(values)) for values in by_seed.values()] for name, by_seed in groups.items()}
    intervals = {name: student_interval(values) for name, values in means.items()}
    dots = [Dot(f"{field} {name}", interval.mean, interval.half_width) for name, interval in intervals.items()]
    return interval_chart(dots, title=f"{measure.title}, mean of all settings", unit=measure.unit)
