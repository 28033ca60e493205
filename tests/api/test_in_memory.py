"""Several members on rows of their own, in memory: each as it is alone, and as the loop trains it without rows."""

import dataclasses

import jax
import numpy as np
import pytest

import aejax
from aejax.api.in_memory import train
from aejax.config import override
from aejax.data import preprocessing
from aejax.data.resident import training_arrays
from aejax.errors import ConfigError, DataError
from aejax.training import compilation
from aejax.training.fit import fit

RNG = np.random.default_rng(0)
IMAGES = RNG.random((90, 4, 4, 1), np.float32) * np.linspace(0.2, 1, 90, dtype=np.float32)[:, None, None, None]
LABELS = np.arange(90) % 3
TRAINING = aejax.TrainingConfig(epochs=3, batch_size=16)
SMALL = aejax.Config(
    autoencoder=aejax.PlainConfig(
        encoder=aejax.Dense(widths=()), latent_size=2, likelihood=aejax.HalfSquaredError(output="identity")
    ),
    data=aejax.DataConfig(preprocessing="standardize"),
    training=TRAINING,
)
PARTS = [np.arange(70), np.arange(20, 89), RNG.permutation(90)[:40]]


def same(one, other):
    jax.tree.map(
        np.testing.assert_array_equal, (one.variables, dict(one.curves)), (other.variables, dict(other.curves))
    )


@pytest.fixture(scope="module")
def together():
    configs = [override(SMALL, {"seed": seed, "optimizer.learning_rate": 0.01 * (seed + 1)}) for seed in range(3)]
    return configs, train(configs, IMAGES, rows=PARTS)


def test_a_member_on_rows_of_its_own_is_what_it_is_alone_on_these_images(together):
    configs, trained = together
    for config, rows, member in zip(configs, PARTS, trained, strict=True):
        (alone,) = train([config], IMAGES[rows])
        same(alone, member)
        assert member.trained_on == alone.trained_on
        assert member.id == alone.id
        np.testing.assert_array_equal(member.encode(IMAGES), alone.encode(IMAGES))


def test_preprocessing_is_fitted_to_a_members_own_rows(together):
    for rows, member in zip(PARTS, together[1], strict=True):
        fitted = preprocessing.fit("standardize", IMAGES[rows])
        jax.tree.map(np.testing.assert_array_equal, member.preprocessing, fitted)


def test_curves_and_descriptions_are_those_of_the_rows(together):
    for rows, member in zip(PARTS, together[1], strict=True):
        assert member.curves["epoch"].tolist() == [1, 2, 3]
        assert member.curves["train_loss"][-1] < member.curves["train_loss"][0]
        assert member.trained_on.num_images == {"train": len(rows), "validation": 0, "test": 0}
        assert member.config.training.batch_size == 16


FAMILIES = {
    "plain": {},
    "beta_tcvae": {"autoencoder": "beta_tcvae", "autoencoder.latent_size": 2},  # Its loss knows how many images.
    "schedule": {"optimizer.schedule": "cosine", "optimizer.averaging": 0.9, "training.pretraining_epochs": 2},
}


@pytest.mark.parametrize(
    "name", [name if name == "plain" else pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES]
)
def test_images_that_do_not_count_change_nothing(name):
    """Full batches, whose order cannot matter, against the loop on data without rows: there is room for 64."""
    config = override(SMALL, {"data.preprocessing": "none", "training.batch_size": "all"} | FAMILIES[name])
    (trained,) = train([config], IMAGES[:45])
    fitted = fit(trained.make_task(config), training_arrays(image=IMAGES[:45]))
    close = lambda one, other: np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)  # noqa: E731
    jax.tree.map(close, trained.variables, jax.device_get(fitted.variables))
    jax.tree.map(close, dict(trained.curves), jax.device_get(fitted.curves))


def test_other_numbers_of_rows_are_trained_by_the_same_program(together):
    (config, *_), _ = together
    before = set(compilation._compilations)
    train([config], IMAGES[:66])
    train([config], IMAGES[:80])
    assert set(compilation._compilations) - before == set()


def test_fewer_rows_than_a_batch_make_a_smaller_one(together):
    (config, *_), _ = together
    assert train([config], IMAGES[:13])[0].config.training.batch_size == 8


@pytest.mark.slow
def test_classifiers_are_fine_tuned_from_the_autoencoders_of_the_same_rows():
    config = override(SMALL, {"fine_tuning.epochs": 2, "fine_tuning.layers": [], "training.epochs": 1})
    configs = [override(config, {"fine_tuning.learning_rate": rate}) for rate in (0.1, 0.01)]
    first, second = train(configs, IMAGES, LABELS, [PARTS[0]] * 2, method="fine_tuned")
    (autoencoder,) = train(configs[:1], IMAGES, rows=PARTS[:1])
    for trained in (first, second):  # Their encoders are frozen.
        np.testing.assert_array_equal(trained.features(IMAGES), autoencoder.features(IMAGES))
        assert trained.curves["train_cross_entropy"].shape == (2,)
    assert not np.array_equal(first.variables["params"]["head"]["bias"], second.variables["params"]["head"]["bias"])
    same(train(configs[1:], IMAGES[PARTS[0]], LABELS[PARTS[0]], method="fine_tuned")[0], second)


@pytest.mark.parametrize(
    ("changes", "given", "message"),
    [
        ({}, {"rows": [[]]}, "leave none to train on"),
        ({"data.validation_size": 90}, {}, "leave none to train on"),
        ({"data.binarization": "threshold"}, {}, "black and white"),
        ({"training.patience": 3}, {}, "validation images"),
        ({}, {"method": "supervised"}, "give labels"),
        ({"fine_tuning.labels_per_class": 2}, {"method": "supervised"}, "of these alone"),
    ],
)
def test_what_needs_a_study_is_refused_in_one_line(changes, given, message):
    config = dataclasses.replace(override(SMALL, {"data.preprocessing": "none"} | changes))
    with pytest.raises((ConfigError, DataError), match=message) as caught:
        train([config], IMAGES, **given)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_some_rows_are_held_out_to_stop_by():
    config = override(SMALL, {"data.validation_size": 10, "training.patience": 1, "optimizer.learning_rate": 0.1})
    config = override(config, {"training.epochs": 40})
    first, second = train([config, override(config, {"seed": 1})], IMAGES, rows=PARTS[:2])
    assert [one.trained_on.num_images["train"] for one in (first, second)] == [60, 59]
    assert first.curves["validation_loss"].shape == first.curves["epoch"].shape < (40,)
    same(train([config], IMAGES[PARTS[0]])[0], first)


def test_a_model_that_diverges_has_its_last_finite_state(together):
    (config, *_), _ = together
    (trained,) = train([override(config, {"optimizer.learning_rate": 1e38})], IMAGES)
    assert not np.isfinite(trained.curves["train_loss"][-1])
    assert np.isfinite(trained.encode(IMAGES)).all()
