"""The fields of measures, once in `evaluation` itself: old paths, records and ids still hold."""

import dataclasses

import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.config import config_id, flatten, override, to_tree, unflatten
from aejax.data.load import DataConfig
from aejax.errors import ConfigError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, load_recorded
from aejax.measures.config import NeighborsConfig
from aejax.networks.dense import Dense
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.store.results import settings
from aejax.training.config import TrainingConfig
from tests.study.studies import edit_json, train

OLD = {"evaluation.num_neighbors": 3, "evaluation.cluster_components": 9, "evaluation.likelihood_images": 7}
NOW = {
    "evaluation.neighbors.num_neighbors": 3,
    "evaluation.clustering": {"num_components": 9},
    "evaluation.likelihood.num_images": 7,
}
MOVED = {
    "evaluation.probe.strengths": "evaluation.probe_strengths",
    "evaluation.neighbors.num_neighbors": "evaluation.num_neighbors",
    "evaluation.neighbors.temperature": "evaluation.neighbor_temperature",
    "evaluation.neighbors.num_components": "evaluation.num_components",
    "evaluation.few_labels.labels_per_class": "evaluation.labels_per_class",
    "evaluation.clustering.num_components": "evaluation.cluster_components",
    "evaluation.clustering.whiten": "evaluation.whiten_clusters",
    "evaluation.clustering.normalize": "evaluation.normalize_clusters",
    "evaluation.likelihood.num_samples": "evaluation.likelihood_samples",
    "evaluation.likelihood.num_images": "evaluation.likelihood_images",
}


def as_before(fields):
    return {MOVED.get(path, path): value for path, value in fields.items()}


def test_old_paths_are_those_of_the_fields_now_and_ids_are_what_they_were():
    config = override(Config(), OLD)
    assert config == override(Config(), NOW)
    assert override(Config(), {"evaluation": {"num_neighbors": 3}}).evaluation.neighbors.num_neighbors == 3
    # As the version before computed them.
    assert config_id(config) == "95ceba54909b"
    assert config_id(override(Config(), {"evaluation.probe_strengths": [0.1], "evaluation.measures": ["probe"]})) == (
        "4c6b8c489f39"
    )
    recorded = as_before(dict(flatten(to_tree(config))))
    assert set(MOVED.values()) < set(recorded)
    assert load_recorded(unflatten(recorded)) == config
    with pytest.raises(ConfigError, match=r"evaluation.neighbors.num_neighbors: should be greater than 0, got -1"):
        override(Config(), {"evaluation.num_neighbors": -1})


def test_a_study_of_the_version_before_grows_by_a_seed(tmp_path):
    config = Config(
        data=DataConfig(train_size=100),
        autoencoder=PlainConfig(encoder=Dense(widths=()), latent_size=2),
        training=TrainingConfig(epochs=1),
        evaluation=EvaluationConfig(
            measures=("reconstruction",), baselines=(), neighbors=NeighborsConfig(num_neighbors=3)
        ),
    )
    train([config], tmp_path)

    def record_as_before(tree):
        return tree | {"configs": [unflatten(as_before(dict(flatten(config)))) for config in tree["configs"]]}

    edit_json(tmp_path / "study.json", record_as_before)
    (results,) = tmp_path.glob("populations/*/results.json")
    edit_json(results, lambda tree: tree | {"config": as_before(tree["config"])})
    before = results.read_bytes()
    assert b"evaluation.num_neighbors" in before
    train([config, dataclasses.replace(config, seed=1)], tmp_path)
    assert results.read_bytes() == before
    rows = read_rows(StudyDirectory(tmp_path))
    (setting,) = settings(rows)
    assert [row["config"]["seed"] for row in setting.rows] == [0, 1]
    assert all(row["config"]["evaluation.neighbors.num_neighbors"] == 3 for row in rows)
