"""A measure is one file and one line: metrics of files that a test writes come through a study to its report."""

import dataclasses
import importlib.util

import pytest

from aejax import registry
from aejax.autoencoders.vae import VaeConfig
from aejax.errors import ConfigError, DataError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check, check_data
from aejax.measures.zoo import MEASURES, register
from aejax.networks.dense import Dense
from aejax.report.write import write_report
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.training.config import TrainingConfig
from tests.study.studies import train

OF_FEATURES = '''
"""Whether single features already tell classes apart."""
from aejax.measures.base import LABELS, VALIDATION, Features, Measure, Metric


def _separate(given: Features):
    import jax.numpy as jnp

    def ratio(split):
        x, label = given.features[split], given.target[split]
        own = [(label == c)[:, None] for c in range(given.num_classes)]
        mean = jnp.stack([jnp.sum(x * mask, axis=0) / jnp.sum(mask) for mask in own])
        return jnp.max(jnp.var(mean, axis=0) / jnp.var(x, axis=0))

    return {f"{split}_separation": ratio(split) for split in ("validation", "test")}


SEPARATION = Measure(
    name="separation",
    metrics=(Metric("separation", "separation", "%", True),),
    needs=(LABELS, VALIDATION),
    note="Separation is of the best single feature.",
    features=_separate,
)
'''
ON_HOST = '''
"""How many dimensions features have."""
import numpy as np

from aejax.measures.base import LABELS, POSTERIOR, Measure, Metric


def _too_many(config):
    size = config.autoencoder.latent_size
    if size > 64:
        yield f"evaluation.measures has 'rank', and autoencoder.latent_size={size}; make it 64"


def _too_few(config, dataset, others):
    if len(dataset.test.image) < 2:
        yield f"evaluation.measures has 'rank', and {dataset.name} has one test image; leave it out"


RANK = Measure(
    name="rank",
    metrics=(Metric("rank", "rank", "", True),),
    needs=(LABELS, POSTERIOR),
    host=lambda given: {f"{split}_rank": float(np.linalg.matrix_rank(given.features[split])) for split in given.target},
    conflicts=_too_many,
    misfits=_too_few,
)
'''
FAMILY = VaeConfig(encoder=Dense(widths=(8,)), latent_size=3)


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Adds two measures, each by its file and a line that registers it."""
    monkeypatch.setattr(registry, "_origins", {})
    for name, text in {"separation": OF_FEATURES, "rank": ON_HOST}.items():
        path = tmp_path / f"{name}.py"
        path.write_text(text, encoding="utf-8")
        module = importlib.util.module_from_spec(spec := importlib.util.spec_from_file_location(name, path))
        spec.loader.exec_module(module)
        register(getattr(module, name.upper()))
    yield
    for name in ("separation", "rank"):
        del MEASURES[name]


@pytest.mark.usefixtures("added")
def test_measures_of_features_and_on_the_host_come_through_a_study_to_its_report(tmp_path):
    evaluation = EvaluationConfig(measures=("reconstruction", "separation", "rank"), baselines=())
    config = Config(autoencoder=FAMILY, training=TrainingConfig(epochs=2), evaluation=evaluation)
    check(config)
    train([config], tmp_path / "study")
    (own,) = read_rows(StudyDirectory(tmp_path / "study"))
    assert own["metrics"]["test_rank"] == own["metrics"]["train_rank"] == 3
    assert 0 < own["metrics"]["validation_separation"] < 1
    table = write_report([StudyDirectory(tmp_path / "study")], tmp_path / "report")
    heading = [cell.strip() for cell in table[table.index("|") :].splitlines()[0].split("|")]
    assert heading[heading.index("MSE") + 2 :][:3] == ["separation %", "rank", "seconds"]
    assert "Separation is of the best single feature." in table
    assert "* separation: autoencoder reaches" in table
    assert "separation" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert set(registry.origins()) == {"separation.py", "rank.py"}


@pytest.mark.usefixtures("added")
def test_what_a_new_measure_needs_is_asked_before_anything_is_trained(dataset):
    def config(**fields):
        return Config(evaluation=EvaluationConfig(measures=("rank",), baselines=()), **fields)

    with pytest.raises(ConfigError, match="has 'rank', and autoencoder=plain has no posterior"):
        check(config())
    with pytest.raises(ConfigError, match=r"has 'rank', and autoencoder.latent_size=65; make it 64"):
        check(config(autoencoder=VaeConfig(latent_size=65)))
    unlabelled = dataset.__class__(**{**dataset.__dict__, "num_classes": None})
    with pytest.raises(DataError, match="evaluation asks for 'rank', which needs them"):
        check_data(config(autoencoder=FAMILY), unlabelled)
    one = dataset.splits["test"].__class__(dataset.test.image[:1], dataset.test.label[:1])
    with pytest.raises(DataError, match="has 'rank', and quadrants has one test image"):
        check_data(config(autoencoder=FAMILY), dataset.__class__(**{**dataset.__dict__, "test": one}))


def test_names_that_are_taken_are_refused():
    with pytest.raises(ConfigError, match="there is a measure 'probe' already"):
        register(MEASURES["probe"])
    with pytest.raises(ConfigError, match="measure 'mine': there is a metric 'probe_accuracy' already"):
        register(dataclasses.replace(MEASURES["probe"], name="mine"))


def test_each_metric_has_one_measure_and_one_name():
    names = [metric.name for measure in MEASURES.values() for metric in (*measure.metrics, *measure.details)]
    assert len(set(names)) == len(names)
    assert all(measure.name == name for name, measure in MEASURES.items())
