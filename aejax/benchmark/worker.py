"""The process of one contender: it answers every line on its input with one measurement, and rests in between.

`python -m aejax.benchmark.worker MODULE ARGUMENTS`, where the module has `make_runner(**ARGUMENTS)`.
"""

import importlib
import json
import os
import resource
import sys
import time
from typing import Any, Protocol


class Runner(Protocol):
    """Work that is measured."""

    def run(self) -> float:
        """Does the work once and returns how much it was: images seen, or 1 where seconds are what counts."""

    def facts(self) -> dict[str, Any]:
        """Returns what else there is to say, such as FLOPs per image or an accuracy."""


def main(module: str, arguments: str) -> None:
    """Answers on the process's standard output, whatever libraries print."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    make_runner = importlib.import_module(module).make_runner
    started = time.perf_counter()
    runner: Runner = make_runner(**json.loads(arguments))
    runner.run()
    print(json.dumps({"first_seconds": time.perf_counter() - started}), file=answers, flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        amount = runner.run()
        seconds = time.perf_counter() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        answer = {"amount": amount, "seconds": seconds, "facts": {"memory_mb": memory} | runner.facts()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
