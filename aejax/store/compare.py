"""Results beside the results of another run of the same configs: bitwise equal, close, or different."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from aejax.measures.zoo import all_metrics
from aejax.statistics import Interval
from aejax.store.results import Row, settings

Verdict = Literal["bitwise equal", "within tolerance", "different"]


class MetricComparison(NamedTuple):
    """A metric over all members that both runs have."""

    metric: str
    verdict: Verdict
    largest: float  # The largest difference relative to the larger of the two numbers.
    num: int


def compare_rows(old: Sequence[Row], new: Sequence[Row], tolerance: float) -> list[MetricComparison]:
    """Returns a comparison for every metric; a metric that only one run has of a member differs by infinity.

    Args:
      old: rows of the first run.
      new: rows of the second.
      tolerance: how large a relative difference may be to be called close.
    """
    pairs = _pair(old, new)
    compared = []
    for metric in dict.fromkeys(name for left, right in pairs for name in (*left, *right)):
        differences = [
            _difference(left.get(metric), right.get(metric))
            for left, right in pairs
            if metric in left or metric in right
        ]
        largest = max(differences)
        verdict: Verdict = (
            "bitwise equal" if largest == 0 else "within tolerance" if largest <= tolerance else "different"
        )
        compared.append(MetricComparison(metric, verdict, largest, len(differences)))
    return compared


def only_in_one(old: Sequence[Row], new: Sequence[Row]) -> list[str]:
    """Returns a line for each member of which only one of two runs has results."""
    first, second = set(_by_key(old)), set(_by_key(new))
    lines = [f"{method} {name}: only the first run has results of it" for method, name in sorted(first - second)]
    return lines + [
        f"{method} {name}: only the second run has results of it" for method, name in sorted(second - first)
    ]


_ROUNDING = 1e-6  # Of a number, however narrow its interval is.


def outside_intervals(old: Sequence[Row], new: Sequence[Row], tolerance: float) -> list[str]:
    """Returns a line for each number of a study's table that a second run has outside of the first one's interval.

    A number is the mean of a metric of test images over the seeds of a setting; its interval is Student's of 95 %.

    Args:
      old: rows of the first run.
      new: rows of the second.
      tolerance: how large a relative difference may be where the first run has no interval.
    """
    again = _by_key(new)
    lines = []
    for setting in settings(old):
        keys = [(row["method"], row["id"]) for row in setting.rows]
        second = dataclasses.replace(setting, rows=[again[key] for key in keys if key in again])
        for metric in all_metrics():
            first, now = setting.interval(metric.test), second.interval(metric.test)
            if first is None and now is None:
                continue
            if first is None or now is None or not _is_inside(first, now.mean, tolerance):
                shown = [metric.show(one) or "nothing" for one in (first, now)]
                lines.append(f"{setting.name}: {metric.heading}: {shown[1]}, where it was {shown[0]}")
    return lines


def _is_inside(interval: Interval, mean: float, tolerance: float) -> bool:
    if math.isnan(interval.mean) or math.isnan(mean):
        return math.isnan(interval.mean) and math.isnan(mean)
    slack = interval.half_width if interval.half_width > 0 else tolerance * abs(interval.mean)  # NaN is not above 0.
    return abs(mean - interval.mean) <= max(slack, _ROUNDING * abs(interval.mean))


def _pair(old: Sequence[Row], new: Sequence[Row]) -> list[tuple[dict[str, float], dict[str, float]]]:
    left, right = _by_key(old), _by_key(new)
    return [(left[key]["metrics"], right[key]["metrics"]) for key in left if key in right]


def _by_key(rows: Sequence[Row]) -> dict[tuple[str, str], Row]:
    return {(row["method"], row["id"]): row for row in rows}


def _difference(left: float | None, right: float | None) -> float:
    if left is None or right is None:
        return math.inf
    if left == right or (math.isnan(left) and math.isnan(right)):
        return 0.0
    difference = abs(left - right) / max(abs(left), abs(right))
    return math.inf if math.isnan(difference) else difference


def to_text(comparisons: Sequence[MetricComparison], num_missing: int = 0) -> str:
    """Returns a line for each metric, and one for them all; `num_missing` results could not be compared."""
    width = max((len(comparison.metric) for comparison in comparisons), default=0)
    lines = []
    for metric, verdict, largest, num in comparisons:
        by = "" if verdict == "bitwise equal" else f", by up to {largest:.2g} of its value"
        lines.append(f"{metric:{width}}  {verdict}{by} ({num} members)")
    order: tuple[Verdict, ...] = ("different", "within tolerance", "bitwise equal")
    worst = next((verdict for verdict in order if any(c.verdict == verdict for c in comparisons)), None)
    summary = f"all metrics: {worst}" if worst else "no metrics in common"
    return "\n".join([*lines, summary + (f"; {num_missing} missing or damaged, see above" if num_missing else "")])
