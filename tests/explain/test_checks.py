import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import spearmanr

from aejax.autoencoders.plain import PlainConfig
from aejax.experiment import Config
from aejax.explain.attribution import edges, integrated_gradients
from aejax.explain.checks import (
    NUM_STEPS,
    Areas,
    areas,
    completeness_gap,
    foreground,
    judge,
    random_areas,
    randomization,
    rank_correlation,
)
from aejax.networks.dense import Dense
from aejax.training.optimizers import Adam
from aejax.training.step import TrainingConfig
from tests.autoencoders.families import apply, fit

rng = np.random.default_rng(0)
TARGET = np.zeros(4, np.int32)


def test_the_gap_is_relative_to_the_change():
    attribution = np.full((3, 2, 2), 0.25)
    np.testing.assert_allclose(completeness_gap(attribution, np.array([1.0, 2.0, -1.0])), [0, 0.5, 2])
    # Of no change it is relative to a hundredth of the mean.
    np.testing.assert_allclose(completeness_gap(attribution, np.array([0.0, 3.0, 3.0]))[0], 1 / 0.02)


def test_rank_correlation_is_spearmans_where_asked():
    left, right = rng.normal(size=(2, 2, 5, 5))
    right = np.round(right + left)  # With ties.
    where = rng.uniform(size=left.shape) < 0.6
    expected = [spearmanr(x[w], y[w])[0] for x, y, w in zip(left, right, where, strict=True)]
    np.testing.assert_allclose(rank_correlation(left, right, where), expected)
    assert np.isnan(rank_correlation(left, np.zeros_like(left), where)).all()


def test_both_correlations_with_random_networks():
    image = rng.uniform(size=(20, 10, 10, 1)) * (rng.uniform(size=(20, 10, 10, 1)) < 0.3)
    where = foreground(image, np.zeros((10, 10, 1)))
    assert where.mean() == pytest.approx(0.27, abs=0.05)
    trained, *random = image[None, ..., 0] * rng.normal(size=(4, 20, 10, 10))
    # The image is a factor of all, so that their magnitudes are alike in all pixels, though nothing else is.
    signed, absolute = randomization(trained, np.stack(random), where)
    assert abs(signed) < 0.1
    assert absolute > 0.8
    assert randomization(trained, np.stack([trained, -trained]), where) == pytest.approx((0, 1))
    assert np.isnan(randomization(trained, np.zeros((1, 20, 10, 10)), where)).all()


