"""How far settings overfit, and whether those that do have worse features."""

import numpy as np

from aejax.measures.base import Metric
from aejax.measures.zoo import find_metric
from aejax.methods.roles import Role
from aejax.report.content import Content, Section
from aejax.report.drawing import NUM_COLORS, TALL, Chart, Series, line_chart
from aejax.report.embed import figure
from aejax.report.findings import choose
from aejax.report.html import join, note, paragraph, table
from aejax.statistics import Interval, paired_difference
from aejax.store.results import Setting

_PROBE, _ERROR = find_metric("probe_accuracy"), find_metric("mse")


def gaps(content: Content) -> Section | None:
    """Returns how far each setting overfits, two ways: the gap to unseen images, and the rise past the minimum."""
    known = [(setting, gap) for setting in content.subjects() if (gap := setting.interval("gap")) is not None]
    if not known:
        return None
    rows = []
    for setting, gap in sorted(known, key=lambda pair: pair[1].mean):
        flagged = sum(value > 0 for value in setting.values("overfits").values())
        cells = [_shown(setting.interval(name)) for name in ("test_gap", "past_minimum")]
        rows.append([setting.name, _shown(gap), f"{flagged} of {gap.num}", *cells])
    text = (
        "gap: validation error divided by training error; flagged where it exceeds 1.5 and the interval over images of "
        "the difference excludes zero. past minimum: how far the validation error has risen since its lowest epoch, in "
        "standard errors of the paired difference of the same images."
    )
    heading = ["setting", "gap", "flagged", "gap of the test images", "past minimum"]
    said = [paragraph(sentence) for sentence in cures([setting for setting, _ in known])]
    body = join(*said, note(text), table(heading, rows))
    return Section("overfitting", "Overfitting", body)


def cures(settings: list[Setting]) -> list[str]:
    """Returns, for each training set with several settings, what that chosen by validation error does to the gap.

    It stands beside the plain autoencoder that is told apart by least; where there is none, nothing is said.
    """
    groups: dict[str, list[Setting]] = {}
    for setting in settings:
        groups.setdefault(setting.rows[0]["data"]["fingerprint"], []).append(setting)
    sentences = []
    for group in groups.values():
        plain = [setting for setting in group if setting.rows[0]["config"].get("autoencoder.kind") == "plain"]
        if not plain:
            continue
        uncured, best = min(plain, key=lambda setting: len(setting.distinctive)), choose(_ERROR, group)
        difference = paired_difference(best.values("test_gap"), uncured.values("test_gap"))
        if best is uncured or difference is None:
            continue
        before, after = (_shown(setting.interval("test_gap")) for setting in (uncured, best))
        errors = [_ERROR.show(setting.interval(_ERROR.validation)) for setting in (uncured, best)]
        sentences.append(
            f"Of {len(group)} settings trained on the same {best.rows[0]['data']['train']} images, {best.name} has the "
            f"lowest validation error, {errors[1]} ({uncured.name}: {errors[0]}). Its test error is {after} times its "
            f"training error, where that of {uncured.name} is {before} times: a difference of {_shown(difference)}, "
            f"paired over {difference.num} seeds."
        )
    return sentences


def _shown(interval: Interval | None) -> str:
    return Metric("", "", "", higher_is_better=False).show(interval)


def against_features(content: Content) -> Section | None:
    """Returns whether settings that overfit have worse features."""
    charts = overfitting_charts(content)
    if not charts:
        return None
    text = (
        "One point for each setting, means over seeds with the probe's 95 % interval: at 1 on the horizontal axis "
        "validation images are reconstructed as well as training images."
    )
    body = join(note(text), *map(figure, charts))
    return Section("overfitting-features", "Overfitting against features", body)


def overfitting_charts(content: Content) -> list[Chart]:
    """Returns a chart of the autoencoder's settings: how much larger the validation error is, and the probe."""
    groups: dict[str, list[tuple[Setting, float]]] = {}
    for setting in content.settings:
        gap = setting.interval("gap")
        if Role.SUBJECT in setting.role and gap is not None and setting.interval(_PROBE.validation) is not None:
            groups.setdefault(setting.kinds or setting.method, []).append((setting, gap.mean))
    if sum(map(len, groups.values())) < 2:
        return []
    series = [_points(name, points, index % NUM_COLORS) for index, (name, points) in enumerate(groups.items())]
    title = f"{_PROBE.title} {_PROBE.unit}, validation images"
    return [line_chart(series, title=title, x_label="validation MSE / training MSE", log_x=True, height=TALL)]


def _points(name: str, points: list[tuple[Setting, float]], color: int) -> Series:
    intervals = [interval for setting, _ in points if (interval := setting.interval(_PROBE.validation)) is not None]
    mean = np.array([_PROBE.value(interval.mean) for interval in intervals])
    half = np.array([_PROBE.value(interval.half_width) for interval in intervals])
    tips = [{"setting": setting.name} for setting, _ in points]
    gaps = np.array([gap for _, gap in points])
    return Series(name, gaps, mean, mean - half, mean + half, color=color, marked=True, tips=tips)
