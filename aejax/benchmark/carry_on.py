"""A study that is stopped and carried on, as a contender: by SIGTERM, and by the same command again."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from aejax.benchmark.processes import last_words
from aejax.errors import UserError
from aejax.store.directory import StudyDirectory
from aejax.store.metrics import FILE, read_curves
from aejax.store.stop import EXIT_STATUS

CHECKPOINT_SECONDS = 5
LAST_CHUNK = 60.0  # Seconds that a study may take to stop.


def make_runner(arguments: Sequence[str], begun: float, carried_on: float, workdir: str | None = None) -> "_Study":
    """Returns a runner that trains a study for some seconds, and from then on carries it on for others.

    Its value are the epochs of all members for each second that it trained, from the first one seen to the last.

    Args:
      arguments: of `aejax train`, without the work directory.
      begun: seconds after which it is stopped the first time.
      carried_on: seconds after which it is stopped from then on.
      workdir: its directory; None: one that is removed afterwards.
    """
    return _Study(arguments, begun, carried_on, workdir)


class _Study:
    def __init__(self, arguments: Sequence[str], begun: float, carried_on: float, workdir: str | None):
        self._temporary = tempfile.TemporaryDirectory(prefix="aejax-study-")
        self._directory = StudyDirectory(pathlib.Path(workdir or f"{self._temporary.name}/study"))
        self._command = [sys.executable, "-m", "aejax", "train", *arguments]
        self._command += [f"--workdir={self._directory.path}", f"--checkpoint_seconds={CHECKPOINT_SECONDS}"]
        self._seconds = begun
        self._carried_on = carried_on
        self._parent = os.getppid()
        self._facts: dict[str, Any] = {}

    def run(self) -> float:
        before = self._epochs()
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=errors)
            try:
                epochs_per_second = self._train(process, before)
                process.terminate()
                status = process.wait(LAST_CHUNK)
            finally:
                process.kill()
                process.wait()
            if status != EXIT_STATUS[signal.SIGTERM]:
                raise UserError(f"aejax train ended with status {status}: {last_words(errors)}")
        after = self._epochs()
        if after <= before:
            raise UserError(f"the study did not go on: {after} epochs, and {before} before")
        self._facts = {"value": epochs_per_second, "epochs_before": before, "epochs_after": after}
        self._seconds = self._carried_on
        return 1

    def _train(self, process: subprocess.Popen[bytes], before: int) -> float:
        """Returns the epochs a second after it trained for so long, and at least two chunks of epochs."""
        deadline = time.monotonic() + self._seconds
        progress: list[tuple[float, int]] = []  # Times, and the epochs until then.
        while time.monotonic() < deadline or len(progress) < 2:
            if os.getppid() != self._parent:
                raise UserError("whoever measures the study has been killed, so it is killed too")
            if process.poll() is not None:
                break
            epochs = self._epochs()
            if epochs > (progress[-1][1] if progress else before):
                progress.append((time.monotonic(), epochs))
            time.sleep(0.2)
        if len(progress) < 2:
            return 0.0
        (since, first), (until, last) = progress[0], progress[-1]
        return (last - first) / (until - since)

    def _epochs(self) -> int:
        """Returns how many epochs all members have trained together, as far as their curves say."""
        populations = self._directory.path.glob(f"populations/*/{FILE}")
        curves = [read_curves(path.parent)[0] for path in populations]
        return sum(len(curve["epoch"]) for members in curves for curve in members.values())

    def facts(self) -> dict[str, Any]:
        return self._facts
