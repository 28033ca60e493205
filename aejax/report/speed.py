"""Records of benchmarks as tables: for the terminal and for the README."""

import json
import pathlib
import statistics
from collections.abc import Mapping
from typing import Any

from aejax.errors import UserError


def read_record(path: pathlib.Path) -> dict[str, Any]:
    """Returns a record that `scripts/benchmark.py --json` wrote.

    Raises:
      UserError: if there is none, or if it is something else.
    """
    try:
        record = json.loads(path.read_text())
        record["environment"], record["cases"]
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; make it with scripts/benchmark.py --json={path}") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is no record of scripts/benchmark.py") from None
    return record


def to_table(record: Mapping[str, Any]) -> str:
    """Returns a Markdown table of a record: a row for each contender of each case.

    The ratio says how many times as fast the case's first contender is; the share is that of the machine's own rate for
    large matrix products, measured in the same turns.
    """
    rows = [("case", "contender", "median", "range", "first / this", "of matmul rate", "memory MB", "compile s")]
    for name, case in record["cases"].items():
        contenders = case["contenders"]
        first = next(iter(contenders))
        base = statistics.median(contenders[first]["values"])
        flops = contenders[first].get("flops_per_image")
        for index, (title, result) in enumerate(contenders.items()):
            values, median = result["values"], statistics.median(result["values"])
            ratio = median / base if case["unit"] == "s" else base / median
            share = ""
            if "matmul_gflops" in case and flops:
                share = f"{100 * median * flops / 1e9 / statistics.median(case['matmul_gflops']):.0f} %"
            rows.append(
                (
                    "" if index else name,
                    title,
                    f"{_number(median)} {case['unit']}",
                    f"{_number(min(values))} - {_number(max(values))}",
                    f"{ratio:.2f}",
                    share,
                    f"{result['memory_mb']:.0f}" if "memory_mb" in result else "",
                    f"{result['compile_seconds']:.1f}",
                )
            )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
