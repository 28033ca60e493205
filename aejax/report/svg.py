"""Charts as SVG that takes its colors from the page, so that one text serves light, dark and print."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from aejax.report.html import Html, element, join

WIDTH, HEIGHT = 420, 260
WIDE = (880, 420)  # Width and height of a chart that has a row of the page to itself.
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 10, 40
ROW_HEIGHT = 34  # Of `interval_chart`: a name, and its value below.
TICK_WIDTH = 42  # Of the label of a tick, at most.
NUM_COLORS = 8  # As many as assets/report.css defines, likewise below.
NUM_CLASS_COLORS = 10  # Told apart by more than their order: for classes.


class Series(NamedTuple):
    """Points (x, y) with what lies between `low` and `high`, joined by a line or marked one by one."""

    name: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    color: int = 0
    dashed: bool = False
    marked: bool = False  # Those whose y is infinite stand at the edge.
    shape: Literal["dot", "speck", "cross"] = "dot"  # Of marked points; of many, specks: they have no bar and no tip.
    points: Sequence[str] = ()  # What to call marked points, if not all by the series' name.
    shades: Sequence[float] = ()  # How strong the color of marked dots is, from 0 to 1, if not all alike.
    labelled: bool = False  # Whether the name stands beside the highest of its marked points, not in the legend.


def plain_series(name: str, x: np.ndarray, y: np.ndarray, **look: Any) -> Series:
    """Returns a series without bands and bars."""
    none = np.full(len(y), np.nan)
    return Series(name, x, y, none, none, **look)


class Dot(NamedTuple):
    """A row of `interval_chart`: a value and its interval's half width (NaN for none)."""

    name: str
    value: float
    half_width: float
    emphasized: bool = False


class Axis(NamedTuple):
    """A scale from numbers to pixels, and the numbers at which it is labelled."""

    place: Callable[[float], float]
    ticks: list[float]
    labels: list[str]


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    log_x: bool = False,
    log_y: bool = False,
    x_ticks: Sequence[float] = (),
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Html:
    """Returns curves with bands, and single points with bars, over one pair of axes, with a legend below.

    The horizontal axis is labelled at `x_ticks` as far as there is room, or at round numbers if there are none.
    """
    width, height = size
    x = np.concatenate([one.x for one in series])
    y = np.concatenate([values for one in series for values in (one.y, one.low, one.high)])
    horizontal = make_axis(x, LEFT, width - RIGHT, log=log_x, whole=bool(np.all(x == np.round(x))), ticks=x_ticks)
    vertical = make_axis(y, height - BOTTOM, TOP, log=log_y)
    parts = [_frame(horizontal, vertical, x_label, size)]
    for one in series:
        parts += _points(one, horizontal, vertical) if one.marked else _line(one, horizontal, vertical)
    parts += _labels([one for one in series if one.labelled], horizontal, vertical, width)
    names = {one.name: one for one in series if one.name and not one.labelled}
    chart = drawing(join(*parts), size, title)
    legend = element("ul", *(_legend_entry(one) for one in names.values()), class_="legend") if len(names) > 1 else ""
    return element("figure", element("figcaption", title), chart, legend)


def line_drawing(series: Sequence[Series], style: Html, *, title: str, x_label: str, y_label: str) -> Html:
    """Returns a picture of its own of curves with bands over logarithmic axes, each named beside its last point."""
    horizontal = make_axis(np.concatenate([one.x for one in series]), LEFT, WIDTH - RIGHT, log=True)
    vertical = make_axis(
        np.concatenate([x for one in series for x in (one.low, one.high)]), HEIGHT - BOTTOM, TOP, log=True
    )
    parts = [style, _frame(horizontal, vertical, x_label, (WIDTH, HEIGHT)), element("text", y_label, x=4, y=TOP + 4)]
    above = -math.inf
    for one in sorted(series, key=lambda one: -one.y[-1]):
        parts += _line(one, horizontal, vertical)
        x, above = horizontal.place(one.x[-1]), max(vertical.place(one.y[-1]) - 6, above + 14)  # Names do not overlap.
        anchor = "end" if x > WIDTH / 2 else "start"
        name = element("text", one.name, x=_round(x), y=_round(above), text_anchor=anchor, class_=f"dot c{one.color}")
        parts.append(name)
    return drawing(join(*parts), (WIDTH, HEIGHT), title)


