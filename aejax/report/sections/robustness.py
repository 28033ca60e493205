"""What corrupted test images do to the probe and to reconstructions, beside what they do to raw pixels."""

import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from aejax.measures.base import Metric
from aejax.measures.probe import PROBE
from aejax.measures.zoo import all_metrics
from aejax.methods.roles import Role
from aejax.report.content import Content, Section
from aejax.report.drawing import Chart, Series, line_chart
from aejax.report.embed import figures
from aejax.report.html import Html, join, note, table, titled
from aejax.store.results import Setting

MAX_SETTINGS = 4


def robustness(content: Content) -> Section | None:
    """Returns the probe's accuracy and the MSE by corruption, means over severities, and mean corruption errors."""
    parts: list[Html] = []
    metrics = dict.fromkeys(name for row in content.rows for name in row["metrics"])
    for metric in all_metrics():
        names = list(_by_corruption(metrics, metric.name))
        if not names:
            continue
        settings = content.beside_baselines(metric, MAX_SETTINGS)
        relative = metric in PROBE.metrics
        rows = [row for setting in settings if (row := _row(content, metric, names, setting, relative))]
        if not rows:
            continue
        heading = ["setting", "clean", *names, "all", *(["mCE %"] if relative else [])]
        parts.append(titled(metric.heading, table(heading, rows)))
    if not parts:
        return None
    text = (
        "Test images, corrupted at five severities, of which these are means; the probe is fitted on clean images and "
        "the MSE is against the clean image. mCE: the errors of the probe, summed over severities, over those on raw "
        "pixels, mean over corruptions; below 100 is more robust than pixels (Hendrycks and Dietterich, 2019). Clean "
        "is of all test images, the rest of the first 1,000."
    )
    return Section(
        "robustness",
        "Corrupted images",
        join(note(text), figures(robustness_charts(content)), *parts),
    )


def robustness_charts(content: Content) -> list[Chart]:
    """Returns a chart for each metric: its mean over corruptions by their severity."""
    charts = []
    metrics = dict.fromkeys(name for row in content.rows for name in row["metrics"])
    for metric in all_metrics():
        severities: dict[int, list[str]] = {}
        for names in _by_corruption(metrics, metric.name).values():
            for severity, name in enumerate(names, 1):
                severities.setdefault(severity, []).append(name)
        series: list[Series] = []
        for setting in content.beside_baselines(metric, MAX_SETTINGS) if severities else ():
            found = [(setting.interval_of(_mean_of(names)), severity) for severity, names in severities.items()]
            points = [(severity, interval.mean, interval.half_width) for interval, severity in found if interval]
            if points:
                x, y, half = np.array(
                    [(severity, metric.value(mean), metric.value(half)) for severity, mean, half in points]
                ).T
                series.append(Series(setting.name, x, y, y - half, y + half, color=len(series)))
        if series:
            title = f"{metric.title} {metric.unit}".strip()
            charts.append(line_chart(series, title=title, x_label="severity"))
    return charts


def _mean_of(names: Sequence[str]) -> Callable[[dict[str, float]], float | None]:
    def mean(metrics: dict[str, float]) -> float | None:
        values = [metrics[name] for name in names if name in metrics]
        return sum(values) / len(values) if values else None

    return mean


def mean_corruption_error(metrics: dict[str, float], reference: dict[str, float]) -> float | None:
    """Returns the mean over corruptions of the probe's errors summed over severities, over the reference's.

    Source: Hendrycks and Dietterich, 2019, section 3.2, with raw pixels in the place of AlexNet. None where a metric is
    missing, or where the reference errs nowhere.
    """
    ratios = []
    for names in _by_corruption(reference, "probe_accuracy").values():
        if any(name not in metrics for name in names):
            return None
        own, other = (sum(1 - of[name] for name in names) for of in (metrics, reference))
        if not other:
            return None
        ratios.append(own / other)
    return sum(ratios) / len(ratios) if ratios else None


def _by_corruption(names: Iterable[str], metric: str) -> dict[str, list[str]]:
    """Returns the names of the metrics of each corruption, one for each severity."""
    found: dict[str, list[str]] = {}
    for name in names:
        match = re.fullmatch(rf"test_([a-z]+)_\d+_{metric}", name)
        if match:
            found.setdefault(match[1], []).append(name)
    return found


def _row(content: Content, metric: Metric, corruptions: list[str], setting: Setting, relative: bool) -> list[str]:
    def show(function: Callable[[dict[str, float]], float | None]) -> str:
        return metric.show(setting.interval_of(function), seeded=setting.seeded)

    names = _by_corruption(dict.fromkeys(name for row in setting.rows for name in row["metrics"]), metric.name)
    cells = [show(_mean_of(names.get(corruption, ()))) for corruption in corruptions]
    if not any(cells):
        return []
    total = show(lambda metrics: metrics.get(f"test_corrupted_{metric.name}"))
    cells = [setting.name, show(lambda metrics: metrics.get(metric.test)), *cells, total]
    if relative:
        reference = _reference(content, setting)
        cells.append("" if reference is None else show(lambda metrics: mean_corruption_error(metrics, reference)))
    return cells


def _reference(content: Content, setting: Setting) -> dict[str, float] | None:
    """Returns the metrics of the raw pixels of a setting's own data."""
    data = setting.rows[0]["data"]["fingerprint"]
    raw = [other for other in content.settings if other.study == setting.study and Role.RAW in other.role]
    own = [row for other in raw for row in other.rows if row["data"]["fingerprint"] == data]
    return own[0]["metrics"] if own else None
