"""How far settings overfit, and whether those that do have worse features."""

import numpy as np

from aejax.report.content import Content, Section
from aejax.report.findings import SUBJECT
from aejax.report.html import element, join, table
from aejax.report.measures import MEASURES, Measure
from aejax.report.svg import NUM_COLORS, Series, line_chart
from aejax.study.results import Setting
from aejax.study.statistics import Interval

_PROBE = next(measure for measure in MEASURES if measure.name == "probe_accuracy")


def gaps(content: Content) -> Section | None:
    """Returns how far each setting overfits, two ways: the gap to unseen images, and the rise past the minimum."""
    rows = []
    for setting in content.subjects():
        gap, test_gap, rise = (setting.interval(name) for name in ("gap", "test_gap", "past_minimum"))
        if gap is None:
            continue
        flagged = sum(value > 0 for value in setting.values("overfits").values())
        cells = [_plain(interval) for interval in (gap, test_gap, rise)]
        rows.append([setting.name, cells[0], f"{flagged} of {gap.num}", cells[1], cells[2]])
    if not rows:
        return None
    text = (
        "gap: validation error divided by training error; flagged where it exceeds 1.5 and the interval over images of "
        "the difference excludes zero. past minimum: how far the validation error has risen since its lowest epoch, in "
        "standard errors of the paired difference of the same images."
    )
    heading = ["setting", "gap", "flagged", "gap of the test images", "past minimum"]
    body = join(element("p", text, class_="note"), table(heading, rows))
    return Section("overfitting", "Overfitting", body)


def _plain(interval: Interval | None) -> str:
    return Measure("", "", "", higher_is_better=False).show(interval)


def against_features(content: Content) -> Section | None:
    """Returns a chart of the autoencoder's settings: how much larger the validation error is, and the probe."""
    families: dict[str, list[tuple[Setting, float]]] = {}
    for setting in content.settings:
        gap = setting.interval("gap")
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
        "overfitting-features",
        "Overfitting against features",
        join(element("p", text, class_="note"), element("div", chart, class_="charts")),
    )


def _points(family: str, points: list[tuple[Setting, float]], color: int) -> Series:
    intervals = [interval for setting, _ in points if (interval := setting.interval(_PROBE.validation)) is not None]
    mean = np.array([_PROBE.value(interval.mean) for interval in intervals])
    half = np.array([_PROBE.value(interval.half_width) for interval in intervals])
    names = [setting.name for setting, _ in points]
    gaps = np.array([gap for _, gap in points])
    return Series(family, gaps, mean, mean - half, mean + half, color=color, marked=True, points=names)
