"""Studies of variational families: images drawn anew for each batch, a KL that warms up, and what is measured."""

import dataclasses
import json
import math

import pytest

from aejax.autoencoders.info_vae import Wae
from aejax.autoencoders.vae import BetaVae
from aejax.data.load import DataConfig
from aejax.errors import ConfigError, Interrupted
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import Bernoulli, OptimalGaussian
from aejax.report.write import write_report
from aejax.study.directory import StudyDirectory
from aejax.study.results import read_rows
from aejax.training.step import TrainingConfig
from tests.study.studies import assert_same_study, read_csv, read_lines, train

CONFIG = Config(
    data=DataConfig(binarization="dynamic", validation_size=100),
    autoencoder=BetaVae(encoder=Dense(widths=(16,)), latent_size=3, likelihood=Bernoulli(), warmup_epochs=4.0),
    training=TrainingConfig(epochs=100, batch_size=64),
    evaluation=EvaluationConfig(
        measures=("reconstruction", "posterior", "likelihood", "class_mean"),
        baselines=("untrained", "supervised", "pixels"),
        likelihood_samples=20,
    ),
)


def members(config=CONFIG):
    return [
        dataclasses.replace(config, seed=seed, autoencoder=dataclasses.replace(config.autoencoder, beta=beta))
        for beta in (1.0, 1000.0)
        for seed in (0, 1)
    ]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished study of two weights and two seeds, the second weight so large that codes say nothing."""
    path = tmp_path_factory.mktemp("study")
    train(members(), path)
    write_report([StudyDirectory(path)], path)
    return path


def test_models_with_a_posterior_have_its_metrics_and_no_others_have(study):
    rows = read_rows(StudyDirectory(study))
    assert {row["method"] for row in rows} == {"autoencoder", "untrained", "supervised", "pixels"}
    for row in rows:
        found = [f"{split}_{name}" for split in ("validation", "test") for name in ("rate", "nll", "active_units")]
        own = row["method"] in ("autoencoder", "untrained")
        assert all((name in row["metrics"]) is own for name in found), row["method"]
        if own:
            metrics = row["metrics"]
            # 20 draws bound log p(x) more closely than one does.
            assert -metrics["test_elbo"] > metrics["test_nll"]
            assert metrics["test_bits_per_dimension"] == pytest.approx(metrics["test_nll"] / 64 / math.log(2))
            assert abs(metrics["test_elbo"] + metrics["test_rate"] + metrics["test_distortion"]) < 2
    trained = [row for row in rows if row["method"] == "autoencoder"]
    collapsed = {row["config"]["autoencoder.beta"]: row["metrics"]["test_collapsed"] for row in trained}
    assert collapsed == {1.0: 0, 1000.0: 1}
    best = min(row["metrics"]["test_nll"] for row in trained)
    assert best < min(row["metrics"]["test_nll"] for row in rows if row["method"] == "untrained") - 5


def test_the_report_shows_rate_and_distortion_and_says_what_collapsed(study):
    page = (study / "report.html").read_text()
    assert "Rate and distortion" in page
    assert "no unit is active in 2 of 4 members" in page


def test_the_kl_warms_up_by_the_epoch(study):
    lines = [json.loads(line) for line in read_lines(study)]
    curves = {line["epoch"]: line for line in lines if line.get("train_kl") is not None and line["seed"] == 0}
    late = {epoch: curves[epoch] for epoch in (5, 6)}
    # A validation loss has the whole weight from the start, and so falls with it.
    assert curves[1]["train_kl"] < 0.5 * curves[1]["validation_kl"]
    assert all(0.5 < one["train_kl"] / one["validation_kl"] < 2 for one in late.values())


def test_a_resumed_study_has_the_bits_of_one_that_was_not_interrupted(study, tmp_path):
    with pytest.raises(Interrupted):
        train(members(), tmp_path, stop_at_save=2)
    train(members(), tmp_path)
    write_report([StudyDirectory(tmp_path)], tmp_path)
    assert read_csv(study) == read_csv(tmp_path)
    assert read_lines(study) == read_lines(tmp_path)


def test_a_scale_that_follows_the_batches_is_saved_and_resumed(tmp_path):
    family = dataclasses.replace(CONFIG.autoencoder, likelihood=OptimalGaussian())
    evaluation = EvaluationConfig(measures=("likelihood",), baselines=())
    config = dataclasses.replace(CONFIG, autoencoder=family, evaluation=evaluation)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train([config], whole)
    with pytest.raises(Interrupted):
        train([config], parts, stop_at_save=1)
    train([config], parts)
    for path in (whole, parts):
        write_report([StudyDirectory(path)], path)
    assert_same_study(whole, parts)


@pytest.mark.parametrize("other", ["transfer", "outliers"])
def test_other_data_are_black_and_white_where_the_own_are(other):
    evaluation = EvaluationConfig(**{other: DataConfig()})
    with pytest.raises(ConfigError, match=rf"evaluation.{other}.binarization=null and data.binarization=dynamic"):
        check(dataclasses.replace(CONFIG, evaluation=evaluation))
    evaluation = EvaluationConfig(**{other: DataConfig(binarization="fixed")})
    check(dataclasses.replace(CONFIG, evaluation=evaluation))


def test_what_compares_codes_with_each_other_needs_more_than_one():
    training = TrainingConfig(batch_size=1)
    with pytest.raises(ConfigError, match="batch_size=1"):
        check(Config(autoencoder=Wae(), training=training))
