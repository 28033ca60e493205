"""The labels that a sweep gives its points: in study.json, in results, and in a second run."""

import dataclasses

import pytest

from aejax import sweep
from aejax.config import config_id, to_tree
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.methods.base import find_method
from aejax.report.tables import to_markdown
from aejax.store.contents import read_study
from aejax.store.directory import StudyDirectory
from aejax.store.record import Record, require_record
from aejax.store.results import settings
from aejax.study import track
from aejax.study.plan import labels_of_members, load_data, recorded_labels
from aejax.training.fine_tuning import FineTuningConfig
from aejax.training.step import TrainingConfig
from tests.study.studies import train

CONFIG = Config(
    training=TrainingConfig(epochs=1),
    evaluation=EvaluationConfig(measures=("reconstruction",), baselines=("pca", "untrained")),
)


def test_a_label_is_recorded_and_shown_and_enters_no_id(tmp_path):
    points = [sweep.labelled("fast", {"optimizer.learning_rate": 1e-2}), {"optimizer.learning_rate": 1e-3}]
    labels = sweep.expand_with_labels(CONFIG, points)
    path = tmp_path / "study"
    train(list(labels), path, labels={config: label for config, label in labels.items() if label})
    study, record = read_study(StudyDirectory(path)), require_record(StudyDirectory(path))
    assert [setting.name for setting in settings(study.rows)] == [
        "autoencoder · learning_rate 0.001",
        "autoencoder · fast",
        "untrained",  # Both points share it, so it is neither's.
        "pca",
    ]
    assert "autoencoder · fast" in to_markdown(study.rows)
    assert set(record.labels.values()) == {"fast"}
    assert [config_id(config) for config in labels] == [config_id(config) for config in sweep.expand(CONFIG, points)]
    assert list(recorded_labels(record, list(labels)).values()) == ["fast"]
    # The same study, asked for without its labels, keeps them.
    train(list(labels), path)
    assert require_record(StudyDirectory(path)).labels == record.labels


@pytest.mark.slow
def test_a_baseline_that_further_points_share_loses_the_label(tmp_path):
    rates = {"fast": 1e-2, "slow": 1e-4}
    fast, slow = (sweep.labelled(name, {"optimizer.learning_rate": rate}) for name, rate in rates.items())
    path = tmp_path / "study"
    config = dataclasses.replace(CONFIG, evaluation=EvaluationConfig(measures=("reconstruction",), baselines=("pca",)))
    for points in ([fast], [fast, slow]):
        labels = sweep.expand_with_labels(config, points)
        train(list(labels), path, labels=labels)
    names = [setting.name for setting in settings(read_study(StudyDirectory(path)).rows)]
    assert sorted(names) == ["autoencoder · fast", "autoencoder · slow", "pca"]


def test_configs_that_share_an_autoencoder_keep_their_labels():
    """As where a sweep is of what is done with it: a second run labels its settings as the first did."""
    points = [sweep.labelled(name, {"fine_tuning.labels_per_class": num}) for name, num in (("few", 5), ("many", 50))]
    labels = sweep.expand_with_labels(dataclasses.replace(CONFIG, fine_tuning=FineTuningConfig(epochs=1)), points)
    configs = list(labels)
    of_members = labels_of_members(labels, configs, load_data(configs))
    record = Record(name="study", question="", configs=tuple(map(to_tree, configs)), data={}, labels=of_members)
    assert recorded_labels(record, configs) == labels


def test_trackers_call_settings_as_the_report_does(tmp_path):
    points = [sweep.labelled("fast", {"optimizer.learning_rate": 1e-2}), {"optimizer.learning_rate": 1e-3}]
    labels = sweep.expand_with_labels(CONFIG, points)
    configs = list(labels)
    of_members = labels_of_members(labels, configs, load_data(configs))
    record = Record(name="study", question="", configs=tuple(map(to_tree, configs)), data={}, labels=of_members)
    names = track.settings_of(find_method("autoencoder"), record, configs)
    assert sorted(names.values()) == ["autoencoder · fast", "autoencoder · learning_rate 0.001"]
