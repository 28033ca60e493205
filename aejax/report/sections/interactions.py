"""What two swept fields do together: whether the best value of one depends on the other."""

import itertools
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from aejax.measures.base import Metric
from aejax.measures.zoo import all_metrics
from aejax.methods.roles import Role
from aejax.report.content import Content, Section
from aejax.report.drawing import Cell, Chart, heat_map, line_chart, plain_series
from aejax.report.embed import figures
from aejax.report.fields import CONTINUOUS, logarithmic, numeric, spread, varied, wide_metric, with_value
from aejax.report.findings import choose, rank
from aejax.report.html import join, note
from aejax.store.results import Setting, show_value

MAX_VALUES = 12  # Of a field in a table.
MAX_PAIRS = 6  # Of each metric.

_GRIDS = (
    "Validation images. A cell is the best setting with its two values, the mean over seeds: what the pair reaches if "
    "whatever else varies is chosen for it. ★ is the best of all; stronger colors are better. Interaction is the share "
    "of the variance between cells that no effect of the row plus an effect of the column explains (two-way analysis "
    "of variance, of logarithms where errors span a factor of 8; the scatter of the seeds is part of it): at 0 % each "
    "field can be chosen by itself."
)
_SCATTERED = (
    "Pairs of numbers that make no grid: a point for each setting, the mean over seeds on validation images. The "
    "stronger its color, the better it ranks; crosses diverged."
)


class SettingGrid(NamedTuple):
    """Two fields of which every pair of values was tried, and the settings of each pair."""

    fields: tuple[str, str]  # Of the rows, and of the columns.
    values: tuple[list[Any], list[Any]]
    cells: list[list[list[Setting]]]


def interactions(content: Content) -> Section | None:
    """Returns heat maps of pairs of fields that make a grid, and charts of pairs of numbers that are scattered."""
    maps, scatters = _maps_and_scatters(content)
    parts = []
    for text, charts in ((_GRIDS, maps), (_SCATTERED, scatters)):
        if charts:
            parts += [note(text), figures(charts)]
    return Section("interactions", "Interactions of swept fields", join(*parts)) if parts else None


def interaction_charts(content: Content) -> list[Chart]:
    """Returns a chart for each pair of swept fields and metric, of the pairs that show most."""
    maps, scatters = _maps_and_scatters(content)
    return [*maps, *scatters]


def _maps_and_scatters(content: Content) -> tuple[list[Chart], list[Chart]]:
    if len(content.studies) > 1:
        return [], []
    own = [setting for setting in content.settings if Role.SUBJECT in setting.role]
    pairs = list(itertools.combinations(varied(own), 2))
    grids = [grid for pair in pairs if (grid := make_grid(pair, own)) is not None]
    scattered = [pair for pair in pairs if is_scattered(pair, own)]
    maps, scatters = [], []
    for metric in all_metrics():
        known = [setting for setting in own if setting.mean(metric.validation) is not None]
        if not known:
            continue
        # What shows most comes first: the variance that is not additive, and fields that move the metric.
        scaled = [(grid, table) for grid in grids if np.isfinite(table := _scaled(grid, metric)).any()]
        ranked = sorted(scaled, key=lambda pair: -_amount(pair[1]))[:MAX_PAIRS]
        maps += [_heat_map(grid, table, metric) for grid, table in ranked]
        measured = [pair for pair in scattered if any(_has_both(pair, setting) for setting in known)]
        moving = sorted(measured, key=lambda pair: -sum(spread(field, own, metric) for field in pair))
        scatters += [_scatter(pair, own, metric) for pair in moving[: MAX_PAIRS - len(ranked)]]
    return maps, scatters


def interaction(table: np.ndarray) -> float | None:
    """Returns the share of a table's variance [rows, columns] that is not additive in rows and columns, from 0 to 1.

    NaN are cells without a value. Returns None where so many are missing that an additive table might fit by chance.
    """
    row, column = np.nonzero(np.isfinite(table))
    num_rows, num_columns = table.shape
    values = table[row, column]
    if len(values) < num_rows + num_columns:
        return None
    if np.ptp(values) == 0:
        return 0.0
    effects = np.hstack([np.eye(num_rows)[row], np.eye(num_columns)[column]])
    left = values - effects @ np.linalg.lstsq(effects, values)[0]
    return float(np.sum(left**2) / np.sum((values - values.mean()) ** 2))


def make_grid(pair: tuple[str, str], settings: Sequence[Setting]) -> SettingGrid | None:
    """Returns the settings by the values of two fields, or None where some pair was not tried or values are many.

    The field with fewer values is that of the columns.
    """
    known = with_value(pair[0], with_value(pair[1], settings))
    values = {field: _values(field, known) for field in pair}
    across, down = sorted(pair, key=lambda field: len(values[field]))
    num_pairs = len(values[across]) * len(values[down])
    if len(values[across]) < 2 or len(values[down]) > MAX_VALUES or num_pairs > len(known):
        return None
    cells = [
        [[setting for setting in known if _has(setting, {down: row, across: column})] for column in values[across]]
        for row in values[down]
    ]
    if not all(cell for row in cells for cell in row):
        return None
    return SettingGrid((down, across), (values[down], values[across]), cells)


