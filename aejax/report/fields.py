"""The fields that settings differ in: which of them are numbers, and how a metric moves along one."""

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aejax.measures.base import Metric
from aejax.store.results import Setting, show_value

CONTINUOUS = 20  # So many values of a field, and they are no grid: neighbors are taken together.
WIDE = 8  # Numbers whose largest is so many times the smallest are shown in logarithms.
MAX_WINDOWS = 60
PAUSE = "training.until_epoch"


def varied(settings: Sequence[Setting]) -> list[str]:
    """Returns the fields in which the settings themselves differ, but for how far a search has trained them."""
    fields = dict.fromkeys(field for setting in settings for field in setting.fields if field != PAUSE)
    return [field for field in fields if len({json.dumps(setting.fields.get(field)) for setting in settings}) > 1]


def numeric(field: str, settings: Sequence[Setting]) -> bool:
    """Returns whether a field's values are numbers, and several, where they are not null."""
    values = [value for setting in settings if (value := setting.fields.get(field)) is not None]
    return len(set(map(show_value, values))) > 1 and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )


def with_value(field: str, settings: Sequence[Setting]) -> list[Setting]:
    """Returns the settings that have a number, where a field has numbers; where it has choices, null is one of them."""
    everywhere = not numeric(field, settings)
    return [setting for setting in settings if everywhere or setting.fields.get(field) is not None]


def wide(values: Sequence[float] | np.ndarray) -> bool:
    """Returns whether finite numbers span so much that small ones are told apart in logarithms only."""
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    return bool(len(finite) and finite.min() > 0 and finite.max() / finite.min() >= WIDE)


def logarithmic(values: Sequence[float] | np.ndarray) -> bool:
    """Returns whether a field's numbers are spread over their logarithms: 10, 20, ..., 100 are wide, but even."""
    if not wide(values):
        return False
    low, middle, high = np.quantile(np.unique(values), [0, 0.5, 1])
    return bool(middle / np.sqrt(low * high) < (low + high) / 2 / middle)


def wide_metric(metric: Metric, values: Sequence[float] | np.ndarray) -> bool:
    """Returns whether a metric is better shown in logarithms: errors may span decades, shares end at 100 %."""
    return not metric.higher_is_better and wide(values)


def worst(metric: Metric) -> float:
    """The value that a diverged member counts as."""
    return -np.inf if metric.higher_is_better else np.inf


class Trend(NamedTuple):
    """A metric along a field: at each place on its axis, of the settings there, the mean and the best tenth's edge."""

    x: np.ndarray
    mean: np.ndarray
    best: np.ndarray


def along(field: str, settings: Sequence[Setting], metric: Metric) -> Trend:
    """Returns how the means of settings on validation images move with a field's numbers."""
    points = [
        (setting.fields[field], worst(metric) if mean is None or np.isnan(mean) else metric.value(mean))
        for setting in settings
        if (mean := setting.mean(metric.validation)) is not None or setting.num_diverged
    ]
    x, y = np.array(points, float).T
    return trend(x, y, metric)


def spread(field: str, settings: Sequence[Setting], metric: Metric) -> float:
    """Returns how far the mean of a metric moves along a field."""
    return float(np.nanstd(along(field, with_value(field, settings), metric).mean))


def trend(x: np.ndarray, y: np.ndarray, metric: Metric) -> Trend:
    """Returns how a metric's values y [n] move with a field's numbers x [n].

    Places are the field's values, or, where these are `CONTINUOUS`, the medians of windows that slide over a quarter of
    the settings. Diverged settings are infinite: the best tenth is one of all, the mean of those that are finite.
    """
    order = np.argsort(x, kind="stable")
    distinct, first = np.unique(x[order], return_index=True)
    if len(distinct) < CONTINUOUS:
        windows = np.split(order, first[1:])
    else:
        width = max(8, len(x) // 4)
        starts = np.unique(np.linspace(0, len(x) - width, MAX_WINDOWS).astype(int))
        windows = [order[start : start + width] for start in starts]
    means, bests = [], []
    for window in windows:
        finite = y[window][np.isfinite(y[window])]
        means.append(finite.mean() if len(finite) else np.nan)
        ranked = np.sort(y[window])[:: -1 if metric.higher_is_better else 1]
        bests.append(ranked[round(0.1 * (len(ranked) - 1))])
    return Trend(np.array([np.median(x[window]) for window in windows]), np.array(means), np.array(bests))