def interval_chart(dots: Sequence[Dot], *, title: str, unit: str) -> Html:
    """Returns values with their intervals, a row each under its name."""
    ends = [end for dot in dots for end in (dot.value - _or_zero(dot.half_width), dot.value + _or_zero(dot.half_width))]
    height = TOP + ROW_HEIGHT * len(dots) + BOTTOM
    axis = make_axis(np.array(ends), 12, WIDTH - RIGHT, log=False)
    parts = []
    for tick, label in zip(axis.ticks, axis.labels, strict=True):
        at = _round(axis.place(tick))
        parts.append(element("line", x1=at, x2=at, y1=TOP, y2=height - BOTTOM, class_="grid"))
        parts.append(element("text", label, x=at, y=height - BOTTOM + 16, text_anchor="middle"))
    parts.append(element("text", unit, x=WIDTH / 2, y=height - 6, text_anchor="middle"))
    for row, dot in enumerate(dots):
        middle = TOP + ROW_HEIGHT * row + 22
        at, half = axis.place(dot.value), _or_zero(dot.half_width)
        color = 1 if dot.emphasized else 0
        name = dot.name if len(dot.name) <= 60 else dot.name[:59] + "…"
        parts.append(element("text", name, x=12, y=middle - 8, class_="strong" if dot.emphasized else None))
        low, high = _round(axis.place(dot.value - half)), _round(axis.place(dot.value + half))
        if half:
            parts.append(element("line", x1=low, x2=high, y1=middle, y2=middle, class_=f"bar c{color}"))
        tip = element("title", f"{dot.name}: {dot.value:.6g}" + (f" ± {half:.2g}" if half else ""))
        parts.append(element("circle", tip, cx=_round(at), cy=middle, r=4, class_=f"dot c{color}"))
    return element("figure", element("figcaption", title), drawing(join(*parts), (WIDTH, height), title))


def make_axis(
    values: np.ndarray, start: float, end: float, *, log: bool, whole: bool = False, ticks: Sequence[float] = ()
) -> Axis:
    """Returns the axis on which finite values lie between two places, with ticks where they are asked for.

    If they are not, ticks are round numbers. What lies beyond, infinity for one, is placed at the axis's end.
    """
    finite = values[np.isfinite(values) & ((values > 0) if log else True)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.1, 1.0)
    scale: Callable[[float], float] = (lambda v: math.log10(v) if v > 0 else -math.inf) if log else float
    if low == high:
        low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    margin = 0.04 * (scale(high) - scale(low))
    first, last = scale(low) - margin, scale(high) + margin

    def place(value: float) -> float:
        share = (min(max(scale(value), first), last) - first) / (last - first)
        return start + share * (end - start)

    shown = _apart(ticks, place) or (_log_ticks(low, high) if log else _linear_ticks(low, high, whole))
    return Axis(place, shown, [f"{tick:.6g}" for tick in shown])


def _apart(ticks: Sequence[float], place: Callable[[float], float]) -> list[float]:
    """Returns those of rising ticks whose labels do not cover the one before."""
    shown: list[float] = []
    for tick in ticks:
        if not shown or place(tick) - place(shown[-1]) >= TICK_WIDTH:
            shown.append(tick)
    return shown