def is_scattered(pair: tuple[str, str], settings: Sequence[Setting]) -> bool:
    """Returns whether two fields of numbers fill a plane without a grid.

    Fields that were swept one after the other do not: most settings have the usual value of either.
    """
    known = [setting for setting in settings if _has_both(pair, setting)]
    if len(known) < CONTINUOUS or not all(numeric(field, known) for field in pair):
        return False
    counts = [[sum(_has(setting, {field: v}) for setting in known) for v in _values(field, known)] for field in pair]
    return make_grid(pair, known) is None and all(len(c) > 2 and max(c) <= len(known) / 2 for c in counts)


def _has_both(pair: tuple[str, str], setting: Setting) -> bool:
    return all(setting.fields.get(field) is not None for field in pair)


def _values(field: str, settings: Sequence[Setting]) -> list[Any]:
    found = {json.dumps(value): value for value in (setting.fields.get(field) for setting in settings)}
    return sorted(found.values()) if numeric(field, settings) else list(found.values())


def _has(setting: Setting, values: dict[str, Any]) -> bool:
    return all(setting.fields.get(field) == value for field, value in values.items())


def _best(cell: Sequence[Setting], metric: Metric) -> float:
    """Returns the mean of a cell's best setting, NaN where none has the metric."""
    known = [setting for setting in cell if setting.mean(metric.validation) is not None]
    mean = choose(metric, known).mean(metric.validation) if known else None
    return np.nan if mean is None else metric.value(mean)


def _scaled(grid: SettingGrid, metric: Metric) -> np.ndarray:
    """Returns a grid's table as it is colored and analysed: [rows, columns], errors that span much as logarithms."""
    table = np.array([[_best(cell, metric) for cell in row] for row in grid.cells])
    return np.log(table) if wide_metric(metric, table) else table


def _amount(table: np.ndarray) -> float:
    """Returns how much of a table's variance is not additive, 0 where that is unknown."""
    share = interaction(table)
    return share * float(np.nanvar(table)) if share else 0.0


def _heat_map(grid: SettingGrid, scaled: np.ndarray, metric: Metric) -> Chart:
    shades = _shades(scaled, metric)
    (down, across), (rows, columns) = grid.fields, grid.values
    cells = [
        _cell(cell, metric, float(shade), _name(row), _name(column))
        for row, settings, shaded in zip(rows, grid.cells, shades, strict=True)
        for column, cell, shade in zip(columns, settings, shaded, strict=True)
    ]
    share = interaction(scaled)
    said = "interaction unknown, too much diverged" if share is None else f"interaction {100 * share:.0f} %"
    title = f"{metric.title} {metric.unit}".strip() + f": {said}"
    return heat_map(cells, title=title, down=down, across=across)


def _cell(cell: Sequence[Setting], metric: Metric, shade: float, row: str, column: str) -> Cell:
    if np.isnan(shade):
        return Cell(row, column, "diverged" if any(setting.num_diverged for setting in cell) else "", 0, {})
    best = choose(metric, [setting for setting in cell if setting.mean(metric.validation) is not None])
    text = f"{_best(cell, metric):.4g}" + (" ★" if shade >= 1 else "")
    return Cell(row, column, text, shade, {"setting": best.name})


def _name(value: Any) -> str:
    return show_value(value) or "null"


def _shades(values: np.ndarray, metric: Metric) -> np.ndarray:
    """Returns how good values are from 0, the worst, to 1, the best."""
    worst, best = np.nanmin(values), np.nanmax(values)
    if not metric.higher_is_better:
        worst, best = best, worst
    return (values - worst) / (best - worst) if best != worst else values - best + 1


def _scatter(pair: tuple[str, str], settings: Sequence[Setting], metric: Metric) -> Chart:
    """Returns the settings at the values of two fields, shaded by their ranks."""
    known = [setting for setting in settings if _has_both(pair, setting)]
    measured = rank(metric, [setting for setting in known if setting.mean(metric.validation) is not None])
    shades = np.linspace(1, 0, len(measured)).tolist()
    tips = _tips(measured, metric)
    series = [plain_series("settings", *_places(pair, measured), marked=True, shades=shades, tips=tips)]
    diverged = [setting for setting in known if setting not in measured and setting.num_diverged]
    if diverged:
        tips = [{"setting": setting.name} for setting in diverged]
        series.append(plain_series("diverged", *_places(pair, diverged), marked=True, crossed=True, color=6, tips=tips))
    best = measured[:1]
    series.append(plain_series("chosen", *_places(pair, best), marked=True, color=1, tips=_tips(best, metric)))
    across, down = (_values(field, known) for field in pair)
    return line_chart(
        series,
        title=f"{metric.title}: {pair[1]} over {pair[0]}",
        y_label=pair[1],
        x_label=pair[0],
        log_x=logarithmic(across),
        log_y=logarithmic(down),
        x_ticks=across if len(across) < CONTINUOUS else (),
    )


def _tips(settings: Sequence[Setting], metric: Metric) -> list[dict[str, Any]]:
    values = [metric.value(setting.mean(metric.validation) or 0.0) for setting in settings]
    return [{"setting": one.name, "mean": f"{value:.4g}"} for one, value in zip(settings, values, strict=True)]


def _places(pair: tuple[str, str], settings: Sequence[Setting]) -> tuple[np.ndarray, np.ndarray]:
    x, y = (np.array([setting.fields[field] for setting in settings], float) for field in pair)
    return x, y
