"""Measuring contenders in turns, each in a process of its own that rests while the others work, and keeping records."""

import contextlib
import json
import pathlib
import statistics
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import tqdm

from aejax.benchmark.machine import is_installed, machine
from aejax.benchmark.processes import ContenderProcess, Failed
from aejax.benchmark.suites import IMAGES, OURS, SUITES, Case, Contender
from aejax.errors import UserError
from aejax.store.files import write_atomically

Say = Callable[[str], None]
MATMUL = "large matrix products"


def measure_suites(names: Iterable[str], repetitions: int, say: Say, only: Collection[str] = ()) -> dict[str, Any]:
    """Returns a record: the environment, and for each case what every contender took.

    `only` are the contenders to measure, beside the first of a case; none: all.

    Returns:
      `environment`, `date`, and `cases` by name: `unit`, `matmul_gflops` (of the machine, measured in the same turns),
      and `contenders` by name, each with `values` (one for each repetition, in the case's unit), `compile_seconds`
      (the first run's excess over the median one) and facts such as `memory_mb`.
    """
    cases = {}
    for suite in names:
        for name, case in SUITES[suite].items():
            first = next(iter(case.contenders))
            wanted = {t: c for t, c in case.contenders.items() if not only or t in only or t == first}
            cases[name] = _measure_case(name, Case(case.unit, wanted), repetitions, say) | {"suite": suite}
    return {"date": time.strftime("%Y-%m-%d"), "environment": machine(), "cases": cases}


def _measure_case(name: str, case: Case, repetitions: int, say: Say) -> dict[str, Any]:
    trains = case.unit == IMAGES
    wanted = case.contenders | ({MATMUL: Contender(OURS, {"network": "matmul"})} if trains else {})
    contenders: dict[str, Measurement] = {}
    with (
        tqdm.tqdm(total=len(wanted) * (repetitions + 1), desc=name, disable=None) as bar,
        contextlib.ExitStack() as processes,
    ):
        for title, contender in wanted.items():
            try:
                process = processes.enter_context(start(contender))
                contenders[title] = Measurement(process, contender, case.unit)
            except Failed as error:
                say(f"{name}: {title} left out; {error}")
                bar.total -= repetitions + 1
                continue
            bar.update()
        for repetition in range(repetitions):
            for title, measurement in contenders.items():
                if measurement.contender.repeats or repetition == 0:
                    try:
                        measurement.repeat()
                    except Failed as error:
                        raise UserError(f"{title}: {error} (out of memory?)") from None
                bar.update()
    results = {title: measurement.result() for title, measurement in contenders.items()}
    matmul = results.pop(MATMUL, None)
    record = {"unit": case.unit, "contenders": results}
    return record if matmul is None else record | {"matmul_gflops": matmul["values"]}


def start(contender: Contender, environment: Mapping[str, str] | None = None) -> ContenderProcess:
    """Returns a process for a contender.

    Raises:
      Failed: if a package is missing that it needs.
    """
    missing = [package for package in contender.requires if not is_installed(package)]
    if missing:
        raise Failed(f"{', '.join(missing)} is not installed (pip install 'aejax[bench]')")
    return ContenderProcess(contender.module, environment)


class Measurement:
    """A contender that has run once in a process, and is measured there."""

    def __init__(self, process: ContenderProcess, contender: Contender, unit: str, timeout: float | None = None):
        """Runs the work once, compilation included.

        Raises:
          Failed: if it does not work here, or not within so many seconds.
        """
        self.contender, self._process, self._unit = contender, process, unit
        self._values: list[float] = []
        self._seconds: list[float] = []
        self._facts: dict[str, Any] = {}
        try:
            self._first_seconds = process.ask({"arguments": contender.arguments}, timeout)["first_seconds"]
        except Failed as error:
            raise Failed(f"it fails here: {error}") from None

    def repeat(self, seconds: float = 0.0, timeout: float | None = None) -> None:
        """Measures it once, by running it until so many seconds have passed.

        Raises:
          Failed: if it fails, or takes longer than `timeout`.
        """
        answer = self._process.ask({"seconds": seconds}, timeout)
        each = answer["seconds"] / answer["runs"]
        value = each if self._unit == "s" else answer["amount"] / answer["seconds"]
        self._facts = answer["facts"]
        self._seconds.append(each)
        self._values.append(self._facts.pop("value", value))

    def result(self) -> dict[str, Any]:
        """Returns the entry of this contender in a record."""
        excess = max(self._first_seconds - statistics.median(self._seconds), 0.0)
        facts = {name: round(value, 3) if isinstance(value, float) else value for name, value in self._facts.items()}
        return {"values": [float(f"{x:.5g}") for x in self._values], "compile_seconds": round(excess, 2), **facts}


def write_record(path: pathlib.Path, record: Mapping[str, Any]) -> None:
    """Writes a record as JSON, atomically, making its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(record, indent=1) + "\n")
