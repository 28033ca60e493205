"""A population that the memory does not hold goes on with fewer members at once, and comes out the same."""

import pathlib
import subprocess
import sys

import numpy as np

from aejax.study.directory import StudyDirectory
from aejax.study.results import read_rows

ROOT = pathlib.Path(__file__).parent.parent.parent
# Sixteen members side by side, whose states take more than the limit leaves; the last eight wait for a second round.
CODE = """
import resource, sys
from aejax.cli import commands
from aejax.training.setup import set_up_jax
from aejax.study import execute
set_up_jax()
fit = execute._fit
def limited(work, *arguments):
    if BYTES is not None and resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        pages = int(open("/proc/self/statm").read().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + BYTES,) * 2)
    return fit(work, *arguments)
execute._fit = limited
commands.train(sys.argv[1:])
"""


def train(path, limit):
    """Trains the study in a process of its own, with so many bytes beyond what it has when training begins."""
    arguments = (
        "--config=experiments/quickstart.py",
        "--set=training.members_at_once=8",
        "--set=autoencoder.encoder.widths=[20000]",
        "--set=training.epochs=1",
        "--seeds=16",
        '--set=evaluation.measures=["reconstruction"]',
        "--set=evaluation.baselines=[]",
        f"--workdir={path}",
    )
    code = CODE.replace("BYTES", str(limit))
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)


def test_exhausted_memory_is_survived(tmp_path):
    whole, limited = train(tmp_path / "whole", None), train(tmp_path / "limited", 600_000_000)
    assert whole.returncode == 0, whole.stderr
    assert limited.returncode == 0, limited.stderr
    assert "the memory does not hold so many members at once; going on with" in limited.stdout
    assert "going on with" not in whole.stdout
    left, right = (read_rows(StudyDirectory(tmp_path / name)) for name in ("whole", "limited"))
    assert [row["id"] for row in left] == [row["id"] for row in right]
    for one, other in zip(left, right, strict=True):
        np.testing.assert_allclose(one["metrics"]["test_mse"], other["metrics"]["test_mse"], rtol=1e-4)
