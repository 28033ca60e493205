"""The process of a contender: it answers every line on its input with one measurement, and rests in between.

`python -m aejax.benchmark.worker MODULE`, where the module has `make_runner(**arguments)`. Lines are JSON objects:

* `{"arguments": {...}}` makes a runner, in the place of an earlier one, and lets it run once;
* `{"seconds": x}` lets it run, again and again until so many seconds have passed.

What fails is answered with `{"error": "..."}`, and does not end the process.
"""

import gc
import importlib
import json
import os
import resource
import sys
import time
from typing import Any, Protocol

from aejax.errors import UserError, in_one_line


class Runner(Protocol):
    """Work that is measured."""

    def run(self) -> float:
        """Does the work once and returns how much it was: images seen, or 1 where seconds are what counts."""

    def facts(self) -> dict[str, Any]:
        """Returns further facts, such as FLOPs per image or an accuracy; a `value` takes the place of the speed."""


class _Contender:
    def __init__(self, module: str):
        self._module = module
        self._runner: Runner | None = None
        self._num_runners = 0

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._make_runner(request["arguments"]) if "arguments" in request else self._measure(request["seconds"])

    def _make_runner(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._runner = None
        gc.collect()  # What the runner before this one had on the device.
        make_runner = importlib.import_module(self._module).make_runner
        started = time.perf_counter()
        self._runner = make_runner(**arguments)
        self._num_runners += 1
        self._runner.run()
        return {"first_seconds": time.perf_counter() - started}

    def _measure(self, least: float) -> dict[str, Any]:
        assert self._runner is not None
        started, runs, amount, seconds = time.perf_counter(), 0, 0.0, 0.0
        while not runs or seconds < least:
            amount, runs = amount + self._runner.run(), runs + 1
            seconds = time.perf_counter() - started
        # The most memory that a process ever had is that of a runner only if it had no other.
        most = {"memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3} if self._num_runners == 1 else {}
        return {"runs": runs, "amount": amount, "seconds": seconds, "facts": most | self._runner.facts()}


def main(module: str) -> None:
    """Answers on the process's standard output, whatever libraries print."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    contender = _Contender(module)
    for line in sys.stdin:
        try:
            answer = contender.answer(json.loads(line))
        except Exception as error:
            answer = {"error": str(error) if isinstance(error, UserError) else in_one_line(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
