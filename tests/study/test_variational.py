"""Studies of variational families: images drawn anew for each batch, a KL that warms up, and what is measured."""

import dataclasses
import json
import math

import pytest

from aejax.autoencoders.vae import BetaVaeConfig
from aejax.autoencoders.wae import WaeConfig
from aejax.data.load import DataConfig
from aejax.errors import ConfigError, Interrupted
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check
from aejax.measures.config import LikelihoodConfig
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import Bernoulli, OptimalGaussian
from aejax.report.write import write_report
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.training.step import TrainingConfig
from tests.study.studies import read_csv, read_lines, train

CONFIG = Config(
    data=DataConfig(binarization="dynamic", train_size=640, validation_size=100),
    autoencoder=BetaVaeConfig(encoder=Dense(widths=(16,)), latent_size=3, likelihood=Bernoulli(), warmup_epochs=4.0),
    training=TrainingConfig(epochs=100, batch_size=64),
    evaluation=EvaluationConfig(
        measures=("reconstruction", "posterior", "likelihood"),
        baselines=("untrained", "pca"),
        likelihood=LikelihoodConfig(num_samples=20),
    ),
)


def members():
    """Returns a weight that leaves codes, one so large that they say nothing, and a scale that follows the batches."""
    scaled = dataclasses.replace(CONFIG.autoencoder, beta=1.0, likelihood=OptimalGaussian())
    other = EvaluationConfig(measures=("likelihood",), baselines=(), likelihood=LikelihoodConfig(num_samples=20))
    return [
        *(
            dataclasses.replace(CONFIG, autoencoder=dataclasses.replace(CONFIG.autoencoder, beta=beta))
            for beta in (1.0, 1000.0)
        ),
        dataclasses.replace(CONFIG, autoencoder=scaled, evaluation=other),
    ]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished study of them."""
    path = tmp_path_factory.mktemp("study")
    train(members(), path)
    write_report([StudyDirectory(path)], path)
    return path


def test_models_with_a_posterior_have_its_metrics_and_no_others_have(study):
    rows = read_rows(StudyDirectory(study))
    assert {row["method"] for row in rows} == {"autoencoder", "untrained", "pca"}
    for row in rows:
        found = [f"{split}_nll" for split in ("validation", "test")]
        own = row["method"] in ("autoencoder", "untrained")
        assert all((name in row["metrics"]) is own for name in found), row["method"]
        if own:
            metrics = row["metrics"]
            # 20 draws bound log p(x) more closely than one does.
            assert -metrics["test_elbo"] > metrics["test_nll"]
            if row["config"]["autoencoder.likelihood.kind"] == "bernoulli":
                assert abs(metrics["test_elbo"] + metrics["test_rate"] + metrics["test_distortion"]) < 2
                assert metrics["test_bits_per_dimension"] == pytest.approx(metrics["test_nll"] / 64 / math.log(2))
            else:
                assert "test_bits_per_dimension" not in metrics
    rows = [row for row in rows if row["config"].get("autoencoder.likelihood.kind") == "bernoulli"]
    trained = [row for row in rows if row["method"] == "autoencoder"]
    collapsed = {row["config"]["autoencoder.beta"]: row["metrics"]["test_collapsed"] for row in trained}
    assert collapsed == {1.0: 0, 1000.0: 1}
    best = min(row["metrics"]["test_nll"] for row in trained)
    assert best < min(row["metrics"]["test_nll"] for row in rows if row["method"] == "untrained") - 5


def test_the_report_shows_rate_and_distortion_and_says_what_collapsed(study):
    page = (study / "report.html").read_text()
    assert "Rate and distortion" in page
    assert "no unit is active in 1 of 2 members" in page


def test_the_kl_warms_up_by_the_epoch(study):
    lines = [json.loads(line) for line in read_lines(study)]
    (first,) = {line["id"] for line in lines if line["epoch"] == 1 and line.get("train_kl", 0) > 100}
    curves = {line["epoch"]: line for line in lines if line["id"] == first}
    late = {epoch: curves[epoch] for epoch in (5, 6)}
    # A validation loss has the whole weight from the start, and so falls with it.
    assert curves[1]["train_kl"] < 0.5 * curves[1]["validation_kl"]
    assert all(0.5 < one["train_kl"] / one["validation_kl"] < 2 for one in late.values())


@pytest.mark.slow
def test_a_resumed_study_has_the_bits_of_one_that_was_not_interrupted(study, tmp_path):
    with pytest.raises(Interrupted):
        train(members(), tmp_path, stop_at_save=2)
    train(members(), tmp_path)
    write_report([StudyDirectory(tmp_path)], tmp_path)
    assert read_csv(study) == read_csv(tmp_path)
    assert read_lines(study) == read_lines(tmp_path)  # Of all terms, by which a scale that is not saved would show.


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
        check(Config(autoencoder=WaeConfig(), training=training))
