"""From the rows of a study to results.csv and the table: every member and baseline, then means with intervals."""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from aejax.study.methods import METHODS
from aejax.study.statistics import Interval, student_interval

Row = dict[str, Any]  # method, id, config (dotted path -> value), metrics, status, cost, data.

# What the table shows, where there is any: the metric, its heading, and its unit.
COLUMNS = (
    ("test_mse", "test MSE", ""),
    ("test_ssim", "test SSIM", ""),
    ("test_probe_accuracy", "linear probe", "%"),
    ("test_knn_accuracy", "k-NN", "%"),
    ("test_accuracy", "own classifier", "%"),
)


def varying_fields(rows: Sequence[Row]) -> list[str]:
    """Returns the config paths in which rows differ, the seed always and last."""
    paths = list(dict.fromkeys(path for row in rows for path in row["config"]))
    values = {path: {json.dumps(row["config"][path]) for row in rows if path in row["config"]} for path in paths}
    # A field that only some kinds of a part have follows from the part's kind unless it differs by itself.
    return [path for path in paths if path != "seed" and len(values[path]) > 1] + ["seed"]


def sort_rows(rows: Sequence[Row]) -> list[Row]:
    """Returns the rows by method, then by the fields that vary: an order that does not depend on who finished first."""
    fields, methods = varying_fields(rows), list(METHODS)

    def key(row: Row) -> Any:
        return methods.index(row["method"]), [_sortable(row["config"].get(field)) for field in fields]

    return sorted(rows, key=key)


def _sortable(value: Any) -> tuple[int, float, str]:
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, json.dumps(value))


def to_csv(rows: Sequence[Row]) -> str:
    """Returns results.csv: a row for each member and baseline; what does not apply to one is empty."""
    rows = sort_rows(rows)
    fields = varying_fields(rows)
    metrics = list(dict.fromkeys(name for row in rows for name in row["metrics"]))
    costs = list(dict.fromkeys(name for row in rows for name in row["cost"]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", *fields, *metrics, "status", *costs, "data_fingerprint", "id"])
    for row in rows:
        config = [_cell(row["config"].get(field)) for field in fields]
        values = [row["metrics"].get(name, "") for name in metrics]
        cost = [row["cost"].get(name, "") for name in costs]
        writer.writerow([row["method"], *config, *values, row["status"], *cost, row["data"]["fingerprint"], row["id"]])
    return text.getvalue()


def _cell(value: Any) -> Any:
    return "" if value is None else json.dumps(value) if isinstance(value, list) else value


@dataclasses.dataclass(frozen=True)
class Setting:
    """The rows of one method at one setting of the swept fields, which differ in their seed only."""

    method: str
    fields: dict[str, Any]
    rows: list[Row]

    @property
    def seeded(self) -> bool:
        """Whether a seed enters the method at all."""
        return "seed" in self.rows[0]["config"]

    def interval(self, metric: str) -> Interval | None:
        """Returns the metric's mean and interval over the seeds that did not diverge, or None where it has none."""
        values = [
            row["metrics"][metric] for row in self.rows if row["status"] != "diverged" and metric in row["metrics"]
        ]
        return student_interval(values) if values else None


def settings(rows: Sequence[Row]) -> list[Setting]:
    """Returns the rows grouped into settings, in the order of `sort_rows`."""
    rows = sort_rows(rows)
    fields = [field for field in varying_fields(rows) if field != "seed"]
    groups: dict[str, Setting] = {}
    for row in rows:
        values = {field: row["config"][field] for field in fields if field in row["config"]}
        key = json.dumps([row["method"], values])
        groups.setdefault(key, Setting(row["method"], values, [])).rows.append(row)
    return list(groups.values())


def to_markdown(rows: Sequence[Row]) -> str:
    """Returns the table of means and 95 % intervals as Markdown that is aligned enough to be read as it is."""
    groups = settings(rows)
    fields = list(dict.fromkeys(field for group in groups for field in group.fields))
    columns = [column for column in COLUMNS if any(group.interval(column[0]) for group in groups)]
    heading = ["method", *fields, *(f"{title} {unit}".strip() for _, title, unit in columns), "seconds", "n"]
    table = [heading]
    for group in groups:
        cells = [_format(group.interval(metric), unit, group.seeded) for metric, _, unit in columns]
        seconds = sum(row["cost"].get("train_seconds", 0.0) for row in group.rows) / len(group.rows)
        count = str(sum(row["status"] != "diverged" for row in group.rows)) if group.seeded else "fixed"
        values = [str(_cell(group.fields.get(field))) for field in fields]
        table.append([group.method, *values, *cells, f"{seconds:.1f}" if seconds else "", count])
    widths = [max(len(row[i]) for row in table) for i in range(len(heading))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in table
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([*lines, "", *notes(rows)]) + "\n"


def notes(rows: Sequence[Row]) -> list[str]:
    """Returns what a reader must know beside the table: protocol, and members that failed."""
    lines = [
        "± is half the 95 % confidence interval (Student t) over n seeds; 'fixed': no seed enters, so it has none."
    ]
    for data in {json.dumps(row["data"]): row["data"] for row in rows}.values():
        line = (
            f"{data['name']}: trained on {data['train']} images, selection on {data['validation']} validation images, "
            f"tested once on {data['test']} images"
        )
        if data["num_classes"] is None:
            lines.append(line + "; it has no labels, so probe, k-NN, pixels and the supervised baseline were left out.")
        else:
            both = data["train"] + data["validation"]
            lines.append(line + f"; the linear probe is refitted, and k-NN searches, on {both} labelled images.")
    diverged = [row for row in rows if row["status"] == "diverged"]
    if diverged:
        names = ", ".join(f"{row['method']} {row['id']} (seed {row['config'].get('seed')})" for row in diverged)
        lines.append(f"Diverged, kept at their last finite state and left out of the means: {names}.")
    return lines


def _format(interval: Interval | None, unit: str, seeded: bool) -> str:
    if interval is None:
        return ""
    scale = 100.0 if unit == "%" else 1.0
    mean, half = interval.mean * scale, interval.half_width * scale
    if not seeded:
        return _digits(mean, mean * 1e-3 if unit != "%" else 0.01)
    if math.isnan(half):
        return f"{_digits(mean, 0.1 if unit == '%' else abs(mean) * 1e-2)} (no interval)"
    return f"{_digits(mean, half)} ± {_digits(half, half)}"


def _digits(value: float, precision: float) -> str:
    """Returns the value with two significant digits of `precision`."""
    if not math.isfinite(precision) or precision <= 0:
        return f"{value:.4g}"
    decimals = max(0, 1 - math.floor(math.log10(precision)))
    return f"{value:.{min(decimals, 8)}f}"
