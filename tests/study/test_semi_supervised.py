"""A study of classifiers that learn images and labels together, beside those that labels alone train."""

import dataclasses

import numpy as np
import pytest

from aejax.config import override
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.report.write import write_report
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.study.job import Options
from aejax.study.run import evaluate_again
from aejax.training.fine_tuning import FineTuningConfig
from aejax.training.optimizers import Adam
from aejax.training.semi_supervised import SemiSupervisedConfig
from aejax.training.step import TrainingConfig
from tests.study.studies import train

CONFIG = Config(
    data=DataConfig(train_size=600, validation_size=100),
    optimizer=Adam(learning_rate=5e-3),
    training=TrainingConfig(epochs=0, batch_size=50),
    fine_tuning=FineTuningConfig(labels_per_class=5, scratch_epochs=240),
    semi_supervised=SemiSupervisedConfig(epochs=20),
    evaluation=EvaluationConfig(measures=("reconstruction",), baselines=("supervised",), classifier_features=False),
)
LADDER = {"autoencoder": "ladder", "autoencoder.encoder.widths": [60, 30]}
M2 = {
    "autoencoder": "m2",
    "autoencoder.encoder.widths": [60],
    "autoencoder.classifier.widths": [60],
    "autoencoder.latent_size": 8,
    "semi_supervised.weight": 30.0,
}
DENOISING = {
    "autoencoder": "denoising",
    "semi_supervised.weight": 30.0,
    "semi_supervised.pseudo_labels": {"threshold": 0.8, "start_epoch": 5.0},
}


@pytest.mark.slow
@pytest.mark.parametrize("changes", [LADDER, M2, DENOISING], ids=lambda changes: changes["autoencoder"])
def test_images_without_a_label_help_and_few_labels_are_counted(changes, tmp_path):
    config = override(CONFIG, changes)
    members = [dataclasses.replace(config, seed=seed) for seed in range(3)]
    train(members, tmp_path)
    directory = StudyDirectory(tmp_path)
    rows = read_rows(directory)
    accuracy = {
        method: np.mean([row["metrics"]["test_accuracy"] for row in rows if row["method"] == method])
        for method in ("semi_supervised", "supervised")
    }
    assert accuracy["semi_supervised"] > accuracy["supervised"] + 0.02
    for row in rows:
        if row["method"] == "semi_supervised":
            right = 50 * np.array([row["metrics"][f"{split}_accuracy"] for split in ("train", "validation")])
            np.testing.assert_allclose(right, np.round(right), atol=1e-4)  # Of 50 images each.
            assert set(row["metrics"]) == {"train_accuracy", "validation_accuracy", "test_accuracy", "past_minimum"}
    again, problems = evaluate_again(directory, update=False, options=Options(say=lambda _: None))
    assert not problems
    assert {row["id"]: row["metrics"] for row in again} == {row["id"]: row["metrics"] for row in rows}
    write_report([directory], tmp_path)
    assert ">semi_supervised<" in (tmp_path / "report.html").read_text(encoding="utf-8")
