"""k-means of patches: it finds directions, agrees with another implementation, and stands beside autoencoders."""

import jax
import numpy as np
import pytest

import aejax
from aejax.config import override
from aejax.errors import ConfigError
from aejax.experiment import check
from aejax.methods import k_means
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.training.fit import fit
from aejax.training.loop import train
from aejax.training.population import Members
from tests.methods import make_task
from tests.study import studies

fit_centroids = jax.jit(k_means.fit_centroids, static_argnums=3)
CONFIG = aejax.Config(
    data=aejax.DataConfig(train_size=300, validation_size=100),
    autoencoder=aejax.PlainConfig(
        encoder=aejax.Dense(widths=()),
        latent_size=5,
        likelihood=aejax.HalfSquaredError(output="identity"),
        patches=aejax.PatchesConfig(size=3, fitted_to=500),
    ),
    training=aejax.TrainingConfig(epochs=1),
    evaluation=aejax.EvaluationConfig(measures=("ridge", "reconstruction"), baselines=("k_means",)),
)


def direction(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_directions_that_lie_apart_are_found():
    generator = np.random.default_rng(0)
    true = np.linalg.qr(generator.normal(size=(12, 12)))[0][:6]
    size = generator.choice([-1, 1], (3000, 1)) * generator.uniform(1, 3, (3000, 1))
    rows = size * true[generator.integers(6, size=3000)] + 0.05 * generator.normal(size=(3000, 12))
    start = jax.random.normal(jax.random.key(0), (30, 12))
    found = np.asarray(fit_centroids(rows.astype(np.float32), start, jax.random.key(1)))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    assert np.abs(true @ found.T).max(axis=1).min() > 0.999


def test_rounds_are_those_of_another_implementation():
    generator = np.random.default_rng(0)
    rows, start = (generator.normal(size=(num, 7)).astype(np.float32) for num in (2345, 9))
    expected = direction(start.astype(np.float64))
    for _ in range(4):
        moved = expected.copy()
        for row in rows:
            product = expected @ row
            nearest = np.argmax(np.abs(product))
            moved[nearest] += product[nearest] * row
        expected = direction(moved)
    found = fit_centroids(rows, start, jax.random.key(0), 4)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_centroid_without_rows_becomes_the_direction_of_one():
    rows = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32) * [1, 1, 0]
    start = np.eye(3, dtype=np.float32)
    found = np.asarray(fit_centroids(rows.astype(np.float32), start, jax.random.key(0), 1))
    assert np.abs(direction(rows) @ found[2]).max() == pytest.approx(1, abs=1e-5)
    assert found[2, 2] == 0
    other = np.asarray(fit_centroids(rows.astype(np.float32), start, jax.random.key(1), 1))
    assert not np.allclose(found[2], other[2])


def test_a_study_of_patches_has_its_row(tmp_path):
    config = override(CONFIG, {"evaluation.measures": ["ridge"]})
    studies.train([config], tmp_path)
    rows = {row["method"]: row for row in read_rows(StudyDirectory(tmp_path))}
    assert list(rows) == ["autoencoder", "k_means"]
    own = rows["k_means"]
    assert own["cost"]["parameters"] == 9 * 5
    assert own["config"]["autoencoder.patches.size"] == 3
    assert "optimizer.learning_rate" not in own["config"]
    assert own["metrics"]["test_ridge_accuracy"] > 0.5


@pytest.mark.slow
def test_its_reconstructions_are_worth_something_and_what_is_untrained_whitens(tmp_path):
    changes = {"evaluation.measures": ["ridge", "reconstruction"], "evaluation.baselines": None}
    configs = [
        override(CONFIG, changes | {"seed": seed, "autoencoder.patches.whitening": whitening})
        for seed in range(2)
        for whitening in (0.1, 10.0)
    ]
    studies.train(configs, tmp_path)
    rows = {
        (row["method"], row["config"].get("seed"), row["config"].get("autoencoder.patches.whitening")): row["metrics"]
        for row in read_rows(StudyDirectory(tmp_path))
    }
    assert {key[0] for key in rows} == {"autoencoder", "untrained", "supervised", "pixels", "pca", "k_means"}
    for seed in range(2):
        own, untrained = rows["k_means", seed, 0.1], rows["untrained", seed, 0.1]
        assert 0 < own["test_mse"] < untrained["test_mse"]
        assert own != rows["k_means", 1 - seed, 0.1]
        # Encoders are drawn alike, so these differ by the whitening alone.
        assert untrained["test_mse"] != rows["untrained", seed, 10.0]["test_mse"]
        assert rows["supervised", seed, 0.1] != rows["supervised", seed, 10.0]


def test_members_are_one_population_each_bitwise_what_it_is_alone(data, compile_events):
    make = make_task("k_means", (8, 8, 1), None)
    values = [(0, 0.1, 0.25), (1, 0.1, 0.25), (0, 0.01, 0.0), (1, 1.0, 0.5)]
    names = ("seed", "autoencoder.patches.whitening", "autoencoder.patches.threshold")
    configs = [override(CONFIG, dict(zip(names, own, strict=True))) for own in values]
    trained = train(Members(configs), make, data, write=lambda *_: None, description="", chunk_epochs=1)
    assert len(compile_events) < 10
    params = np.concatenate([state.params["kernel"] for state in trained.states])
    alone = fit(make(configs[1]), data).variables["params"]["kernel"]
    np.testing.assert_array_equal(params[1], alone)
    assert len(np.unique(params[:, 0, 0])) == 4


def test_it_is_refused_where_the_autoencoder_is_of_whole_images():
    whole = override(CONFIG, {"autoencoder.patches": None})
    with pytest.raises(ConfigError, match=r"evaluation\.baselines has 'k_means', which is of patches, and"):
        check(whole)
    check(override(whole, {"evaluation.baselines": None}))
