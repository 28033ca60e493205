"""Records of benchmarks as tables: for the terminal and for the README."""

import json
import pathlib
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from aejax.errors import UserError
from aejax.report.drawing import Series, line_chart, to_svg
from aejax.report.tables import Table, to_aligned
from aejax.statistics import resampled_interval

ACCELERATOR_HEADING = (
    "case",
    "contender",
    "in all",
    "a member",
    "first / this",
    "TFLOP/s",
    "compile s",
    "MB a member",
    "",
)
FOLDS_HEADING = ("case", "features", "% right", "first − this", "folds")
AGAIN = ", again"  # Ends the name of a contender that does what another has done.
_OWN = "aejax"  # The first contender of every case of an accelerator.


def read_record(path: pathlib.Path) -> dict[str, Any]:
    """Returns a record that `aejax benchmark --json` wrote.

    Raises:
      UserError: if there is none, or if it is something else.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        record["environment"], record["cases"]
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; make it with aejax benchmark --json={path}") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is no record of a benchmark") from None
    return record


def to_table(record: Mapping[str, Any]) -> str:
    """Returns a Markdown table of a record: a row for each contender of each case.

    The ratio says how many times as fast the case's first contender is; the share is that of the machine's own rate for
    large matrix products, measured in the same turns. The table of an accelerator's record has its own columns, and no
    case in which aejax was not measured, because time was up.
    """
    if "scale" in record["environment"]:
        return to_aligned(Table(list(ACCELERATOR_HEADING), list(_accelerator_rows(record)))) + "\n"
    if all("test_share" in result for case in record["cases"].values() for result in case["contenders"].values()):
        return to_aligned(Table(list(FOLDS_HEADING), list(_fold_rows(record)))) + "\n"
    heading = ["case", "contender", "median", "range", "first / this", "of matmul rate", "memory MB", "compile s"]
    rows = []
    for name, case in record["cases"].items():
        first = next(iter(case["contenders"]))
        for index, (title, result) in enumerate(case["contenders"].items()):
            values = result["values"]
            rows.append(
                [
                    "" if index else name,
                    title,
                    f"{number(_median(case, title))} {case['unit']}",
                    f"{number(min(values))} - {number(max(values))}",
                    f"{_advantage(case, first, title):.2f}",
                    _share(case, title),
                    f"{result['memory_mb']:.0f}" if "memory_mb" in result else "",
                    f"{result['compile_seconds']:.1f}",
                ]
            )
    return to_aligned(Table(heading, rows)) + "\n"


def _fold_rows(record: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, case in record["cases"].items():
        (_, first), *_others = case["contenders"].items()
        for title, result in case["contenders"].items():
            values, cell = result["values"], ""
            if result is not first:
                differences = [own - other for own, other in zip(first["values"], values, strict=True)]
                interval = resampled_interval(differences, result["test_share"])
                cell = f"{interval.mean:.2f} ± {interval.half_width:.2f}"
            yield [name if result is first else "", title, f"{np.mean(values):.2f}", cell, str(len(values))]


def _accelerator_rows(record: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, case in record["cases"].items():
        if _OWN not in case["contenders"]:
            continue
        for index, title in enumerate(case["contenders"]):
            _, *cells = accelerator_cells(record, name, title)
            yield ["" if index else name, *cells]


def accelerator_cells(record: Mapping[str, Any], name: str, title: str) -> list[str]:
    """Returns the cells below ACCELERATOR_HEADING of a contender of a case."""
    case = record["cases"][name]
    results, unit = case["contenders"], case["unit"]
    result = results[title]
    value = statistics.median(result["values"])
    flops = results.get(_OWN, {}).get("flops_per_image")  # Others do what aejax does.
    return [
        name,
        title,
        f"{number(value)} {unit}" if "a member" not in unit else "",
        number(value / result["members"]) if unit == "images/s" else "",
        f"{_advantage(case, _OWN, title):.2f}" if _OWN in results else "",
        f"{value * flops / 1e12:.3g}" if flops else "",
        f"{result['compile_seconds']:.1f}" if "epochs_after" not in result else "",
        f"{result['mb_a_member']:.1f}" if "mb_a_member" in result else "",
        _note(title, results),
    ]


def _note(title: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the remark on a result after the table's columns."""
    result = results[title]
    if "fit" in result:
        return describe_memory(result)
    if "epochs_after" in result:
        return f"{result['epochs_before']} epochs before, {result['epochs_after']} after"
    if result.get("at_once", 1) > 1 and result["rounds"] > 1:
        return f"in {result['rounds']} rounds of {result['at_once']:,} on each device"
    usual = title.removesuffix(AGAIN)
    if "bits" not in result or usual == title or usual not in results:
        return ""
    return "the same bits" if result["bits"] == results[usual]["bits"] else "other bits"


