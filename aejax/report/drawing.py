"""Charts by Vega-Altair, made of arrays: lines with bands, points with bars, values with intervals, heat maps."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import altair as alt
import numpy as np
from altair.utils.schemapi import debug_mode

from aejax.report.escape import in_line

WIDTH, HEIGHT = 420, 240  # Of a chart by itself; on a page it is as wide as its place there.
TALL = 400  # Height of a chart that has a row of the page to itself.
CELL_HEIGHT = 26
ROW_HEIGHT = 34  # Of `interval_chart`: a name, and its value below.
MAX_VERTICES = 200  # Of a line.
MAX_NAME = 60  # Letters of a name that stands in a chart; its tooltip has all.
# Seen on white and on black alike (contrast of 3 and more to both), so that one chart serves a light and a dark page.
PALETTE = ("#0076ba", "#d55e00", "#008565", "#b34da2", "#8f7100", "#4a86c5", "#cf4277", "#7d8288")
NUM_COLORS = len(PALETTE)
_CROSS = "M-.7,-.7L.7,.7M.7,-.7L-.7,.7"
_FONTS = "Liberation Sans, Arial, sans-serif"  # The first comes with vl-convert: a file is alike on every machine.
_FAINT = 0.06  # Opacity of series that are not picked.
# The columns of a chart's data that are no words of a tooltip.
_COLUMNS = {"row", "name", "color", "down", "across", "text", "x", "y", "low", "high", "value", "edge", "shade"}
_COLUMNS |= {"step", "crossed"}
_NUMBER: Literal["quantitative"] = "quantitative"

Chart = alt.LayerChart
Point = dict[str, Any]


class Series(NamedTuple):
    """Points (x, y) with an interval from `low` to `high`, joined by a line or marked one by one."""

    name: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    color: int = 0
    dashed: bool = False
    step: bool = False  # Whether the line keeps each y until the next x.
    marked: bool = False  # Those whose y is infinite are crosses at the edge.
    small: bool = False  # Of marks that are many.
    crossed: bool = False  # Whether marks are crosses.
    tips: Sequence[Mapping[str, Any]] = ()  # Of each point: words and values with which its tooltip begins.
    shades: Sequence[float] = ()  # How strong the color of marks is, from 0 to 1, if not all alike.


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


class Cell(NamedTuple):
    """A cell of `heat_map`: its row and column, its text, how strong its color is from 0 to 1, and its tooltip."""

    row: str
    column: str
    text: str
    shade: float
    tip: Mapping[str, Any]


@debug_mode(False)
def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str = "",
    log_x: bool = False,
    log_y: bool = False,
    x_ticks: Sequence[float] = (),
    height: int = HEIGHT,
) -> Chart:
    """Returns lines with bands, and marks with bars, over one pair of axes; a click on the legend isolates a series.

    The title says what the vertical axis is, or in tooltips `y_label`. The horizontal axis is labelled at `x_ticks` as
    far as there is room, or at round numbers if there are none. Of lines with more than `MAX_VERTICES` points so many
    are drawn, spread evenly.
    """
    series = [one._replace(name=in_line(one.name), tips=list(map(_in_line, one.tips))) for one in series]
    series = _above_zero(series) if log_y else series
    title, x_label, y_label = map(in_line, (title, x_label, y_label))
    lines = _points([_thin(one) for one in series if not one.marked])
    # Apart, so that charts of the same members have the same data.
    many, marks = (_points([one for one in series if one.marked and one.small == small]) for small in (True, False))
    titles = {"x": x_label, "y": y_label or title, "low": "from", "high": "to"}
    several = len({one.name for one in series}) > 1
    # By a name of its own, so that several charts can be parts of one.
    name = "picked_" + hashlib.sha256(f"{title} {x_label}".encode()).hexdigest()[:8]
    picked = alt.selection_point(name=name, fields=["series"], bind="legend", toggle="true") if several else None
    add = _Layers([], titles, picked).add
    interval: Any = {"y": alt.Y(field="low", type=_NUMBER, title=None), "y2": alt.Y2(field="high")}
    add(lines, alt.MarkDef("area"), having="low", opacity=0.18, tip=False, **interval)
    dashes: Any = {"strokeDash": _dashes(series)} if any(one.dashed for one in series) else {}
    add(lines, alt.MarkDef("line", strokeWidth=2), lacking=["step"], tip=False, **dashes)
    add(lines, alt.MarkDef("line", strokeWidth=2, interpolate="step-after"), having="step", tip=False)
    # Where the pointer finds the points of lines, below those that are seen.
    layers = add(lines, alt.MarkDef("circle", size=120), opacity=0)
    add(marks, alt.MarkDef("rule", strokeWidth=2), having="low", opacity=0.7, tip=False, **interval)
    add(many, alt.MarkDef("circle", size=22), lacking=["edge"], opacity=0.55)
    shades: Any = {"fillOpacity": alt.FillOpacity(field="shade", type=_NUMBER, scale=None)} if _shaded(series) else {}
    add(marks, alt.MarkDef("circle", size=45), lacking=["edge", "crossed"], **shades)
    cross = alt.MarkDef("point", shape=_CROSS, size=30)
    add(marks, cross, having="crossed")
    for points in (many, marks):
        top = any(point.get("edge") == "top" for point in points)
        add(points, cross, having="edge", y=alt.YValue(4 if top else "height"))
    whole = all(np.array_equal(one.x, np.round(one.x)) for one in series)
    ticks = {"values": list(x_ticks)} if x_ticks else {"tickMinStep": 1} if whole and not log_x else {}
    first = layers[0].add_params(picked) if picked is not None else layers[0]
    return _chart(
        [first, *layers[1:]],
        title,
        height,
        x=alt.X(field="x", type=_NUMBER, title=x_label, scale=_scale(log_x), axis=_axis(grid=False, **ticks)),
        y=alt.Y(field="y", type=_NUMBER, title=None, scale=_scale(log_y), axis=_axis(tickCount=5)),
        color=_colors(series),
    )


@debug_mode(False)
def interval_chart(dots: Sequence[Dot], *, title: str, unit: str) -> Chart:
    """Returns values with their intervals, a row each under its name."""
    dots = [dot._replace(name=in_line(dot.name)) for dot in dots]
    rows = [
        {
            "setting": dot.name,
            "row": index,
            "name": dot.name if len(dot.name) <= MAX_NAME else dot.name[: MAX_NAME - 1] + "…",
            "value": _number(dot.value),
            **_ends(dot.value - dot.half_width, dot.value + dot.half_width),
            "color": PALETTE[int(dot.emphasized)],
        }
        for index, dot in enumerate(dots)
    ]
    data = alt.InlineData(values=rows)
    tooltip = _tooltip(rows, {"value": title, "low": "from", "high": "to"})

    def layer(mark: alt.MarkDef, **channels: Any) -> alt.Chart:
        return alt.Chart(data, mark=mark, encoding=alt.FacetedEncoding(**channels))

    ends = {"x": alt.X(field="low", type=_NUMBER, title=unit or None), "x2": alt.X2(field="high")}
    bars = [layer(alt.MarkDef("rule", strokeWidth=2, opacity=0.7, yOffset=6), **ends)]
    layers = [
        *(bars if any("low" in row for row in rows) else []),
        layer(alt.MarkDef("circle", size=70, opacity=1, yOffset=6), tooltip=tooltip),
        layer(
            alt.MarkDef("text", align="left", baseline="middle", yOffset=-9),
            text=alt.Text(field="name", type="nominal"),
            x=alt.XValue(2),
            color=alt.ColorValue("black"),
        ),
    ]
    return _chart(
        layers,
        title,
        ROW_HEIGHT * len(dots),
        x=alt.X(field="value", type=_NUMBER, title=unit or None, scale=_scale(False), axis=_axis(tickCount=5)),
        y=alt.Y(field="row", type="ordinal", axis=None),
        color=alt.Color(field="color", type="nominal", scale=None),
    )


@debug_mode(False)
def heat_map(cells: Sequence[Cell], *, title: str, down: str, across: str) -> Chart:
    """Returns cells in the order of their rows and columns, the strongest of them framed."""
    rows = [
        {
            **_in_line(one.tip),
            "down": in_line(one.row),
            "across": in_line(one.column),
            "text": one.text,
            "shade": _number(one.shade),
        }
        for one in cells
    ]
    names = {key: list(dict.fromkeys(row[key] for row in rows)) for key in ("down", "across")}
    data = alt.InlineData(values=rows)
    strongest = {"condition": {"test": "datum.shade >= 1", "value": 1}, "value": 0}
    shade = alt.FillOpacity(field="shade", type=_NUMBER, scale=alt.Scale(domain=[0, 1], range=[0, 0.55]), legend=None)
    layers = [
        alt.Chart(
            data,
            mark=alt.MarkDef("rect", fill=PALETTE[0], stroke=PALETTE[1], strokeWidth=2),
            encoding=alt.FacetedEncoding(fillOpacity=shade, strokeOpacity=strongest, tooltip=_tooltip(rows, {})),
        ),
        alt.Chart(
            data,
            mark=alt.MarkDef("text", color="black", tooltip=None),
            encoding=alt.FacetedEncoding(text=alt.Text(field="text", type="nominal"), tooltip=_tooltip(rows, {})),
        ),
    ]
    top = alt.Axis(orient="top", labelAngle=0, labelLimit=90, labelOverlap=True)
    return _chart(
        layers,
        title,
        CELL_HEIGHT * len(names["down"]),
        x=alt.X(field="across", type="ordinal", sort=names["across"], title=across, axis=top),
        y=alt.Y(field="down", type="ordinal", sort=names["down"], title=down, axis=alt.Axis(labelLimit=120)),
    )


def to_svg(chart: Chart) -> str:
    """Returns a chart as the text of an SVG file, on white."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(chart.to_dict(), config={"font": _FONTS}))


