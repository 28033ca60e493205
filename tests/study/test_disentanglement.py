"""Disentanglement in a study: measured of the codes that members have, and refused where it cannot be."""

import dataclasses

import numpy as np
import pytest

from aejax.autoencoders.fsq import FsqConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.data.load import DataConfig
from aejax.errors import ConfigError, DataError
from aejax.evaluation import factor_predictors
from aejax.evaluation.disentanglement import METRICS, disentanglement_metrics, unsupervised_ranking
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check
from aejax.networks.dense import Dense
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.study.job import Options
from aejax.study.plan import load_data
from aejax.study.run import evaluate_again
from aejax.trained.opening import Opener
from aejax.training.step import TrainingConfig
from tests.study.studies import edit_json, train

SPLITS = ("train", "validation", "test")
QUIET = Options(say=lambda _: None)


@pytest.fixture(scope="module", autouse=True)
def few_batches():
    """A hundredth of the batches: whose numbers they are is asked, not what they are worth."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NUM_FITTED", "NUM_SCORED"):
            patch.setattr(factor_predictors, name, getattr(factor_predictors, name) // 100)
        yield


@pytest.fixture(scope="module")
def path(dataset, tmp_path_factory):
    """Images of two factors: the brightest quadrant, and how bright the image is."""
    path = tmp_path_factory.mktemp("data") / "quadrants.npz"
    image, label = (
        np.concatenate([getattr(getattr(dataset, split), name) for split in SPLITS]) for name in ("image", "label")
    )
    brightness = image.mean(axis=(1, 2, 3))
    third = np.searchsorted(np.quantile(brightness, [1 / 3, 2 / 3]), brightness)
    np.savez(path, image=image, factor=np.stack([label, third], axis=1))
    return path


@pytest.fixture(scope="module")
def config(path):
    return Config(
        data=DataConfig(name=str(path)),
        autoencoder=VaeConfig(encoder=Dense(widths=(16,)), latent_size=3),
        training=TrainingConfig(epochs=20, batch_size=20),
        evaluation=EvaluationConfig(measures=("reconstruction", "disentanglement"), baselines=()),
    )


def test_the_metrics_are_those_of_the_members_codes(config, tmp_path):
    other = dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, learning_rate=1e-2))
    train([config, dataclasses.replace(config, seed=1), other], tmp_path / "study")
    directory = StudyDirectory(tmp_path / "study")
    codes, rows = {}, {row["id"]: row for row in read_rows(directory)}
    opener = Opener(directory, QUIET)
    for member in opener.open("autoencoder", rows.values()):
        splits = {name: getattr(opener.source(member).dataset, name) for name in SPLITS}
        code = codes[member.id] = {name: np.asarray(member.encode(split.image)) for name, split in splits.items()}
        if member.config.seed != 1:  # One is enough to see that they are of its own codes.
            continue
        expected = disentanglement_metrics(code, {name: split.factor for name, split in splits.items()})
        assert set(expected) == {f"{split}_{name}" for split in SPLITS[1:] for name in METRICS}
        for name, value in expected.items():
            assert rows[member.id]["metrics"][name] == pytest.approx(value, abs=1e-5), name
    pair = [name for name, row in rows.items() if row["config"]["optimizer.learning_rate"] == 1e-3]
    (alone,) = set(rows) - set(pair)
    for split in SPLITS[1:]:
        ranked = unsupervised_ranking([codes[name][split] for name in pair])
        assert [rows[name]["metrics"][f"{split}_udr"] for name in pair] == pytest.approx(ranked, abs=1e-4)
        assert f"{split}_udr" not in rows[alone]["metrics"]  # It has no other seed to be compared with.


@pytest.mark.slow
def test_udr_is_of_all_seeds_whichever_populations_they_ran_in(config, tmp_path):
    config = dataclasses.replace(config, training=TrainingConfig(epochs=1, batch_size=20))
    seeds = [dataclasses.replace(config, seed=seed) for seed in range(3)]
    train(seeds, tmp_path / "together")
    together = udr(tmp_path / "together")
    assert len(together) == 6
    train(seeds[:1], tmp_path / "grown")
    assert udr(tmp_path / "grown") == {}
    train(seeds, tmp_path / "grown")
    assert len(StudyDirectory(tmp_path / "grown").populations()) == 2
    assert udr(tmp_path / "grown") == together
    # Evaluated again, the numbers are the same, and a process that ends before it has compared all is made good.
    rows, problems = evaluate_again(StudyDirectory(tmp_path / "grown"), update=True, options=QUIET)
    assert not problems
    assert udr_of(rows) == together == udr(tmp_path / "grown")
    for results in (tmp_path / "grown").glob("populations/*/results.json"):
        edit_json(results, without_udr)
    assert udr(tmp_path / "grown") == {}
    train(seeds, tmp_path / "grown")
    assert udr(tmp_path / "grown") == together


def udr_of(rows):
    return {(row["id"], name): value for row in rows for name, value in row["metrics"].items() if name.endswith("_udr")}


def udr(path):
    return udr_of(read_rows(StudyDirectory(path)))


def without_udr(results):
    for member in results["members"]:
        member["metrics"] = {name: value for name, value in member["metrics"].items() if not name.endswith("_udr")}
    return results


def test_what_it_cannot_be_measured_of_is_refused_before_training(config, path, tmp_path):
    discrete = dataclasses.replace(config, autoencoder=FsqConfig(encoder=Dense(widths=(16,)), num_positions=2))
    with pytest.raises(ConfigError, match="is of codes of numbers, and autoencoder=fsq has indices"):
        check(discrete)
    with pytest.raises(DataError, match="digits does not know what its images were made from"):
        load_data([dataclasses.replace(config, data=DataConfig())])
    arrays = dict(np.load(path))
    np.savez(tmp_path / "one.npz", image=arrays["image"], factor=arrays["factor"] * np.array([[1, 0]]))
    with pytest.raises(DataError, match="fewer than two factors"):
        load_data([dataclasses.replace(config, data=DataConfig(name=str(tmp_path / "one.npz")))])
