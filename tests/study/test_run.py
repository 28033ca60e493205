"""The whole system on small data: what a study leaves behind, and what a second run adds to it."""

import csv
import dataclasses
import json

import jax
import numpy as np
import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.data.load import DataConfig, load
from aejax.errors import DataError, UserError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.config import ProbeConfig
from aejax.methods.roles import Role
from aejax.methods.zoo import METHODS
from aejax.networks.dense import Dense
from aejax.report.tables import to_csv
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.study.dry_run import describe
from aejax.study.job import Options
from aejax.study.run import evaluate_again, run
from aejax.training.fine_tuning import FineTuningConfig
from aejax.training.optimizers import Adam
from aejax.training.semi_supervised import SemiSupervisedConfig
from aejax.training.step import TrainingConfig

CONFIG = Config(
    data=DataConfig(validation_size=100),
    autoencoder=PlainConfig(encoder=Dense(widths=(16,)), latent_size=8),
    training=TrainingConfig(epochs=3, batch_size=32),
    fine_tuning=FineTuningConfig(epochs=2),
    semi_supervised=SemiSupervisedConfig(epochs=2),
    evaluation=EvaluationConfig(probe=ProbeConfig(strengths=(1e-3, 1e-1))),
)


def seeds(numbers, config=CONFIG):
    return [dataclasses.replace(config, seed=seed) for seed in numbers]