def _linear_ticks(low: float, high: float, whole: bool) -> list[float]:
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    step = max(step, 1.0) if whole else step
    return [round(i * step, 12) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        ticks = [factor * 10.0**decade for decade in decades for factor in factors]
        inside = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
        if len(inside) >= 3:
            break
    if len(inside) < 2:
        return _linear_ticks(low, high, False)
    return inside[:: math.ceil(len(inside) / 7)]


def _frame(horizontal: Axis, vertical: Axis, x_label: str, size: tuple[int, int]) -> Html:
    width, height = size
    parts = []
    for tick, label in zip(vertical.ticks, vertical.labels, strict=True):
        at = _round(vertical.place(tick))
        parts.append(element("line", x1=LEFT, x2=width - RIGHT, y1=at, y2=at, class_="grid"))
        parts.append(element("text", label, x=LEFT - 6, y=at + 4, text_anchor="end"))
    for tick, label in zip(horizontal.ticks, horizontal.labels, strict=True):
        at = _round(horizontal.place(tick))
        parts.append(element("line", x1=at, x2=at, y1=height - BOTTOM, y2=height - BOTTOM + 4, class_="grid"))
        parts.append(element("text", label, x=at, y=height - BOTTOM + 16, text_anchor="middle"))
    parts.append(element("text", x_label, x=(LEFT + width - RIGHT) / 2, y=height - 6, text_anchor="middle"))
    return join(*parts)


def _line(one: Series, horizontal: Axis, vertical: Axis) -> list[Html]:
    def path(x: np.ndarray, y: np.ndarray) -> list[str]:
        known = np.isfinite(y)
        return [
            f"{_round(horizontal.place(a))},{_round(vertical.place(b))}"
            for a, b in zip(x[known], y[known], strict=True)
        ]

    outline = path(one.x, one.high) + path(one.x, one.low)[::-1]
    band = [element("polygon", points=" ".join(outline), class_=f"band c{one.color}")] if outline else []
    return [
        *band,
        element(
            "polyline",
            element("title", one.name),
            points=" ".join(path(one.x, one.y)),
            class_=f"line c{one.color}" + (" dashed" if one.dashed else ""),
        ),
    ]


def _points(one: Series, horizontal: Axis, vertical: Axis) -> list[Html]:
    known = [index for index, y in enumerate(one.y) if not math.isnan(y)]
    places = [(_round(horizontal.place(one.x[i])), _round(vertical.place(one.y[i]))) for i in known]
    if one.shape != "dot":
        drawn = {"speck": "h0", "cross": "m-3,-3l6,6m0,-6l-6,6"}[one.shape]
        path = "".join(f"M{x},{y}{drawn}" for x, y in places)
        return [element("path", element("title", one.name), d=path, class_=f"{one.shape} c{one.color}")]
    parts = []
    for index, (at, height) in zip(known, places, strict=True):
        low, high = one.low[index], one.high[index]
        if math.isfinite(low) and math.isfinite(high):
            ends = {"y1": _round(vertical.place(low)), "y2": _round(vertical.place(high))}
            parts.append(element("line", x1=at, x2=at, **ends, class_=f"bar c{one.color}"))
        name = one.points[index] if one.points else one.name
        tip = element("title", f"{name} {one.x[index]:.6g}: {one.y[index]:.6g}".strip())
        shade = {"style": f"--shade:{one.shades[index]:.0%}"} if one.shades else {}
        kind = "shaded" if one.shades else "dot"
        parts.append(element("circle", tip, cx=at, cy=height, r=3, class_=f"{kind} c{one.color}", **shade))
    return parts


def _labels(series: Sequence[Series], horizontal: Axis, vertical: Axis, width: float) -> list[Html]:
    """Returns the names of series beside their highest points, moved down where they would cover each other."""
    parts: list[Html] = []
    taken: list[tuple[float, float, float]] = []  # The left and right ends of a name, and its height.
    for one in sorted(series, key=lambda one: -np.max(one.y)):
        highest = int(np.argmax(one.y))
        length = 6.2 * len(one.name)
        x, y = horizontal.place(one.x[highest]) + 6, vertical.place(one.y[highest]) - 4
        left = min(x, width - RIGHT - length)
        while any(left < end and start < left + length and abs(y - at) < 13 for start, end, at in taken):
            y += 4
        taken.append((left, left + length, y))
        parts.append(element("text", one.name, x=_round(left), y=_round(y), class_=f"dot c{one.color}"))
    return parts


def steps(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the points of a line that keeps each y until the next x."""
    return np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]


def _legend_entry(one: Series) -> Html:
    kind = f" {one.shape}" if one.marked else " dashed" if one.dashed else ""
    swatch = element("span", class_=f"swatch c{one.color}{kind}")
    return element("li", swatch, one.name)


def drawing(content: Html, size: tuple[float, float], title: str, **attributes: object) -> Html:
    """Returns an SVG of a width and height of its own units that is described by its title."""
    box = f"0 0 {size[0]} {_round(size[1])}"
    namespace = "http://www.w3.org/2000/svg"
    return element("svg", content, viewBox=box, role="img", aria_label=title, xmlns=namespace, **attributes)


def _round(value: float) -> float:
    return round(value, 1)


def _or_zero(value: float) -> float:
    return value if math.isfinite(value) else 0.0
