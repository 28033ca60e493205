"""Contenders in turn, each with the device for itself, until time is up; what is measured is said and kept at once."""

import os
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from aejax.benchmark.accelerator_suites import MB, MEMORY, WAVES, Scale
from aejax.benchmark.measure import Measurement, start, write_record
from aejax.benchmark.processes import ContenderProcess, Failed
from aejax.benchmark.suites import OURS, Case, Contender
from aejax.errors import UserError
from aejax.report.speed import ACCELERATOR_HEADING, accelerator_cells, describe_memory, read_record
from aejax.study.environment import environment_changes

Say = Callable[[str], None]
Suites = dict[str, dict[str, Case]]
MACHINE = Contender("aejax.benchmark.machine", {})
WIDTHS = (38, 35, 18, 11, 12, 8, 9, 11, 0)


class Processes:
    """One process at a time, so that it has the device for itself; it serves contenders of its module in turn.

    Use it as a context manager. The compiled programs of other commands are not found: compile times are those of
    compiling.
    """

    def __init__(self) -> None:
        self._caches = tempfile.TemporaryDirectory(prefix="aejax-accelerator-")
        self._module = ""
        self._process: ContenderProcess | None = None

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.end(patience=10.0 if kind is None else 0.0)
        self._caches.cleanup()

    def serve(self, contender: Contender) -> ContenderProcess:
        """Returns a process for a contender.

        Raises:
          Failed: if a package is missing that it needs.
        """
        if self._process is None or contender.alone or self._module != contender.module or not self._process.is_alive:
            self.end(patience=10.0)
            folder = tempfile.mkdtemp(dir=self._caches.name) if contender.alone else self._caches.name
            self._process = start(contender, {"XDG_CACHE_HOME": folder})
            self._module = "" if contender.alone else contender.module
        return self._process

    def end(self, patience: float) -> None:
        """Ends the process, if there is one."""
        if self._process is not None:
            self._process.close(patience)
        self._process = None


class _Row(NamedTuple):
    """A contender of a case, and where both belong."""

    suite: str
    name: str
    case: Case
    title: str

    @property
    def contender(self) -> Contender:
        return self.case.contenders[self.title]

    @property
    def members(self) -> int:
        return int(self.contender.arguments.get("members", 1))

    @property
    def work(self) -> tuple[str, str, str]:
        """What tells it from other work: rows that share it are measured once."""
        own = self.title if self.contender.alone else ""
        return self.contender.module, repr(sorted(self.contender.arguments.items())), own


