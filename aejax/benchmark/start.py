"""Starting as a contender: from the start of a process to the curves of its first epoch of training."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

ROOT = pathlib.Path(__file__).parent.parent.parent
TIMEOUT = 120.0


def make_runner(warm: bool) -> "_Start":
    """Returns a runner that starts the quickstart, with the compilation cache of an earlier start or without any."""
    return _Start(warm)


class _Start:
    def __init__(self, warm: bool):
        self._warm = warm
        self._directory = tempfile.TemporaryDirectory(prefix="aejax-start-")
        self._starts = 0

    def run(self) -> float:
        self._starts += 1
        base = pathlib.Path(self._directory.name)
        workdir, cache = base / f"study-{self._starts}", base / ("cache" if self._warm else f"cache-{self._starts}")
        command = [sys.executable, str(ROOT / "scripts" / "train.py")]
        command += [f"--config={ROOT / 'experiments' / 'quickstart.py'}", f"--workdir={workdir}"]
        command += ["--set", "training.epochs=1"]  # Curves come at the end of a chunk, which is then 20 steps long.
        process = subprocess.Popen(
            command,
            env=os.environ | {"XDG_CACHE_HOME": str(cache)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + TIMEOUT
            while not any(file.stat().st_size for file in workdir.glob("populations/*/metrics.jsonl")):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the quickstart wrote no curves: {' '.join(command)}")
                time.sleep(0.01)
        finally:
            process.kill()
            process.wait()
        return 1

    def facts(self) -> dict[str, Any]:
        return {}