def _chart(layers: Sequence[alt.Chart], title: str, height: int, **shared: Any) -> Chart:
    """Returns layers one upon the other, with the channels that they share."""
    encoding = alt.SharedEncoding(**shared)
    return alt.LayerChart(layer=list(layers), title=in_line(title), width=WIDTH, height=height, encoding=encoding)


class _Layers(NamedTuple):
    """The layers of a chart so far, and the words of its tooltips."""

    layers: list[alt.Chart]
    titles: Mapping[str, str]
    picked: alt.Parameter | None  # The series that are picked, where there are several.

    def add(
        self,
        points: Sequence[Point],
        mark: alt.MarkDef,
        *,
        having: str = "",
        lacking: Sequence[str] = (),
        opacity: float = 1,
        tip: bool = True,
        **channels: Any,
    ) -> list[alt.Chart]:
        """Returns the layers with one more: marks at those points that have a column and lack others, if there are any.

        Series that are not picked fade, where there are several.
        """
        own = [p for p in points if (not having or having in p) and not any(name in p for name in lacking)]
        if own:
            tests = [f"isValid(datum.{having})"] if having else []
            tests += [f"!isValid(datum.{name})" for name in lacking]
            transform: Any = [alt.FilterTransform(filter=" && ".join(tests))]
            if tip:
                channels["tooltip"] = _tooltip(own, self.titles)
            faint = min(opacity, _FAINT)
            fade: Any = self.picked and {"condition": {"param": self.picked.name, "value": opacity}, "value": faint}
            channels["opacity"] = alt.OpacityValue(opacity) if fade is None else fade
            data = alt.InlineData(values=list(points))
            self.layers.append(
                alt.Chart(
                    data,
                    mark=mark,
                    encoding=alt.FacetedEncoding(**channels),
                    transform=transform if len(own) < len(points) else alt.Undefined,
                )
            )
        return self.layers


