"""Studies with fine-tuned encoders, few labels, and layers that are measured by themselves."""

import dataclasses
import shutil

import numpy as np
import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.data.load import DataConfig
from aejax.errors import Interrupted, UserError
from aejax.evaluation import clustering
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.report.write import write_report
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.study.job import Options
from aejax.study.run import evaluate_again
from aejax.training.fine_tuning import FineTuningConfig
from aejax.training.optimizers import Sgd
from aejax.training.step import TrainingConfig
from tests.study.studies import assert_same_study, read_parameters, train

LAYER = "encoder/DenseStack_0/Dense_0"
CONFIG = Config(
    data=DataConfig(train_size=400, validation_size=100),
    autoencoder=PlainConfig(encoder=Dense(widths=(8,)), latent_size=4),
    training=TrainingConfig(epochs=2, batch_size=32),
    fine_tuning=FineTuningConfig(epochs=2, layers=(), labels_per_class=5, scratch_epochs=3),
    evaluation=EvaluationConfig(
        measures=("reconstruction", "class_mean", "clustering"), baselines=("supervised",), layers=(LAYER, "encoder")
    ),
)


def members(*labels, seeds=(0, 1)):
    """Returns the configs of some seeds for each number of labels."""
    return [
        dataclasses.replace(
            CONFIG, seed=seed, fine_tuning=dataclasses.replace(CONFIG.fine_tuning, labels_per_class=num)
        )
        for num in labels
        for seed in seeds
    ]


def arrays(path, method):
    """Returns the parameters in the checkpoints of a method's populations, by the population's directory."""
    found = read_parameters(path)
    return [state["params"] for name, state in sorted(found.items()) if name.startswith(method)]


@pytest.fixture(scope="module", autouse=True)
def quick_clusters():
    """Clusters of each layer of each member, from one start each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clustering, "NUM_RUNS", {"kmeans": 1, "gmm": 1})
        yield


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished study of two seeds with five labels of each class, and with all."""
    path = tmp_path_factory.mktemp("study")
    train(members(5, None), path)
    write_report([StudyDirectory(path)], path)
    return path


def test_one_autoencoder_serves_all_numbers_of_labels(study):
    counts = [len(list(study.glob(f"populations/{name}-*"))) for name in ("autoencoder", "fine_tuned", "supervised")]
    assert counts == [1, 2, 2]
    (learnt,) = arrays(study, "autoencoder")
    for params in arrays(study, "fine_tuned"):
        # Frozen, so they still are what they began with: each member those of its own seed.
        for name, kernel in params["autoencoder"]["latent"].items():
            np.testing.assert_array_equal(kernel, learnt["latent"][name])
        assert not np.array_equal(params["head"]["kernel"][0], params["head"]["kernel"][1])


def test_a_classifier_of_few_labels_is_measured_by_what_it_says_itself(study):
    rows = read_rows(StudyDirectory(study))
    own = {"train_accuracy", "validation_accuracy", "test_accuracy", "past_minimum"}
    for row in rows:
        if row["method"] == "autoencoder":
            continue
        few = row["config"]["fine_tuning.labels_per_class"] == 5
        assert set(row["metrics"]) == own if few else set(row["metrics"]) > own
        if few:
            right = 50 * np.array([row["metrics"][f"{split}_accuracy"] for split in ("train", "validation")])
            np.testing.assert_allclose(right, np.round(right), atol=1e-4)  # Of 50 images each.
    assert {row["config"]["fine_tuning.scratch_epochs"] for row in rows if row["method"] == "supervised"} == {3}


def test_layers_have_metrics_of_their_own(study):
    for row in read_rows(StudyDirectory(study)):
        if row["method"] != "autoencoder":
            continue
        values = row["metrics"]
        for measure in ("class_mean_accuracy", "kmeans_accuracy"):
            names = [f"test_{measure}", f"test_{LAYER}_{measure}", f"test_encoder_{measure}"]
            assert all(0.1 < values[name] <= 1 for name in names)
            assert len({values[name] for name in names}) > 1
        assert f"test_{LAYER}_mse" not in values


@pytest.mark.slow
def test_it_is_evaluated_again_to_the_same_numbers(study):
    again, problems = evaluate_again(StudyDirectory(study), update=False, options=Options(say=lambda _: None))
    assert not problems
    rows = read_rows(StudyDirectory(study))
    assert {(row["method"], row["id"]): row["metrics"] for row in again} == {
        (row["method"], row["id"]): row["metrics"] for row in rows
    }


def test_stopped_while_fine_tuning_it_goes_on_to_the_same_bits(study, tmp_path):
    """A study of which the autoencoders and the other classifiers were done already."""
    path = shutil.copytree(study, tmp_path / "study")
    shutil.rmtree(sorted(path.glob("populations/fine_tuned-*"))[0])
    with pytest.raises(Interrupted):
        train(members(5, None), path, stop_at_save=1)
    train(members(5, None), path)
    write_report([StudyDirectory(path)], path)
    assert_same_study(study, path)


def test_without_the_autoencoders_checkpoint_it_says_so_and_keeps_the_rest(study, tmp_path):
    path = tmp_path / "study"
    shutil.copytree(study, path)
    (autoencoders,) = path.glob("populations/autoencoder-*")
    shutil.rmtree(autoencoders / "checkpoints")
    before = read_rows(StudyDirectory(path))
    said = []
    with pytest.raises(UserError, match="1 of 2 populations failed"):
        train(members(5, None, 4), path, say=said.append)
    assert any("holds no whole checkpoint of the trained members" in line for line in said)
    assert [row for row in read_rows(StudyDirectory(path)) if row in before] == before


def test_what_begins_with_a_lost_autoencoder_is_lost_too(tmp_path):
    fine_tuning = FineTuningConfig(epochs=1, learning_rate=1e-3, labels_per_class=5)
    evaluation = EvaluationConfig(measures=("reconstruction",), baselines=())
    config = dataclasses.replace(
        CONFIG, optimizer=Sgd(learning_rate=1e30), fine_tuning=fine_tuning, evaluation=evaluation
    )
    train([config], tmp_path)
    assert {row["method"]: row["status"] for row in read_rows(StudyDirectory(tmp_path))} == {
        "autoencoder": "diverged",
        "fine_tuned": "diverged",
    }
