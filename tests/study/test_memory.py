"""A population that the memory does not hold goes on with fewer members at once, and comes out the same."""

import os
import pathlib
import subprocess
import sys

import pytest

from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows

ROOT = pathlib.Path(__file__).parent.parent.parent
# A step a member, on all images: its activations take far more than all that there is of other memory. The
# limit is on address space, and holds for the last study alone: by then everything is compiled.
CODE = """
import pathlib, resource, sys
from aejax.config import override
from aejax.experiment import Config
from aejax.store.directory import StudyDirectory
from aejax.study.run import run
from aejax.training.setup import set_up_jax

set_up_jax()
changes = {
    "autoencoder.encoder.widths": [6_000],
    "data.validation_size": 0,
    "evaluation.baselines": [],
    "evaluation.measures": ["reconstruction"],
    "optimizer": "sgd",
    "training.batch_size": "all",
    "training.epochs": 1,
}
for name, members_at_once in (("one", 1), ("two", 2), ("limited", 2)):
    config = override(Config(), changes | {"training.members_at_once": members_at_once})
    if name == "limited":
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 500_000_000
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    print(name)
    run([override(config, {"seed": seed}) for seed in range(4)], StudyDirectory(pathlib.Path(sys.argv[1]) / name))
"""


@pytest.mark.slow
def test_exhausted_memory_is_survived_and_changes_nothing(tmp_path):
    """Two rounds of one member on each device, because the memory is too small for one of two: the very same bits."""
    # Every thread's own arena would reserve address space.
    env = os.environ | {"JAX_NUM_CPU_DEVICES": "2", "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-c", CODE, str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    *unlimited, line = [line for line in ended.stdout.splitlines() if not line.startswith("data: ")]
    assert unlimited == ["one", "two", "limited"]
    assert "the memory does not hold so many members at once; going on with 1 on each device" in line
    metrics = {
        name: {row["config"]["seed"]: row["metrics"] for row in read_rows(StudyDirectory(tmp_path / name))}
        for name in ("one", "limited")
    }
    assert len(metrics["one"]) == 4
    assert metrics["limited"] == metrics["one"]