def test_areas_of_a_linear_function_follow_from_its_weights():
    weights = rng.normal(size=(8, 8)).astype(np.float32)
    function = lambda image, target: jnp.sum(weights[None] * image[..., 0], axis=(1, 2))  # noqa: E731
    image, blank = np.ones((4, 8, 8, 1), np.float32), np.zeros((8, 8, 1), np.float32)
    order = np.broadcast_to(weights[None], (4, 8, 8))

    @jax.jit
    def both():
        return areas(function, image, TARGET, blank, order), random_areas(function, image, TARGET, blank)

    found, chance = jax.device_get(both())
    ranked = np.concatenate([[0], np.cumsum(-np.sort(-weights, axis=None))])[:: 64 // NUM_STEPS]
    inserted = np.mean((ranked[1:] + ranked[:-1]) / 2)
    np.testing.assert_allclose(found.insertion, np.full(4, inserted), rtol=1e-4)
    np.testing.assert_allclose(found.deletion, np.full(4, weights.sum() - inserted), rtol=1e-4)
    # A random order removes and inserts evenly, in the mean.
    for area in chance:
        np.testing.assert_allclose(area, np.full(4, weights.sum() / 2), atol=8)
    # What is gone from one is in the other.
    np.testing.assert_allclose(chance.deletion + chance.insertion, np.full(4, weights.sum()), rtol=1e-3)
    assert np.all(chance.deletion > found.deletion)


def test_verdicts():
    attribution = rng.normal(size=(30, 6, 6))
    change = attribution.sum(axis=(1, 2))
    where = np.ones((30, 6, 6), bool)
    noise = rng.normal(size=(3, 30, 6, 6))
    low, high = rng.normal(0, 1, 30), rng.normal(3, 1, 30)
    good = judge(attribution, noise, where, own=Areas(low, high), chance=Areas(high, low), change=change)
    assert good["passed"] == ["completeness", "randomization", "deletion", "insertion"]
    assert good["failed"] == []
    assert good["completeness"] == pytest.approx(0)
    assert (good["deletion"], good["random_deletion"]) == (low.mean(), high.mean())
    bad = judge(attribution, attribution[None], where, own=Areas(high, low), chance=Areas(low, high), change=2 * change)
    assert bad["failed"] == ["completeness", "randomization", "deletion", "insertion"]
    assert (bad["randomized_signed"], bad["randomized_absolute"]) == pytest.approx((1, 1))
    # Chance does not pass, and of what promises nothing completeness is not judged.
    same = rng.normal(0, 1, (2, 30))
    same[1] += same[0].mean() - same[1].mean() + 0.1
    chance = judge(attribution, noise, where, own=Areas(*same), chance=Areas(*same[::-1]))
    assert chance["completeness"] is None
    assert chance["failed"] == ["deletion", "insertion"]
    assert judge(attribution, 0 * noise, where, own=Areas(low, high), chance=Areas(high, low))["failed"] == [
        "randomization"
    ]


@pytest.fixture(scope="module")
def trained(dataset):
    """(by how much a linear classifier prefers a class, trained variables, random ones, test images, their classes)"""
    config = Config(
        autoencoder=PlainConfig(encoder=Dense(widths=(32,)), latent_size=6),
        optimizer=Adam(learning_rate=0.01),
        training=TrainingConfig(epochs=30, batch_size=40),
    )
    _, model, variables, _ = fit(config, dataset.train.image, validate=False)
    image = np.asarray(dataset.test.image[:16] / 255, np.float32)
    code = np.asarray(apply(model, variables, np.asarray(dataset.train.image / 255, np.float32), method="encode"))
    readout = np.linalg.lstsq(code, np.eye(4, dtype=np.float32)[dataset.train.label])[0]

    @jax.jit
    def decision(variables, image, target):
        scores = model.apply(variables, image, method="encode") @ readout
        return jnp.take_along_axis(scores, target[:, None], axis=1)[:, 0] - jnp.mean(scores, axis=1)

    leaves, structure = jax.tree.flatten(variables)
    random = [
        jax.tree.unflatten(structure, [np.asarray(rng.normal(0, 0.2, leaf.shape), np.float32) for leaf in leaves])
        for _ in range(4)
    ]
    return decision, variables, random, image, dataset.test.label[:16]


def test_of_a_trained_network_gradients_pass_and_edges_fail(trained):
    decision, variables, random, image, target = trained
    blank = np.zeros(image.shape[1:], np.float32)

    explain = jax.jit(
        lambda variables: integrated_gradients(functools.partial(decision, variables), image, target, blank)
    )
    remove = jax.jit(lambda order: areas(functools.partial(decision, variables), image, target, blank, order))
    chance = jax.jit(lambda: random_areas(functools.partial(decision, variables), image, target, blank))()
    ends = (image, np.broadcast_to(blank[None], image.shape))
    change = np.subtract(*(np.asarray(decision(variables, end, target)) for end in ends))
    where = foreground(image, blank)

    def verdict(maps, **kwargs):
        own, *others = map(np.asarray, maps)
        return judge(own, np.stack(others), where, own=remove(own), chance=chance, **kwargs)

    gradients = verdict([explain(v) for v in (variables, *random)], change=change)
    assert gradients["failed"] == []
    assert gradients["completeness"] < 0.01
    assert abs(gradients["randomized_signed"]) < 0.3 < gradients["randomized_absolute"]
    meaningless = verdict([jax.jit(edges)(image)] * 5)
    assert "randomization" in meaningless["failed"]
    assert meaningless["randomized_signed"] == pytest.approx(1)
