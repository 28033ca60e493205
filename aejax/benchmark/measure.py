"""Measuring contenders in turns, each in a process of its own that rests while the others work, and keeping records."""

import importlib.util
import json
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib.metadata import version
from typing import Any

import tqdm

from aejax.benchmark.suites import OURS, SUITES, Case, Contender
from aejax.errors import UserError

Say = Callable[[str], None]
PEERS = ("keras", "tensorflow", "torch", "pythae", "scikit-learn")
MATMUL = "large matrix products"


def measure_suites(names: Iterable[str], repetitions: int, say: Say, only: Collection[str] = ()) -> dict[str, Any]:
    """Returns a record: the environment, and for each case what every contender took.

    `only` are the contenders to measure, beside the first of a case; none: all.

    Returns:
      `environment`, `date`, and `cases` by name: `unit`, `matmul_gflops` (of the machine, measured in the same turns),
      and `contenders` by name, each with `values` (one for each repetition, in the case's unit), `compile_seconds`
      (the first run's excess over the median one) and facts such as `memory_mb`.
    """
    from aejax.study.record import environment

    cases = {}
    for suite in names:
        for name, case in SUITES[suite].items():
            first = next(iter(case.contenders))
            wanted = {t: c for t, c in case.contenders.items() if not only or t in only or t == first}
            cases[name] = _measure_case(name, Case(case.unit, wanted), repetitions, say) | {"suite": suite}
    versions = {peer: version(peer) for peer in PEERS if _installed(peer)}
    return {"date": time.strftime("%Y-%m-%d"), "environment": environment() | versions, "cases": cases}


def _installed(package: str) -> bool:
    return importlib.util.find_spec({"scikit-learn": "sklearn"}.get(package, package)) is not None


def _measure_case(name: str, case: Case, repetitions: int, say: Say) -> dict[str, Any]:
    contenders = []
    trains = case.unit == "images/s"
    wanted = case.contenders | ({MATMUL: Contender(OURS, {"network": "matmul"})} if trains else {})
    with tqdm.tqdm(total=len(wanted) * (repetitions + 1), desc=name, disable=None) as bar:
        for title, contender in wanted.items():
            missing = [package for package in contender.requires if not _installed(package)]
            process = None if missing else _Process(title, contender, case.unit)
            if process is None or not process.works:
                needs = f"{', '.join(missing)} is not installed (pip install 'aejax[bench]')"
                say(f"{name}: {title} left out; {needs if missing else 'it fails here'}")
                bar.total -= repetitions + 1
                continue
            contenders.append(process)
            bar.update()
        for repetition in range(repetitions):
            for process in contenders:
                if process.contender.repeats or repetition == 0:
                    process.measure()
                bar.update()
        for process in contenders:
            process.close()
    results = {process.title: process.result() for process in contenders}
    matmul = results.pop(MATMUL, None)
    record = {"unit": case.unit, "contenders": results}
    return record if matmul is None else record | {"matmul_gflops": matmul["values"]}


class _Process:
    """The process of a contender."""

    def __init__(self, title: str, contender: Contender, unit: str):
        self.title, self.contender, self._unit = title, contender, unit
        self._values: list[float] = []
        self._seconds: list[float] = []
        self._facts: dict[str, Any] = {}
        command = [sys.executable, "-m", "aejax.benchmark.worker", contender.module, json.dumps(contender.arguments)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        ready = self._answers.readline()
        self.works = bool(ready)
        if self.works:
            self._first_seconds = json.loads(ready)["first_seconds"]
        else:
            self.close()

    def measure(self) -> None:
        self._requests.write("\n")
        self._requests.flush()
        line = self._answers.readline()
        if not line:
            raise UserError(f"{self.title}: its process ended while it was measured (out of memory?)")
        answer = json.loads(line)
        self._seconds.append(answer["seconds"])
        self._values.append(answer["seconds"] if self._unit == "s" else answer["amount"] / answer["seconds"])
        self._facts = answer["facts"]

    def close(self) -> None:
        self._process.communicate()  # The end of its input ends it.

    def result(self) -> dict[str, Any]:
        excess = max(self._first_seconds - statistics.median(self._seconds), 0.0)
        facts = {name: round(value, 3) for name, value in self._facts.items()}
        return {"values": [float(f"{x:.5g}") for x in self._values], "compile_seconds": round(excess, 2), **facts}


def write_record(path: pathlib.Path, record: Mapping[str, Any]) -> None:
    """Writes a record as JSON, making its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
