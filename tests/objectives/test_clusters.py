"""Clusters of codes against numpy and scikit-learn."""

import functools

import jax
import numpy as np
import pytest
import scipy.stats
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from aejax.objectives.clusters import cluster_means, fit_k_means, fit_mixture, log_memberships, sharpened

GENERATOR = np.random.default_rng(0)
CODE = GENERATOR.normal(size=(7, 3)).astype(np.float32)
CENTROID = GENERATOR.normal(size=(4, 3)).astype(np.float32)


def memberships(code, centroid):
    """q of each code, in float64."""
    square = ((code[:, None].astype(np.float64) - centroid[None]) ** 2).sum(axis=2)
    density = scipy.stats.t(df=1).pdf(np.sqrt(square))
    return density / density.sum(axis=1, keepdims=True), 1 / (1 + square)


def targets(q):
    share = q**2 / q.sum(axis=0)
    return share / share.sum(axis=1, keepdims=True)


def test_memberships_and_targets_are_those_of_student_t():
    q, _ = memberships(CODE, CENTROID)
    found = np.exp(jax.jit(log_memberships)(CODE, CENTROID))
    np.testing.assert_allclose(found, q, rtol=1e-5)
    np.testing.assert_allclose(jax.jit(sharpened)(found, found.sum(axis=0)), targets(q), rtol=1e-5)
    np.testing.assert_allclose(jax.jit(sharpened)(found, found.mean(axis=0)), targets(q), rtol=1e-5)


def test_the_gradient_is_that_of_the_paper():
    """Xie et al. (2016), equations 4 and 5, with α = 1."""
    q, kernel = memberships(CODE, CENTROID)
    p = targets(q)
    step = kernel[..., None] * (p - q)[..., None] * (CODE[:, None] - CENTROID[None])

    def loss(code, centroid):
        return -(p * log_memberships(code, centroid)).sum()

    of_code, of_centroid = jax.jit(jax.grad(loss, argnums=(0, 1)))(CODE, CENTROID)
    np.testing.assert_allclose(of_code, 2 * step.sum(axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(of_centroid, -2 * step.sum(axis=0), rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def blobs():
    """Codes around five places, some near each other, [300, 4]; and these places' numbers."""
    place = GENERATOR.normal(size=(5, 4)) * 3
    kind = GENERATOR.integers(0, 5, 300)
    scale = np.array([0.3, 0.5, 0.5, 1.0, 1.0])[kind]
    return (place[kind] + scale[:, None] * GENERATOR.normal(size=(300, 4))).astype(np.float32), kind


def test_k_means_is_as_good_as_that_of_scikit_learn(blobs):
    code, _ = blobs
    expected = KMeans(5, n_init=20, random_state=0).fit(code)
    centroid = np.asarray(jax.jit(fit_k_means, static_argnums=1)(code, 5, jax.random.key(0)), np.float64)
    square = ((code[:, None] - centroid[None]) ** 2).sum(axis=2)
    assert square.min(axis=1).sum() <= 1.0001 * expected.inertia_
    nearest = square.argmin(axis=1)
    np.testing.assert_allclose(centroid, [code[nearest == k].mean(axis=0) for k in range(5)], rtol=1e-4, atol=1e-4)


@functools.partial(jax.jit, static_argnums=1)
def mixture_of(code, num_clusters):
    return vars(fit_mixture(code, num_clusters, jax.random.key(0)))


def test_a_mixture_is_as_likely_as_that_of_scikit_learn(blobs):
    code, _ = blobs
    expected = GaussianMixture(5, covariance_type="diag", n_init=5, random_state=0, tol=1e-6).fit(code)
    mixture = jax.device_get(mixture_of(code, 5))
    deviation = np.exp(mixture["log_variance"] / 2)
    density = scipy.stats.norm.pdf(code[:, None], mixture["mean"][None], deviation[None]).prod(axis=2)
    weight = np.exp(mixture["log_weight"])
    np.testing.assert_allclose(np.log(density @ weight).mean(), expected.score(code), atol=0.01)
    np.testing.assert_allclose(weight.sum(), 1, rtol=1e-5)


def test_a_cluster_without_codes_has_no_mean():
    mean, count = jax.jit(cluster_means, static_argnums=2)(CODE, np.array([0, 0, 2, 2, 2, 2, 0]), 3)
    np.testing.assert_array_equal(count, [3, 0, 4])
    np.testing.assert_allclose(mean, [CODE[[0, 1, 6]].mean(axis=0), np.zeros(3), CODE[2:6].mean(axis=0)], rtol=1e-5)


def test_equal_codes_are_one_place_and_finite():
    mixture = mixture_of(np.ones((6, 2), np.float32), 3)
    assert all(np.isfinite(values).all() for values in mixture.values())
    np.testing.assert_allclose(mixture["mean"][0], 1, rtol=1e-5)