def _above_zero(series: Sequence[Series]) -> list[Series]:
    """Returns series for an axis of logarithms: an interval that goes below zero ends at the least that is drawn."""
    values = np.concatenate([values for one in series for values in (one.y, one.low, one.high)])
    least = np.min(values[np.isfinite(values) & (values > 0)], initial=np.inf)
    return [one._replace(low=np.maximum(one.low, least)) for one in series]


def _shaded(series: Sequence[Series]) -> bool:
    return any(one.shades for one in series)


def _points(series: Sequence[Series]) -> list[Point]:
    """Returns the points of series that have a value, by the names of the columns that a chart reads."""
    points = []
    shaded = _shaded(series)
    for one in series:
        for index in map(int, np.flatnonzero(~np.isnan(one.y))):
            y = float(one.y[index])
            points.append(
                {
                    **(one.tips[index] if one.tips else {}),
                    "series": one.name,
                    "x": _number(one.x[index]),
                    **({"y": _number(y)} if math.isfinite(y) else {"edge": "top" if y > 0 else "bottom"}),
                    **_ends(one.low[index], one.high[index]),
                    **({"shade": one.shades[index] if one.shades else 1} if shaded else {}),
                    **({"crossed": True} if one.crossed else {}),
                    **({"step": True} if one.step else {}),
                }
            )
    return points


