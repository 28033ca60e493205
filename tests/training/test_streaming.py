"""Streamed images: what is trained and measured of them is to the last bit what is of images on the devices."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.data.load import DataConfig
from aejax.errors import Interrupted
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.store.stop import StopRequest
from aejax.study.job import Options
from aejax.study.run import run
from aejax.training.config import TrainingConfig
from tests.study.studies import read_lines, read_parameters, train

TINY = 1e-5  # Gigabytes: windows of two steps.
CONFIG = Config(
    data=DataConfig(train_size=300, validation_size=100),
    autoencoder=PlainConfig(encoder=Dense(widths=(16,)), latent_size=4),
    training=TrainingConfig(epochs=2, batch_size=32, patience=5),  # Nine steps an epoch.
    evaluation=EvaluationConfig(measures=("reconstruction",), baselines=()),
)


def configs(memory=None, num=1, config=CONFIG, **training):
    data, training = dataclasses.replace(config.data, memory=memory), dataclasses.replace(config.training, **training)
    return [dataclasses.replace(config, data=data, training=training, seed=seed) for seed in range(num)]


def described(path):
    """What a study says, without ids and the field that differs."""
    rows = [(row["config"]["seed"], row["metrics"], row["status"]) for row in read_rows(StudyDirectory(path))]
    lines = [{name: value for name, value in json.loads(line).items() if name != "id"} for line in read_lines(path)]
    return sorted(map(str, rows)), sorted(map(str, lines))


def assert_alike(left, right):
    (one,), (other,) = (read_parameters(path).values() for path in (left, right))
    jax.tree.map(np.testing.assert_array_equal, one, other)
    assert described(left) == described(right)


class StopMidway(StopRequest):
    """Stops a process once it has saved amid the second epoch of the second round."""

    def __init__(self, path):
        super().__init__()
        self._path, self._left = path, 7

    def obey(self):
        for newest in map(max, (folder.iterdir() for folder in self._path.glob("populations/*/checkpoints"))):
            self._left -= (newest / "midway").is_dir()
        if not self._left:
            raise Interrupted("enough", 75)


@pytest.fixture(scope="module")
def resident(tmp_path_factory):
    path = tmp_path_factory.mktemp("resident")
    train(configs(num=3), path)
    return path


def test_streamed_members_are_those_that_have_all_images_and_a_stopped_one_goes_on_amid_an_epoch(resident, tmp_path):
    with pytest.raises(Interrupted):
        stop = StopMidway(tmp_path)
        run(configs(TINY, num=3), StudyDirectory(tmp_path), options=Options(checkpoint_seconds=0, stop=stop))
    train(configs(TINY, num=3), tmp_path)
    assert_alike(resident, tmp_path)
