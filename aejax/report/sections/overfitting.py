"""Whether members that overfit have worse features: the generalisation gap against what a linear probe reads."""

import math

import numpy as np

from aejax.report.content import Content, Section
from aejax.report.findings import SUBJECT
from aejax.report.html import element, join
from aejax.report.measures import MEASURES
from aejax.report.svg import NUM_COLORS, Series, line_chart
from aejax.study.results import Setting

_PROBE = next(measure for measure in MEASURES if measure.name == "probe_accuracy")


def overfitting(content: Content) -> Section | None:
    """Returns a chart of the autoencoder's settings: how much larger the validation error is, and the probe."""
    families: dict[str, list[tuple[Setting, float]]] = {}
    for setting in content.settings:
        gap = setting.interval_of(_gap)
        if setting.method == SUBJECT and gap is not None and setting.interval(_PROBE.validation) is not None:
            family = setting.rows[0]["config"]["autoencoder.kind"]
            families.setdefault(family, []).append((setting, gap.mean))
    if sum(map(len, families.values())) < 2:
        return None
    series = [_points(family, points, index % NUM_COLORS) for index, (family, points) in enumerate(families.items())]
    title = f"{_PROBE.title} {_PROBE.unit}, validation images"
    chart = line_chart(series, title=title, x_label="validation MSE / training MSE", log_x=True)
    text = (
        "One point for each setting, means over seeds with the probe's 95 % interval: at 1 on the horizontal axis "
        f"validation images are reconstructed as well as training images. Families: {', '.join(families)}."
    )
    return Section(
        "overfitting",
        "Overfitting against features",
        join(element("p", text, class_="note"), element("div", chart, class_="charts")),
    )


def _gap(metrics: dict[str, float]) -> float | None:
    """Returns how many times as large the error of validation images is."""
    train, validation = metrics.get("train_mse", math.nan), metrics.get("validation_mse", math.nan)
    return validation / train if train > 0 and validation > 0 else None


def _points(family: str, points: list[tuple[Setting, float]], color: int) -> Series:
    intervals = [interval for setting, _ in points if (interval := setting.interval(_PROBE.validation)) is not None]
    mean = np.array([_PROBE.value(interval.mean) for interval in intervals])
    half = np.array([_PROBE.value(interval.half_width) for interval in intervals])
    names = [setting.name for setting, _ in points]
    gaps = np.array([gap for _, gap in points])
    return Series(family, gaps, mean, mean - half, mean + half, color=color, marked=True, points=names)