def _in_line(tip: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the words of a tooltip without the line ends that Vega's language has no place for."""
    return {key: in_line(value) if isinstance(value, str) else value for key, value in tip.items()}


def _ends(low: float, high: float) -> Point:
    return {"low": _number(low), "high": _number(high)} if math.isfinite(low) and math.isfinite(high) else {}


def _thin(one: Series) -> Series:
    """Returns a line of at most `MAX_VERTICES` points."""
    if len(one.x) <= MAX_VERTICES:
        return one
    kept = np.unique(np.linspace(0, len(one.x) - 1, MAX_VERTICES).round().astype(int))
    tips = [one.tips[int(index)] for index in kept] if one.tips else ()
    return one._replace(x=one.x[kept], y=one.y[kept], low=one.low[kept], high=one.high[kept], tips=tips)


def _number(value: float) -> float | None:
    """Returns a number with as many digits as a chart can show; None for one that has no place in it."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _scale(log: bool) -> alt.Scale:
    return alt.Scale(type="log", nice=False, padding=10) if log else alt.Scale(zero=False, nice=False, padding=10)


def _axis(**look: Any) -> alt.Axis:
    return alt.Axis(format=".6~g", labelOverlap=True, labelSeparation=6, **look)


def _colors(series: Sequence[Series]) -> alt.Color:
    colors = {one.name: PALETTE[one.color % NUM_COLORS] for one in series}
    scale = alt.Scale(domain=list(colors), range=list(colors.values()))
    return alt.Color(field="series", type="nominal", scale=scale, legend=_legend(series) if len(colors) > 1 else None)


def _dashes(series: Sequence[Series]) -> alt.StrokeDash:
    dashes = {one.name: [5, 4] if one.dashed else [1, 0] for one in series}
    scale = alt.Scale(domain=list(dashes), range=list(dashes.values()))
    return alt.StrokeDash(field="series", type="nominal", scale=scale, legend=_legend(series))


def _legend(series: Sequence[Series]) -> alt.Legend:
    """Returns names one below the other, or in a row where all are short, with lines before them if these matter."""
    names = {one.name for one in series}
    lines = any(one.dashed for one in series) or not any(one.marked for one in series)
    return alt.Legend(
        orient="bottom",
        title=None,
        offset=6,
        columns=1 if sum(map(len, names)) > MAX_NAME else len(names),
        labelLimit=WIDTH - 130,
        symbolType="stroke" if lines else "circle",
        symbolOpacity=1,
        symbolStrokeWidth=3 if lines else 0,
    )


def _tooltip(points: Sequence[Point], titles: Mapping[str, str]) -> list[alt.Tooltip]:
    """Returns the words of points, and the numbers that have titles, in this order."""
    columns = dict.fromkeys(key for point in points for key in point)
    words = [alt.Tooltip(field=key, type="nominal") for key in columns if key not in _COLUMNS]
    numbers = [(key, title) for key, title in titles.items() if key in columns]
    return [*words, *(alt.Tooltip(field=key, type=_NUMBER, title=title, format=".4~g") for key, title in numbers)]
