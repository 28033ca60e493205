"""Starting as a contender: a process of the quickstart, until its first curves or its end, or of a dry run."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

TIMEOUT = 300.0
ARGUMENTS = {
    "curves": ["--set", "training.epochs=1"],  # Curves come at the end of a chunk, which is then 20 steps long.
    "end": [],
    "plan": ["--seeds=10000", "--dry_run"],
}


def make_runner(until: str, warm: bool = True) -> "_Start":
    """Returns a runner that starts the quickstart.

    Args:
      until: "curves": those of the first epoch are written; "end": the process ends; "plan": a dry run of 10,000 seeds.
      warm: whether the compilation cache is that of an earlier start; otherwise there is none.
    """
    return _Start(until, warm)


class _Start:
    def __init__(self, until: str, warm: bool):
        self._until, self._warm = until, warm
        self._directory = tempfile.TemporaryDirectory(prefix="aejax-start-")
        self._starts = 0
        self._memory_mb = 0.0

    def run(self) -> float:
        self._starts += 1
        base = pathlib.Path(self._directory.name)
        workdir, cache = base / f"study-{self._starts}", base / ("cache" if self._warm else f"cache-{self._starts}")
        command = [sys.executable, "-m", "aejax", "train", "quickstart", f"--workdir={workdir}"]
        command += ARGUMENTS[self._until]
        process = subprocess.Popen(
            command,
            env=os.environ | {"XDG_CACHE_HOME": str(cache)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + TIMEOUT
        while not self._is_done(process, workdir):
            if time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"the quickstart takes longer than {TIMEOUT:.0f} s")
            time.sleep(0.01)
        return 1

    def _is_done(self, process: subprocess.Popen[bytes], workdir: pathlib.Path) -> bool:
        if self._until == "curves" and any(f.stat().st_size for f in workdir.glob("populations/*/metrics.jsonl")):
            process.kill()
            process.wait()
            return True
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if not ended:
            return False
        process.returncode = os.waitstatus_to_exitcode(status)
        self._memory_mb = usage.ru_maxrss / 1000
        if process.returncode or self._until == "curves":
            raise RuntimeError(f"the quickstart ended with status {process.returncode}")
        return True

    def facts(self) -> dict[str, Any]:
        return {"memory_mb": self._memory_mb} if self._until != "curves" else {}