class Turns:
    """The contenders in turn, as long as there is time, and what came of them."""

    def __init__(self, processes: Processes, scale: Scale, deadline: float, say: Say):
        self._processes, self._scale, self._deadline, self._say = processes, scale, deadline, say
        self._took: list[tuple[Contender, int, float]] = []
        self._results_by_work: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._said: set[tuple[str, str]] = set()
        self._path: pathlib.Path | None = None
        self._record: dict[str, Any] = {}

    def open_record(self, path: pathlib.Path | None) -> str:
        """Returns JAX's backend, after beginning a record, or going on with the one at a path.

        Raises:
          UserError: if it is of another machine, other versions, or another scale.
        """
        self._path = path
        try:
            process = self._processes.serve(MACHINE)
            process.ask({"arguments": MACHINE.arguments}, self._scale.longest)
            environment = process.ask({"seconds": 0}, self._scale.longest)["facts"]["machine"]
        except Failed as error:
            raise UserError(f"no device can be used: {error}") from None
        environment.pop("clean")  # The record itself may be a file of the checkout.
        environment["scale"] = self._scale.name
        self._record = {"date": time.strftime("%Y-%m-%d"), "environment": environment, "cases": {}, "left_out": {}}
        if path is not None and os.path.lexists(path):
            old = read_record(path)
            if changes := environment_changes(old["environment"], environment):
                raise UserError(f"{path} is a record of something else ({changes[0]}); name another file by --json")
            self._record = old
        device = f"{environment['devices']} x {environment['device']} ({environment['backend']})"
        self._say(f"{device}, jax {environment['jax']}, PyTorch {environment.get('torch', 'not installed')}")
        return str(environment["backend"])

    @property
    def _left(self) -> float:
        """Seconds until time is up."""
        return max(self._deadline - time.monotonic(), 0.0)

    def measure(self, suites: Suites) -> None:
        """Measures what the record lacks, row after row.

        Raises:
          OSError: if the record cannot be written; before anything is measured, if that is so from the beginning.
        """
        self._keep()
        self._say(_line(ACCELERATOR_HEADING))
        for row in _rows(suites):
            result = self._results(row.name).get(row.title) or self._results_by_work.get(row.work)
            if result is None:
                try:
                    result = self._measure(row)
                except Failed as error:
                    self._record["left_out"][f"{row.name}: {row.title}"] = str(error)
                    self._keep()
                    self._say_left_out(row, error)
                    continue
            self._results_by_work[row.work] = result
            case = self._record["cases"].setdefault(row.name, {"unit": row.case.unit, "suite": row.suite})
            results = self._results(row.name) | {row.title: result}
            case["contenders"] = {title: results[title] for title in row.case.contenders if title in results}
            self._record["left_out"].pop(f"{row.name}: {row.title}", None)
            self._keep()
            self._say(_line(accelerator_cells(self._record, row.name, row.title)))

    def _say_left_out(self, row: _Row, error: Failed) -> None:
        """Says why a row is missing, but not again of a contender that is missing for the same reason in each case."""
        if (row.title, str(error)) not in self._said:
            self._say(f"{row.name}: {row.title} left out; {error}")
        self._said.add((row.title, str(error)))

    def _results(self, name: str) -> dict[str, dict[str, Any]]:
        return self._record["cases"].get(name, {}).get("contenders", {})

    def estimate(self, suites: Suites) -> None:
        """Says for each population what a member takes of memory, and how many fit; nothing is trained."""
        for row in _rows(suites):
            if row.contender.module not in (OURS, MEMORY):
                continue
            network = row.contender.arguments["network"]
            arguments = row.contender.arguments | self._scale.memory(network)
            for name in ("members", "bits", "deterministic"):
                arguments.pop(name, None)
            asked = row._replace(case=Case(MB, {row.title: Contender(MEMORY, arguments)}))
            try:
                result = self._results_by_work.get(asked.work) or self._measure(asked)
            except Failed as error:
                self._say_left_out(row, error)
                continue
            self._results_by_work[asked.work] = result
            fits = "" if row.members <= result["fit"] else f"; {row.members:,} do not fit at once"
            self._say(f"{row.name}: {row.title}: {describe_memory(result)}{fits}")

    def _keep(self) -> None:
        if self._path is not None:
            write_record(self._path, self._record)

    def _measure(self, row: _Row) -> dict[str, Any]:
        contender, left, expected = row.contender, self._left, self._expected(row)
        if left <= expected:
            needed = f", and it takes about {expected:.0f} s" if expected else ""
            raise Failed(f"{left:.0f} s are left of --seconds{needed}")
        begun = time.monotonic()
        until = min(self._deadline, begun + max(self._scale.longest, 2 * (contender.seconds or 0)))
        patience = lambda: max(until - time.monotonic(), 0.0)  # noqa: E731
        try:
            process = self._processes.serve(contender)
            measurement = Measurement(process, contender, row.case.unit, patience())
            for _ in range(self._scale.repetitions if contender.repeats else 1):
                measurement.repeat(self._scale.seconds, patience())
        finally:
            self._took.append((contender, row.members, time.monotonic() - begun))
        return measurement.result() | {"members": row.members}

    def _expected(self, row: _Row) -> float:
        """Returns how many seconds a row may take: what one of as many members of the network took, or of more."""
        if row.contender.seconds is not None:
            return row.contender.seconds
        network = row.contender.arguments["network"]
        alike = [
            (members, seconds)
            for contender, members, seconds in self._took
            if contender.module == row.contender.module and contender.arguments["network"] == network
        ]
        as_many = [seconds for members, seconds in alike if members >= row.members]
        return min(as_many) if as_many else max((seconds for _, seconds in alike), default=0.0)


def _rows(suites: Suites) -> Iterator[_Row]:
    """Yields all rows in the order in which they are measured: in a wave, those of one module after another."""
    for wave in WAVES:
        rows = [
            _Row(suite, name, case, title)
            for suite in wave
            for name, case in suites.get(suite, {}).items()
            for title in case.contenders
        ]
        for module in dict.fromkeys(row.contender.module for row in rows):
            yield from (row for row in rows if row.contender.module == module)


def _line(cells: Sequence[str]) -> str:
    aligned = [
        cell.ljust(width) if index < 2 else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, WIDTHS, strict=True))
    ]
    return "  ".join(aligned).rstrip()
