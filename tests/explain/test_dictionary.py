"""Sparse dictionaries: known atoms are found, dead units revived, and what is measured is what it says."""

import dataclasses

import numpy as np
import pytest

from aejax.errors import DataError, UserError
from aejax.explain.dictionary import DictionaryConfig, fit_dictionary

SIZE = 16
SMALL = DictionaryConfig(expansion=4, k=5, steps=15, batch_size=100)


def sparse_features(num):
    """Returns sums of 2 or 3 of 32 atoms, 16 directions and their opposites, and the atoms, [32, 16]."""
    generator = np.random.default_rng(0)
    half = generator.normal(size=(SIZE, SIZE))
    atoms = np.concatenate([half, -half])
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    weights = np.zeros((num, 32))
    for row in weights:
        chosen = generator.choice(32, size=generator.integers(2, 4), replace=False)
        row[chosen] = generator.uniform(0.5, 1.5, len(chosen))
    return (weights @ atoms).astype(np.float32), atoms


# More than a block of `map_examples`, and no multiple of one.
FEATURES, ATOMS = sparse_features(1501)


@pytest.fixture(scope="module")
def dictionary():
    return fit_dictionary(SMALL, FEATURES)


def test_known_atoms_are_found(dictionary):
    config = DictionaryConfig(expansion=4, k=3, steps=450, batch_size=100, learning_rate=3e-3)
    found = fit_dictionary(config, FEATURES)
    cosine = np.max(ATOMS @ np.asarray(found.vectors).T, axis=1)
    assert np.mean(cosine > 0.9) > 0.9
    untrained = np.max(ATOMS @ np.asarray(dictionary.vectors).T, axis=1)
    assert np.mean(untrained > 0.9) < 0.5


def test_auxk_revives_units_that_nothing_else_needs():
    """Nine in ten examples lie along one atom, so most units begin there: too many for these, too few for the rest."""
    generator = np.random.default_rng(1)
    features = FEATURES[:1000].copy()
    along = generator.choice([-1, 1], 900)[:, None] * ATOMS[:1] * generator.uniform(0.5, 1.5, (900, 1))
    features[:900] = along + 0.02 * generator.normal(size=along.shape)
    config = DictionaryConfig(expansion=2, k=2, steps=600, batch_size=50, learning_rate=3e-3, dead_after=10)

    def dead(weight):
        fitted = fit_dictionary(dataclasses.replace(config, auxiliary_weight=weight), features)
        return np.mean(fitted.frequency(features) == 0)

    without, revived = dead(None), dead(1.0)
    assert without > 0.4
    assert revived < 0.75 * without


def test_an_example_is_a_sum_of_a_few_vectors(dictionary):
    activations = np.asarray(dictionary.encode(FEATURES))
    vectors = np.asarray(dictionary.vectors)
    assert activations.shape == (1501, 64)
    assert vectors.shape == (64, SIZE)
    assert (activations >= 0).all()
    assert np.count_nonzero(activations, axis=1).max() == 5
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    distance = np.linalg.norm(FEATURES - FEATURES.mean(axis=0), axis=1)
    np.testing.assert_allclose(dictionary.distance(FEATURES)[:, 0], distance, rtol=1e-4)
    decoded = dictionary.decode(activations, distance[:, None])
    origin = dictionary.decode(np.zeros((1, 64), np.float32), np.ones((1, 1)))
    origin = np.asarray(origin)[0] - FEATURES.mean(axis=0)
    expected = FEATURES.mean(axis=0) + distance[:, None] * (activations @ vectors / np.sqrt(SIZE) + origin)
    np.testing.assert_allclose(decoded, expected, atol=1e-4)


def test_what_is_measured_is_what_it_says(dictionary):
    activations = np.asarray(dictionary.encode(FEATURES))
    np.testing.assert_allclose(dictionary.frequency(FEATURES), np.mean(activations > 0, axis=0), rtol=1e-5)
    other = 2 * FEATURES[:50] + 1
    decoded = np.asarray(dictionary.decode(dictionary.encode(other), dictionary.distance(other)))
    error = sum(np.sum((x - y) ** 2) for x, y in zip(other, decoded, strict=True))
    spread = sum(np.sum((x - other.mean(axis=0)) ** 2) for x in other)
    np.testing.assert_allclose(dictionary.unexplained_variance(other), error / spread, rtol=1e-4)


def test_how_far_an_example_is_from_the_mean_does_not_matter(dictionary):
    mean = FEATURES.mean(axis=0)
    near = np.concatenate([mean[None], FEATURES[:20]])
    far = mean + 7 * (near - mean)
    np.testing.assert_allclose(dictionary.encode(near), dictionary.encode(far), atol=1e-4)
    np.testing.assert_allclose(dictionary.unexplained_variance(near), dictionary.unexplained_variance(far), rtol=1e-3)


def test_units_begin_as_examples_that_the_seed_draws():
    few = FEATURES[:40]
    config = dataclasses.replace(SMALL, learning_rate=1e-12)
    vectors, other = (np.asarray(fit_dictionary(config, few, seed=seed).vectors) for seed in (0, 1))
    direction = few - few.mean(axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    # Of 64 units 40 have an example; the others are drawn.
    closest = np.argmax(vectors @ direction.T, axis=1)
    assert sorted(closest[:40]) == list(range(40))
    np.testing.assert_allclose(vectors[:40], direction[closest[:40]], atol=1e-5)
    assert np.max(vectors[40:] @ direction.T) < 0.99
    assert np.any(np.argmax(other[:40] @ direction.T, axis=1) != closest[:40])


def test_what_has_no_dictionary_is_refused():
    with pytest.raises(UserError, match="k=65 is more than the 64 units of a dictionary of 16 numbers"):
        fit_dictionary(dataclasses.replace(SMALL, k=65), FEATURES)
    with pytest.raises(DataError, match="the same for all examples"):
        fit_dictionary(SMALL, np.ones((9, 3)))
    with pytest.raises(DataError, match="finite"):
        fit_dictionary(SMALL, np.full((9, 3), np.nan))
