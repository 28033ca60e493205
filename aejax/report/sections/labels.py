"""Accuracy against the number of labels, as curves with bands."""

import numpy as np

from aejax.report.content import Content, Section
from aejax.report.drawing import Chart, Series, line_chart
from aejax.report.embed import figures
from aejax.report.html import Html, join, note, paragraph, table
from aejax.report.label_curves import Curve, LabelCurves, label_curves


def labels(content: Content) -> Section | None:
    """Returns a chart and a table for each kind of classifier that was given different numbers of labels."""
    found = label_curves(content.settings)
    if not found:
        return None
    parts: list[Html] = []
    for curves in found:
        sentence = curves.sentence()
        parts += [figures(_charts(curves)), _table(curves)]
        parts += [paragraph(sentence)] if sentence else []
    text = (
        "Test images. With m labels of each class the labelled images are fixed subsets, the same for every method, "
        "and m further images of each class are for choices: of the strength of a probe, of when a network stops, and "
        "of the best of a method's settings. Networks have one subset a seed, probes the mean of 10."
    )
    return Section("labels", "Accuracy and labels", join(note(text), *parts))


def label_charts(content: Content) -> list[Chart]:
    """Returns the accuracy along the number of labels, and where two methods are compared their difference."""
    return [chart for curves in label_curves(content.settings) for chart in _charts(curves)]


def _charts(curves: LabelCurves) -> list[Chart]:
    series = [_series(curve, color) for color, curve in enumerate(curves.curves, 1)]
    charts = [line_chart(series, title=f"{curves.title}, test %", x_label="labels of each class", log_x=True)]
    numbers = [num for num, comparison in curves.differences.items() if comparison.difference.num > 1]
    if len(numbers) > 1:
        # Where methods are alike, only their difference shows which is ahead, and where that ends.
        found = [curves.differences[num].difference for num in numbers]
        mean, half = (100 * np.array(values) for values in zip(*((x.mean, x.half_width) for x in found), strict=True))
        x, zero = np.array(numbers), np.zeros(len(numbers))
        ahead = Series("pre-trained − from scratch", x, mean, mean - half, mean + half, 1)
        even = Series("alike", x, zero, zero, zero, 0, dashed=True)
        title = "pre-trained − from scratch, points, with the interval that the sentence is about"
        charts.append(line_chart([ahead, even], title=title, x_label="labels of each class", log_x=True))
    return charts


def _series(curve: Curve, color: int) -> Series:
    intervals = [(metric, setting.interval(metric.test)) for metric, setting in curve.points.values()]
    mean = np.array([metric.value(interval.mean) for metric, interval in intervals if interval])
    half = np.nan_to_num([metric.value(interval.half_width) for metric, interval in intervals if interval])
    return Series(curve.name, np.array(list(curve.points)), mean, mean - half, mean + half, color)


def _table(curves: LabelCurves) -> Html:
    numbers = sorted({num for curve in curves.curves for num in curve.points})
    rows = []
    for num in numbers:
        cells = []
        for curve in curves.curves:
            if num in curve.points:
                metric, setting = curve.points[num]
                cells += [metric.show(setting.interval(metric.test), seeded=setting.seeded), setting.label]
            else:
                cells += ["", ""]
        rows.append([f"{num:,.0f}", *cells])
    heading = ["labels a class", *(text for curve in curves.curves for text in (f"{curve.name} %", "chosen"))]
    return table(heading, rows)