def describe_memory(result: Mapping[str, Any]) -> str:
    """Returns the memory of a member, and how many members fit."""
    return (
        f"{result['mb_a_member']:.1f} MB a member ({result['state_mb']:.1f} of them its state), {result['fit']:,} fit "
        f"into {result['memory_mb'] / 1e3:.1f} GB"
    )


def to_summary(records: Iterable[Mapping[str, Any]]) -> str:
    """Returns a Markdown table with a row for each case in which aejax trains beside PyTorch: how much faster it is."""
    heading = ["network", "aejax, images/s", "of matmul rate", "Keras fit", "PyTorch", "fastest eager", "compiled"]
    rows = []
    for record in records:
        for name, case in record["cases"].items():
            if "PyTorch, in memory" not in case["contenders"]:
                continue
            eager = [title for title in case["contenders"] if title.startswith("PyTorch") and "compiled" not in title]
            fastest = max(eager, key=lambda title: _median(case, title))
            peers = ("Keras fit", "PyTorch, in memory", fastest, "PyTorch, compiled")
            times = [f"{_advantage(case, 'aejax', peer):.2f} x" if peer in case["contenders"] else "" for peer in peers]
            rows.append([name, number(_median(case, "aejax")), _share(case, "aejax"), *times])
    return to_aligned(Table(heading, rows)) + "\n"


def to_chart(record: Mapping[str, Any]) -> str:
    """Returns an SVG file's text: the rate of every case of the suite "scaling", by how many times the first value.

    A contender's name begins with its value; 28x28 stands for the pixels.
    """
    series = []
    for index, (name, case) in enumerate(record["cases"].items()):
        sizes = [float(np.prod([int(n) for n in re.findall(r"\d+", title)])) for title in case["contenders"]]
        values = np.array([result["values"] for result in case["contenders"].values()])
        factors = np.array(sizes) / sizes[0]
        low, high = values.min(axis=1), values.max(axis=1)
        series.append(
            Series(f"{name}, from {sizes[0]:.0f}", factors, np.median(values, axis=1), low, high, color=index)
        )
    title = "images/s when a number grows by a factor"
    chart = line_chart(series, title=title, x_label="times the first value", log_x=True, log_y=True)
    return to_svg(chart) + "\n"


def relative_time(record: Mapping[str, Any], name: str, title: str) -> float | None:
    """Returns a contender's time as a multiple of the first contender's of a case; None where it was not measured."""
    case = record["cases"].get(name)
    if case is None or title not in case["contenders"]:
        return None
    return _advantage(case, next(iter(case["contenders"])), title)


def _median(case: Mapping[str, Any], title: str) -> float:
    return statistics.median(case["contenders"][title]["values"])


def _advantage(case: Mapping[str, Any], title: str, other: str) -> float:
    """Returns how many times as fast a contender is as another."""
    ratio = _median(case, title) / _median(case, other)
    return 1 / ratio if case["unit"] == "s" else ratio


def _share(case: Mapping[str, Any], title: str) -> str:
    first = next(iter(case["contenders"].values()))  # Peers do what the first contender does.
    flops = (first | case["contenders"][title]).get("flops_per_image")
    if "matmul_gflops" not in case or not flops:
        return ""
    return f"{100 * _median(case, title) * flops / 1e9 / statistics.median(case['matmul_gflops']):.0f} %"


def number(value: float) -> str:
    """Returns a number with at least three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
