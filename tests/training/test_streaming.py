"""Streamed images: what is trained and measured of them is to the last bit what is of images on the devices."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.data.augmentation import Augmentation
from aejax.data.load import DataConfig
from aejax.errors import Interrupted
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.config import ProbeConfig
from aejax.networks.dense import Dense
from aejax.samplers.gaussian import FullGaussian
from aejax.samplers.zoo import GenerationConfig
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.store.stop import StopRequest
from aejax.study.job import Options
from aejax.study.run import run
from aejax.training.config import TrainingConfig
from aejax.training.fine_tuning import FineTuningConfig
from tests.study.studies import read_lines, read_parameters, train

TINY = 1e-5  # Gigabytes: windows of two steps.
CONFIG = Config(
    data=DataConfig(train_size=160, validation_size=100),
    autoencoder=PlainConfig(encoder=Dense(widths=(16,)), latent_size=4),
    training=TrainingConfig(  # Five steps an epoch.
        epochs=2, batch_size=32, patience=5, augmentation=Augmentation(brightness=0.3, contrast=0.3, shift=1)
    ),
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
    stop = StopMidway(tmp_path)
    with pytest.raises(Interrupted):
        run(configs(TINY, num=3), StudyDirectory(tmp_path), options=Options(checkpoint_seconds=0, stop=stop))
    train(configs(TINY, num=3), tmp_path)
    assert_alike(resident, tmp_path)


@pytest.mark.slow
def test_all_methods_and_measures_of_streamed_images_are_those_of_resident_ones(tmp_path):
    """Supervised, fine-tuned and generating methods too; the raw pixels are left out."""
    config = dataclasses.replace(
        CONFIG,
        autoencoder=VaeConfig(encoder=Dense(widths=(16,)), latent_size=4),
        fine_tuning=FineTuningConfig(epochs=1),
        generation=GenerationConfig(sampler=FullGaussian(), num_samples=100, num_neighbors=3),
        evaluation=EvaluationConfig(
            measures=("reconstruction", "likelihood", "probe", "robustness"), probe=ProbeConfig(strengths=(1e-2,))
        ),
    )
    lines = []
    train(configs(config=config), tmp_path / "resident")
    train(configs(TINY, config=config), tmp_path / "streamed", say=lines.append)
    metrics = [
        {row["method"]: row["metrics"] for row in read_rows(StudyDirectory(tmp_path / name))}
        for name in ("resident", "streamed")
    ]
    metrics[0].pop("pixels")
    assert any("pixels" in line and "data.memory" in line for line in lines)
    assert metrics[0].keys() == metrics[1].keys() >= {"supervised", "fine_tuned", "pca", "generator"}
    for method, of_method in metrics[0].items():
        for name in [name for name in of_method if not name.endswith("gradient_norm")]:
            assert metrics[1][method][name] == pytest.approx(of_method[name], rel=1e-5), (method, name)


@pytest.mark.slow
@pytest.mark.parametrize("train_size", [256, 70])
def test_epochs_of_any_number_of_steps_are_alike(tmp_path, train_size):
    config = dataclasses.replace(CONFIG, data=dataclasses.replace(CONFIG.data, train_size=train_size))
    for memory in (None, TINY):
        train(configs(memory, config=config), tmp_path / str(memory))
    assert_alike(tmp_path / "None", tmp_path / str(TINY))
