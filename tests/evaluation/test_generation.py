"""Metrics of drawn images against brute force in float64, and where their values are known; copies of training."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

from aejax.evaluation import generation, pca
from aejax.evaluation.generation import gaussian_statistics, neighbor_radius

make_reference = jax.jit(generation.make_reference, static_argnames="k")
compare = jax.jit(generation.compare, static_argnames="k")
frechet_distance = jax.jit(generation.frechet_distance)
kernel_distance = jax.jit(generation.kernel_distance)
nearest_training = jax.jit(generation.nearest_training)


def judge(real, fake, k=5):
    """The metrics as floats."""
    found = compare(make_reference(jnp.asarray(real), k), jnp.asarray(fake), k)
    return {name: float(value) for name, value in found.items()}


@pytest.fixture(scope="module")
def features():
    """More rows than a block has, and no multiple of it: real ones, and fewer drawn ones that lie elsewhere."""
    generator = np.random.default_rng(0)
    real = generator.normal(size=(330, 6)) @ generator.normal(size=(6, 6)) + 5
    fake = 0.8 * generator.normal(size=(280, 6)) @ generator.normal(size=(6, 6)) + 4.5
    return real.astype(np.float32), fake.astype(np.float32)


def covariance(generator, size, rank):
    root = generator.normal(size=(size, rank))
    return root @ root.T / rank


@pytest.mark.parametrize("ranks", [(8, 8), (8, 3), (3, 8), (3, 4), (0, 8), (0, 0)])
def test_the_frechet_distance_is_that_of_two_gaussians(ranks):
    """Their covariances do not commute, and some have no inverse."""
    generator = np.random.default_rng(1)
    means = generator.normal(size=(2, 8))
    first, second = (covariance(generator, 8, rank) if rank else np.zeros((8, 8)) for rank in ranks)
    # The roots of the eigenvalues of C1 C2, which are none but real and positive.
    root = np.sqrt(np.maximum(scipy.linalg.eigvals(first @ second).real, 0)).sum()
    if ranks == (8, 8):
        assert np.abs(first @ second - second @ first).max() > 0.1
        np.testing.assert_allclose(root, np.trace(scipy.linalg.sqrtm(first @ second)).real, rtol=1e-9)
    expected = np.sum((means[0] - means[1]) ** 2) + np.trace(first) + np.trace(second) - 2 * root
    found = frechet_distance(*(np.float32(x) for x in (means[0], first, means[1], second)))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_frechet_distance_in_one_dimension_and_from_itself():
    one = lambda x: jnp.full((1, 1), x)  # noqa: E731
    np.testing.assert_allclose(frechet_distance(jnp.ones(1), one(4.0), jnp.full(1, 3.5), one(9.0)), 2.5**2 + 1)
    for rank in (2, 64):
        matrix = jnp.asarray(covariance(np.random.default_rng(rank), 64, rank), jnp.float32)
        distance = frechet_distance(jnp.ones(64), matrix, jnp.ones(64), matrix)
        assert 0 <= distance < 1e-4 * np.trace(matrix)


def test_statistics_are_unbiased(features):
    mean, covariance = gaussian_statistics(features[0])
    np.testing.assert_allclose(mean, features[0].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(covariance, np.cov(features[0].T), rtol=1e-4, atol=1e-5)


def brute_kernel_distance(x, y):
    kernel = lambda a, b: (a @ b.T / a.shape[1] + 1) ** 3  # noqa: E731
    within = sum(kernel(z, z)[~np.eye(len(z), dtype=bool)].mean() for z in (x, y))
    return within - 2 * kernel(x, y).mean()


def test_the_kernel_distance_is_that_of_all_pairs(features):
    exact = brute_kernel_distance(*(x.astype(np.float64) for x in features))
    np.testing.assert_allclose(kernel_distance(*features), exact, rtol=1e-4)


def test_the_kernel_distance_has_no_bias():
    """Pairs of a draw with itself would add a tenth of their kernel."""
    draws = jax.random.normal(jax.random.key(0), (2, 3000, 10, 3))
    values = np.asarray(jax.jit(lambda x, y: jax.lax.map(lambda pair: kernel_distance(*pair), (x, y)))(*draws))
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(3000)
    assert values.std() / np.sqrt(3000) < 0.03
    assert values.min() < 0


def brute_neighborhoods(real, fake, k):
    radius = lambda x: np.sort(cdist(x, x), axis=1)[:, k]  # noqa: E731  # The first is the distance from itself.
    distance = cdist(real, fake)
    in_real, in_fake = distance <= radius(real)[:, None], distance <= radius(fake)[None]
    return {
        "precision": in_real.any(axis=0).mean(),
        "recall": in_fake.any(axis=1).mean(),
        "density": in_real.sum(axis=0).mean() / k,
        "coverage": in_real.any(axis=1).mean(),
    }


def test_neighborhoods_are_those_of_brute_force(features):
    separately = lambda x, y: generation.precision_recall(x, y, 1) | generation.density_coverage(x, y, 1)  # noqa: E731
    for k, found in ((5, judge(*features)), (1, jax.jit(separately)(*features))):
        expected = brute_neighborhoods(*(x.astype(np.float64) for x in features), k)
        assert 0.02 < min(expected.values()) < max(expected.values()) < 0.98  # All have something to tell.
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-6)


def test_equal_sets_equal_distributions_and_sets_far_apart(features):
    real = features[0]
    same = judge(real, real)
    np.testing.assert_allclose([same["precision"], same["recall"], same["coverage"]], 1, rtol=1e-6)
    assert same["frechet_distance"] < 1e-4
    alike = judge(*np.random.default_rng(2).normal(size=(2, 1000, 6)).astype(np.float32))
    assert abs(alike["density"] - 1) < 0.1
    assert alike["coverage"] > 0.9  # Of k = 5 and many images, 1 − 2^−5 (Naeem et al., 2020, section 3.2).
    assert abs(alike["precision"] - alike["recall"]) < 0.05
    far = judge(real, real + 1000)
    assert far["precision"] == far["recall"] == far["density"] == far["coverage"] == 0
    np.testing.assert_allclose(far["frechet_distance"], 6e6, rtol=1e-3)


def test_a_single_mode_has_precision_without_recall_and_an_outlier_does_not_change_density():
    generator = np.random.default_rng(3)
    real = generator.normal(size=(330, 6)).astype(np.float32)
    collapsed = judge(real, (0.1 * generator.normal(size=(280, 6))).astype(np.float32))
    assert collapsed["precision"] > 0.95
    assert collapsed["recall"] < 0.1
    assert collapsed["coverage"] < 0.2
    # Around a single far image all is taken for real, but for little of its density.
    real[0] = 50
    found = judge(real, (generator.normal(size=(280, 6)) + 10).astype(np.float32))
    assert found["precision"] > 0.999
    assert found["density"] < 0.25


def test_equal_distances_count_one_by_one_and_a_k_that_is_too_large_is_refused():
    line = jnp.asarray([[0.0], [1.0], [1.0], [2.0]])
    for k, expected in ((1, [1, 0, 0, 1]), (2, [1, 1, 1, 1]), (3, [2, 1, 1, 2])):
        np.testing.assert_allclose(neighbor_radius(line, k), expected)
    for k in (0, 4):
        with pytest.raises(ValueError, match=r"k must lie in \[1, 3\]"):
            neighbor_radius(line, k)


def test_a_member_is_what_it_is_alone(features):
    real, fake = features
    reference = make_reference(real, 5)
    members = jnp.stack([jnp.asarray(fake), jnp.square(fake), jnp.cos(fake)])
    one = functools.partial(compare, reference, k=5)
    together = jax.jit(lambda x: jax.lax.map(one, x))(members)
    alone = jax.jit(one)
    for i in range(3):
        assert all(together[name][i] == value for name, value in alone(members[i]).items())


def test_not_all_pairs_are_there_at_once():
    num = 3000
    shape = jax.ShapeDtypeStruct((num, 8), jnp.float32)
    reference = jax.eval_shape(make_reference, shape)
    for compiled in (make_reference.lower(shape).compile(), compare.lower(reference, shape).compile()):
        assert compiled.memory_analysis().temp_size_in_bytes < num * num * 4 / 2


@pytest.fixture(scope="module")
def digits():
    """Training images, more than are looked at together and no multiple of that, and others."""
    image = np.rint(load_digits().images[..., None] * (255 / 16)).astype(np.uint8)
    return image[:1300], image[1300:]


def test_the_nearest_training_images_are_those_of_brute_force(digits):
    training, other = digits
    found = nearest_training(other / np.float32(255), training)
    distance = cdist(other.reshape(497, 64) / 255, training.reshape(1300, 64) / 255)
    ordered = np.sort(distance, axis=1)
    np.testing.assert_allclose(found.distance, ordered[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found.second_distance, ordered[:, 1], rtol=1e-5)
    np.testing.assert_allclose(distance[np.arange(497), found.training_index], ordered[:, 0], rtol=1e-5)
    assert found.training_index.max() >= 1000
    assert found.memorized < 0.01


def test_copies_are_memorized_and_the_mean_of_two_images_is_not(digits):
    training, _ = digits
    image = training / np.float32(255)
    exact = nearest_training(image[::2], training)
    assert np.max(exact.distance) < 1e-6
    assert np.array_equal(exact.training_index, np.arange(0, 1300, 2))
    assert exact.memorized == 1
    noise = np.random.default_rng(0).uniform(-0.02, 0.02, image[::2].shape).astype(np.float32)
    assert nearest_training(image[::2] + noise, training).memorized > 0.98
    assert nearest_training((image[:650] + image[650:]) / 2, training).memorized == 0
    # Exact copies of what is there twice, though nothing is nearer than something else.
    twice = nearest_training(image[:10], np.concatenate([training, training[:10]]))
    assert np.max(twice.second_distance) < 1e-6
    assert twice.memorized == 1


def test_fewer_images_than_features_have_the_frechet_distance_of_their_gaussians():
    generator = np.random.default_rng(0)
    real, fake = (generator.normal(size=(num, 70)) @ generator.normal(size=(70, 70)) / 8 for num in (50, 40))
    found = judge(real.astype(np.float32), fake.astype(np.float32))["frechet_distance"]
    covariances = np.cov(real.T), np.cov(fake.T)
    root = np.sqrt(np.maximum(scipy.linalg.eigvals(covariances[0] @ covariances[1]).real, 0)).sum()
    expected = np.sum((real.mean(0) - fake.mean(0)) ** 2) + sum(map(np.trace, covariances)) - 2 * root
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_gaussian_like_images_has_their_moments(digits, monkeypatch):
    monkeypatch.setattr(pca, "_ROWS_AT_ONCE", 300)  # Four blocks and a part of one.
    stored = jnp.asarray(digits[0])
    drawn = np.asarray(jax.jit(generation.gaussian_like, static_argnums=1)(stored, 4000, jax.random.key(0)))
    assert drawn.shape == (4000, 8, 8, 1)
    rows, drawn = digits[0].reshape(1300, 64) / 255, drawn.reshape(-1, 64)
    np.testing.assert_allclose(drawn.mean(0), rows.mean(0), atol=0.03)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(rows.T), atol=0.015)
