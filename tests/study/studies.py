"""What the tests of studies share: a study that is small but has all that can go wrong, and how to compare two."""

import csv
import json
import pathlib
import subprocess
import sys

import jax
import numpy as np
import orbax.checkpoint as ocp

from aejax.autoencoders.plain import PlainConfig
from aejax.errors import Interrupted
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.store.directory import StudyDirectory
from aejax.store.files import read_json, write_json
from aejax.store.stop import StopRequest
from aejax.study.job import Options
from aejax.study.run import run
from aejax.training.step import TrainingConfig

ROOT = pathlib.Path(__file__).parent.parent.parent
COST = {
    "train_seconds",
    "images_per_second",
    "train_compile_seconds",
    "evaluation_seconds",
    "evaluation_compile_seconds",
}
CONFIG = Config(
    autoencoder=PlainConfig(encoder=Dense(widths=(8,)), latent_size=2),
    training=TrainingConfig(epochs=300),
    evaluation=EvaluationConfig(measures=("reconstruction",), baselines=()),
)
# Three populations of two members, each trained in four chunks with a checkpoint after each. Of one size, so that only
# one has to be compiled; the neighbors, which nobody asks for here, are what tells populations apart.
ARGUMENTS = (
    "--config=experiments/quickstart.py",
    "--seeds=2",
    "--set=training.epochs=300",
    "--set=autoencoder.encoder.widths=[8]",
    "--set=autoencoder.latent_size=2",
    "--sweep=evaluation.num_neighbors=1,2,3",
    '--set=evaluation.measures=["reconstruction"]',
    "--set=evaluation.baselines=[]",
    "--checkpoint_seconds=0",
)


def script(name, *arguments, **kwargs):
    """Returns a script of the project, started and not waited for."""
    return subprocess.Popen(
        [sys.executable, f"scripts/{name}.py", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


def finish(process):
    """Returns (exit status, stdout, stderr) of a process, after its end."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def edit_json(path, change):
    """Writes what a function makes of the content of a JSON file, as if this project had written it."""
    write_json(path, change(read_json(path)))


def read_csv(path):
    """Returns results.csv without the columns that clocks write."""
    rows = csv.DictReader((path / "results.csv").read_text().splitlines())
    return [{name: value for name, value in row.items() if name not in COST} for row in rows]


def read_parameters(path):
    """Returns the arrays of the newest checkpoint of every population, by the population's directory."""
    states = {}
    for population in sorted(file.parent for file in path.glob("populations/*/checkpoints")):
        newest = max((population / "checkpoints").iterdir())
        with ocp.StandardCheckpointer() as checkpointer:
            states[population.name] = checkpointer.restore(newest.absolute() / "state")
    return states


def read_lines(path):
    """Returns the lines of every metrics.jsonl, in an order that does not depend on that of training."""
    lines = [line for file in path.glob("populations/*/metrics.jsonl") for line in file.read_text().splitlines()]
    return sorted(json.dumps(json.loads(line), sort_keys=True) for line in lines)


def assert_same_study(left, right):
    """Checks that two finished studies are bitwise the same, but for what clocks write."""
    assert read_csv(left) == read_csv(right)
    assert read_lines(left) == read_lines(right)
    states = read_parameters(left), read_parameters(right)
    assert len(states[0]) > 0
    jax.tree.map(np.testing.assert_array_equal, *states)


class StopAtSave(StopRequest):
    """Stops a process once it has saved so often."""

    def __init__(self, num):
        super().__init__()
        self._left = num

    def obey(self):
        self._left -= 1
        if self._left == 0:
            raise Interrupted("enough", 75)


def train(configs, path, *, stop_at_save=None, say=lambda _: None, **how):
    """Trains what is missing in a directory, saving after every chunk."""
    stop = StopRequest() if stop_at_save is None else StopAtSave(stop_at_save)
    run(configs, StudyDirectory(path), options=Options(checkpoint_seconds=0, stop=stop, say=say), **how)