def train(configs, path):
    """Returns the rows of the study in a directory, after training what was missing."""
    run(configs, StudyDirectory(path), options=Options(say=lambda _: None))
    return read_rows(StudyDirectory(path))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished study of two seeds."""
    path = tmp_path_factory.mktemp("study")
    return path, train(seeds([0, 1]), path)


def test_every_method_has_its_rows_and_metrics(study):
    _, rows = study
    # Without a sampler nothing makes images, and none of the autoencoders is of patches.
    assert {row["method"] for row in rows} == {
        name for name, entry in METHODS.items() if not entry.role & Role.MAKES_IMAGES and not entry.needs_patches
    }
    table = list(csv.DictReader(to_csv(rows).splitlines()))
    assert [(row["method"], row["seed"]) for row in table] == [
        *(("autoencoder", str(seed)) for seed in (0, 1)),
        *(("untrained", str(seed)) for seed in (0, 1)),
        *(("supervised", str(seed)) for seed in (0, 1)),
        *(("fine_tuned", str(seed)) for seed in (0, 1)),
        *(("semi_supervised", str(seed)) for seed in (0, 1)),
        ("pixels", ""),
        ("pca", ""),
    ]
    for row in table:
        assert 0.1 < float(row["test_probe_accuracy"]) <= 1
        assert 0.1 < float(row["test_knn_accuracy"]) <= 1
    for split in ("train", "validation", "test"):
        trained, untrained = float(table[0][f"{split}_mse"]), float(table[2][f"{split}_mse"])
        assert 0 < trained < untrained
    assert float(table[4]["test_accuracy"]) > 0.3
    assert table[0]["status"] == "finished"
    assert float(table[0]["train_seconds"]) > 0
    # 64-16-8-16-64, weights and biases.
    assert int(table[0]["parameters"]) == (64 + 1) * 16 + (16 + 1) * 8 + (8 + 1) * 16 + (16 + 1) * 64


def test_metrics_are_a_line_for_each_member_and_epoch(study):
    path, _ = study
    (file,) = path.glob("populations/autoencoder-*/metrics.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert sorted((line["seed"], line["epoch"]) for line in lines) == [(s, e) for s in (0, 1) for e in (1, 2, 3)]
    names = {"train_loss", "train_reconstruction", "validation_reconstruction", "gradient_norm", "parameter_norm"}
    assert names <= set(lines[0])


def test_running_again_trains_nothing_and_more_seeds_train_only_the_new(study):
    path, before = study
    stamps = {file: file.stat().st_mtime_ns for file in path.glob("populations/*/results.json")}
    assert train(seeds([0, 1]), path) == before
    rows = train(seeds([0, 1, 2]), path)
    assert {file: file.stat().st_mtime_ns for file in stamps} == stamps
    assert sorted((row["method"], row["config"].get("seed")) for row in rows if row not in before) == [
        ("autoencoder", 2),
        ("fine_tuned", 2),
        ("semi_supervised", 2),
        ("supervised", 2),
        ("untrained", 2),
    ]


def without_others(config):
    """The config of a study of autoencoders alone."""
    evaluation = dataclasses.replace(config.evaluation, baselines=())
    return dataclasses.replace(config, fine_tuning=FineTuningConfig(), evaluation=evaluation)


@pytest.mark.parametrize(
    "config", [without_others(CONFIG), pytest.param(CONFIG, marks=pytest.mark.slow)], ids=["autoencoder", "all methods"]
)
def test_a_member_evaluated_in_a_population_is_bitwise_what_it_is_alone(study, tmp_path, config):
    _, population = study
    twins = {(row["method"], row["config"].get("seed")): row for row in population}
    for row in train(seeds([1], config), tmp_path):
        assert row["metrics"] == twins[row["method"], row["config"].get("seed")]["metrics"]


def test_baselines_that_ignore_a_field_run_once_for_all_its_values(study, tmp_path):
    rates = [
        dataclasses.replace(config, optimizer=Adam(learning_rate=rate))
        for rate in (1e-3, 3e-3)
        for config in seeds([0])
    ]
    text = describe(rates, StudyDirectory(tmp_path))
    counts = {line.split()[0]: int(line.split()[1]) for line in text.splitlines() if " on digits" in line}
    trained = dict.fromkeys(("autoencoder", "supervised", "fine_tuned", "semi_supervised"), 2)
    assert counts == {**trained, "untrained": 1, "pixels": 1, "pca": 1}


def test_a_dry_run_counts_parameters_and_flops(tmp_path):
    text = describe(seeds(range(5)), StudyDirectory(tmp_path))
    line = next(line for line in text.splitlines() if line.startswith("autoencoder"))
    assert "5 members" in line
    assert "2,408 parameters" in line
    assert "FLOP" in line
    assert "5 configs: 5 autoencoders, 7 populations with their baselines" in text


def test_data_without_labels_skip_what_needs_them_and_say_so(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (120, 6, 5, 3), np.uint8)
    np.savez(tmp_path / "images.npz", image=image)
    data = DataConfig(name=str(tmp_path / "images.npz"))
    said = []
    config = dataclasses.replace(CONFIG, data=data)
    directory = StudyDirectory(tmp_path / "study")
    run([config], directory, options=Options(say=said.append))
    rows = read_rows(directory)
    assert {row["method"] for row in rows} == {"autoencoder", "untrained", "pca"}
    assert any("has no labels" in line for line in said)
    assert not any("probe" in name for row in rows for name in row["metrics"])
    # Images of another size in the same file: checkpoints of the old ones cannot read them.
    np.savez(tmp_path / "images.npz", image=image[:, :5])
    rows, problems = evaluate_again(directory, update=False, options=Options(say=said.append))
    assert {row["method"] for row in rows} == {"pca", "untrained"}  # These have no checkpoint.
    assert any("its data are others now" in problem for problem in problems)
    assert any(line.startswith(f"changed: data {tmp_path / 'images.npz'}: fingerprint") for line in said)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation": EvaluationConfig(measures=("probe",))}, "has no labels, and evaluation asks for 'probe'"),
        ({"evaluation": EvaluationConfig(baselines=("supervised",))}, "asks for 'supervised'"),
        ({"training": TrainingConfig(batch_size=5000)}, "batch_size=5000 is larger than the"),
        (
            {"evaluation": EvaluationConfig(transfer=DataConfig())},
            r"images of digits are \(8, 8, 1\) and those of .*npz",
        ),
    ],
)
def test_what_the_data_do_not_allow_is_one_line_and_nothing_is_written(tmp_path, changes, message):
    np.savez(tmp_path / "images.npz", image=np.zeros((120, 6, 5), np.uint8))
    config = dataclasses.replace(CONFIG, data=DataConfig(name=str(tmp_path / "images.npz")), **changes)
    with pytest.raises(DataError, match=message):
        train([config], tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_transfer_data_without_labels_are_one_line(tmp_path):
    np.savez(tmp_path / "images.npz", image=np.zeros((120, 8, 8), np.uint8))
    evaluation = EvaluationConfig(transfer=DataConfig(name=str(tmp_path / "images.npz")))
    with pytest.raises(DataError, match=r"evaluation.transfer: .*npz has no labels"):
        train([dataclasses.replace(CONFIG, evaluation=evaluation)], tmp_path / "study")


def test_features_are_probed_on_other_data_too(tmp_path):
    # Of the same sizes, so that one program classifies both.
    sizes = {"train_size": 240, "validation_size": 60}
    half, others = (DataConfig(classes=classes, **sizes) for classes in ((0, 1, 5, 6, 7), (9, 8, 4, 3, 2)))
    evaluation = EvaluationConfig(baselines=("pixels",), probe=ProbeConfig(strengths=(1e-2,)), transfer=others)
    training = TrainingConfig(epochs=1, batch_size=32)
    config = Config(data=half, autoencoder=CONFIG.autoencoder, training=training, evaluation=evaluation)
    assert "2 populations" in describe([config], StudyDirectory(tmp_path))
    rows = train([config], tmp_path)
    assert {row["method"] for row in rows} == {"autoencoder", "pixels"}
    for row in rows:
        for split in ("validation", "test"):
            for classifier in ("probe", "knn"):
                assert 0.4 < row["metrics"][f"{split}_transfer_{classifier}_accuracy"] <= 1
        assert row["metrics"]["test_transfer_probe_accuracy"] != row["metrics"]["test_probe_accuracy"]
    assert rows[-1]["metrics"]["test_transfer_knn_accuracy"] > 0.85  # Pixels, of which chance would read a fifth.
    record = json.loads((tmp_path / "study.json").read_text())
    assert set(record["data"].values()) == {load(half).fingerprint, load(others).fingerprint}
    again, problems = evaluate_again(StudyDirectory(tmp_path), update=False, options=Options(say=lambda _: None))
    assert not problems
    assert {row["id"]: row["metrics"] for row in again} == {row["id"]: row["metrics"] for row in rows}


def test_all_images_may_be_trained_on(tmp_path):
    config = Config(
        data=DataConfig(validation_size=0),
        autoencoder=PlainConfig(encoder=Dense(widths=()), latent_size=4),
        training=TrainingConfig(epochs=2),
        evaluation=EvaluationConfig(measures=("reconstruction",), baselines=()),
    )
    (row,) = train([config], tmp_path)
    assert row["status"] == "finished"
    assert row["data"]["validation"] == 0
    assert {"train_mse", "test_mse", "test_gap"} <= set(row["metrics"])
    assert not {"gap", "validation_mse", "past_minimum"} & set(row["metrics"])


def test_a_file_in_the_place_of_the_directory_is_one_line(tmp_path):
    (tmp_path / "study").write_text("")
    with pytest.raises(UserError, match="not a directory"):
        train(seeds([0]), tmp_path / "study")


def test_a_class_left_out_is_told_from_the_others(tmp_path):
    outliers = DataConfig(classes=(0,), train_size=1, validation_size=10)
    evaluation = EvaluationConfig(measures=("reconstruction",), baselines=("pca",), outliers=outliers)
    data = DataConfig(classes=(1, 7), validation_size=40)
    training = TrainingConfig(epochs=20, batch_size=16)
    config = Config(data=data, autoencoder=CONFIG.autoencoder, training=training, evaluation=evaluation)
    rows = train([config], tmp_path)
    for row in rows:
        for score in ("mse", "distance"):
            assert row["metrics"][f"test_anomaly_{score}_auroc"] > 0.8
            assert row["metrics"][f"validation_anomaly_{score}_aupr"] > 0.3  # Chance: 0.2.
    record = json.loads((tmp_path / "study.json").read_text())
    assert set(record["data"].values()) == {load(data).fingerprint, load(outliers).fingerprint}


@pytest.mark.slow
def test_clusters_are_of_each_member_and_found_again(tmp_path):
    evaluation = EvaluationConfig(measures=("clustering",), baselines=("pixels",))
    config = dataclasses.replace(
        CONFIG,
        data=DataConfig(train_size=300, validation_size=100),
        training=TrainingConfig(epochs=2, batch_size=32),
        fine_tuning=FineTuningConfig(),
        semi_supervised=SemiSupervisedConfig(),
        evaluation=evaluation,
    )
    num = 1 + jax.device_count()  # So that the last round is not full.
    rows = train(seeds(range(num), config), tmp_path)
    members = [row for row in rows if row["method"] == "autoencoder"]
    accuracies = [row["metrics"]["test_kmeans_accuracy"] for row in members]
    assert len(set(accuracies)) > 1
    assert all(0.2 < accuracy < 1 for accuracy in accuracies)
    alone = train(seeds([num - 1], config), tmp_path / "alone")[0]
    assert alone["metrics"] == members[-1]["metrics"]
    again, problems = evaluate_again(StudyDirectory(tmp_path), update=False, options=Options(say=lambda _: None))
    assert not problems
    assert {row["id"]: row["metrics"] for row in again} == {row["id"]: row["metrics"] for row in rows}
