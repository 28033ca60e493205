"""A contender's process, as those that measure it see it: asked, answered, and ended with all that it started."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import IO, Any

from aejax.errors import printable


class Failed(Exception):
    """A contender could not be measured; the message says why in one line."""


class ContenderProcess:
    """A process of `aejax.benchmark.worker`; use it as a context manager."""

    def __init__(self, module: str, environment: Mapping[str, str] | None = None):
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "aejax.benchmark.worker", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
            env=os.environ | (environment or {}),
            start_new_session=True,  # So that what it started can be ended with it.
        )

    def __enter__(self) -> "ContenderProcess":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(patience=10.0 if kind is None else 0.0)

    def ask(self, request: Mapping[str, Any], timeout: float | None = None) -> dict[str, Any]:
        """Returns the answer to a request.

        Raises:
          Failed: if there is none within so many seconds, or if it says what went wrong; the process may have ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        # An answer is one line, written at once.
        if not select.select([self._process.stdout], [], [], timeout)[0]:
            self.close(patience=0.0)
            raise Failed(f"no answer within {timeout:.3g} s, so it was ended")
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            raise Failed(f"its process ended with status {status}: {last_words(self._errors)}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def close(self, patience: float) -> None:
        """Ends the process, by the end of its input or, after so many seconds, with whatever it started."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()


def last_words(errors: IO[bytes]) -> str:
    """Returns the last line that a process wrote to its errors, at most 300 characters of it."""
    errors.seek(0)
    lines = [line.strip() for line in errors.read().decode(errors="replace").splitlines()]
    return printable(next((line for line in reversed(lines) if line), "it said nothing"), 300)
