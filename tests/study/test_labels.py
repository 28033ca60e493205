"""The labels that a sweep gives its points: in study.json, in results, and in a second run."""

from aejax import sweep
from aejax.config import config_id
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.report.tables import to_markdown
from aejax.store.contents import read_study
from aejax.store.directory import StudyDirectory
from aejax.store.record import require_record
from aejax.store.results import settings
from aejax.study.plan import recorded_labels
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
