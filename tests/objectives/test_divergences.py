"""Divergences against numpy, scipy and Monte Carlo."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from aejax.objectives.divergences import (
    InverseMultiquadratic,
    RadialBasis,
    decompose_kl,
    gaussian_kl,
    gaussian_log_density,
    maximum_mean_discrepancy,
    sliced_wasserstein,
    standard_log_density,
)
from aejax.objectives.priors import StandardNormal

GENERATOR = np.random.default_rng(0)
MEAN = GENERATOR.normal(size=(6, 3)).astype(np.float32)
LOG_VARIANCE = GENERATOR.normal(size=(6, 3)).astype(np.float32)
DEVIATION = np.exp(LOG_VARIANCE / 2)
LATENT = (MEAN + DEVIATION * GENERATOR.normal(size=(6, 3))).astype(np.float32)
PRIOR = StandardNormal(3).log_density
decompose = jax.jit(decompose_kl, static_argnums=(1, 4, 5))


def test_densities_are_scipys():
    expected = scipy.stats.norm.logpdf(LATENT, MEAN, DEVIATION)
    found = jax.jit(gaussian_log_density)(LATENT, MEAN, LOG_VARIANCE)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(jax.jit(standard_log_density)(LATENT), scipy.stats.norm.logpdf(LATENT), rtol=1e-5)


def test_the_kl_is_that_of_numpy_and_of_monte_carlo():
    variance = np.exp(LOG_VARIANCE.astype(np.float64))
    closed = np.asarray(jax.jit(gaussian_kl)(MEAN, LOG_VARIANCE))
    np.testing.assert_allclose(closed, (MEAN**2 + variance - 1 - np.log(variance)) / 2, rtol=1e-5, atol=1e-6)
    draws = MEAN + DEVIATION * GENERATOR.normal(size=(20_000, 6, 3))
    ratio = scipy.stats.norm.logpdf(draws, MEAN, DEVIATION) - scipy.stats.norm.logpdf(draws)
    error = ratio.std(axis=0) / np.sqrt(len(draws))
    assert np.all(np.abs(ratio.mean(axis=0) - closed) < 4 * error)
    assert np.any(np.abs(ratio.mean(axis=0) - closed) > 0.1 * error)


@pytest.mark.parametrize("estimator", ["weighted", "stratified"])
def test_the_size_of_the_data_may_be_traced(estimator):
    run = jax.jit(lambda size: jnp.stack(decompose_kl(LATENT, PRIOR, MEAN, LOG_VARIANCE, size, estimator)))
    for size in (1, 6, 50):
        expected = np.stack(decompose(LATENT, PRIOR, MEAN, LOG_VARIANCE, size, estimator))
        np.testing.assert_allclose(run(size), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("estimator", ["weighted", "stratified"])
def test_the_parts_of_the_kl_are_numpys(estimator):
    size = 50
    pairs = scipy.stats.norm.logpdf(LATENT[:, None], MEAN[None], DEVIATION[None]).astype(np.float64)
    weight = np.full((6, 6), (1 / size if estimator == "weighted" else (size - 1) / size / 5 * 6) / 6)
    if estimator == "stratified":
        np.fill_diagonal(weight, 1 / size)
        np.testing.assert_allclose(weight.sum(axis=1), 1)
    joint = scipy.special.logsumexp(pairs.sum(axis=2), b=weight, axis=1)
    product = scipy.special.logsumexp(pairs, b=weight[:, :, None], axis=1).sum(axis=1)
    posterior = scipy.stats.norm.logpdf(LATENT, MEAN, DEVIATION).sum(axis=1)
    prior = scipy.stats.norm.logpdf(LATENT).sum(axis=1)
    parts = decompose(LATENT, PRIOR, MEAN, LOG_VARIANCE, size, estimator)
    for part, expected in zip(parts, (posterior - joint, joint - product, product - prior), strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-5, atol=1e-5)


def test_of_the_full_batch_the_stratified_parts_add_to_the_kl():
    keys = jax.random.split(jax.random.key(0), 4000)

    @jax.jit
    def parts(key):
        latent = MEAN + DEVIATION * jax.random.normal(key, MEAN.shape)
        return jnp.stack(decompose_kl(latent, PRIOR, MEAN, LOG_VARIANCE, len(MEAN), "stratified"))

    draws = np.asarray(jax.lax.map(parts, keys))  # [draws, parts, images]
    total, exact = draws.sum(axis=1), np.asarray(jax.jit(gaussian_kl)(MEAN, LOG_VARIANCE)).sum(axis=1)
    assert np.all(np.abs(total.mean(axis=0) - exact) < 4 * total.std(axis=0) / np.sqrt(len(draws)))
    # Of the whole, the first is the information of the image's number, and all are divergences.
    means = draws.mean(axis=(0, 2))
    assert np.all(means > 0)
    assert means[0] < np.log(6)


def test_the_stratified_estimate_of_the_codes_density_is_unbiased():
    """q(z) at the code of one image, over all batches of three that hold it."""
    from itertools import combinations

    own = 0
    density = lambda z, batch: np.exp(  # noqa: E731
        scipy.stats.norm.logpdf(z, MEAN[batch], DEVIATION[batch]).sum(axis=1)
    )
    exact = density(LATENT[own], list(range(6))).mean()
    found = []
    for others in combinations(range(1, 6), 2):
        batch = [own, *others]
        parts = decompose(LATENT[batch], PRIOR, MEAN[batch], LOG_VARIANCE[batch], 6, "stratified")
        log_posterior = scipy.stats.norm.logpdf(LATENT[own], MEAN[own], DEVIATION[own]).sum()
        found.append(np.exp(log_posterior - np.asarray(parts.mutual_information)[0]))
    np.testing.assert_allclose(np.mean(found), exact, rtol=1e-4)


@pytest.mark.parametrize("kernel", [RadialBasis(bandwidth=0.7), InverseMultiquadratic(bandwidth=0.7)])
def test_the_discrepancy_is_numpys(kernel):
    x, y = GENERATOR.normal(size=(5, 3)), GENERATOR.normal(size=(7, 3)) + 1

    def value(a, b):
        square = np.sum((a - b) ** 2)
        if kernel.kind == "rbf":
            return np.exp(-square / (2 * 3 * 0.49))
        return sum(c / (c + square) for c in 2 * 3 * 0.49 * np.array([0.1, 0.2, 0.5, 1, 2, 5, 10]))

    within = lambda s: np.mean([value(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j])  # noqa: E731
    between = np.mean([value(a, b) for a in x for b in y])
    expected = within(x) + within(y) - 2 * between
    found = jax.jit(maximum_mean_discrepancy, static_argnums=0)(kernel, x.astype(np.float32), y.astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kernel", [RadialBasis(), InverseMultiquadratic()])
def test_of_equal_distributions_the_discrepancy_is_zero_on_average_and_of_others_not(kernel):
    @jax.jit
    def draw(key):
        x, y = jax.random.normal(key, (2, 8, 3))
        return maximum_mean_discrepancy(kernel, x, y), maximum_mean_discrepancy(kernel, x, y + 1)

    equal, other = (np.asarray(value) for value in jax.lax.map(draw, jax.random.split(jax.random.key(1), 4000)))
    error = equal.std() / np.sqrt(len(equal))
    assert abs(equal.mean()) < 4 * error
    assert other.mean() > 20 * error
    assert equal.min() < 0


def test_the_sliced_distance_is_numpys_and_zero_for_the_same_draws_in_any_order():
    distance = jax.jit(sliced_wasserstein, static_argnums=3)
    key = jax.random.key(3)
    x, y = GENERATOR.normal(size=(2, 7, 3)).astype(np.float32) + np.array([0, 1], np.float32)[:, None, None]
    direction = np.asarray(jax.random.normal(key, (3, 5)), np.float64)
    direction /= np.sqrt(np.sum(direction**2, axis=0))
    along_x, along_y = (
        np.sort(np.sum(side[:, :, None].astype(np.float64) * direction, axis=1), axis=0) for side in (x, y)
    )
    np.testing.assert_allclose(distance(key, x, y, 5), np.mean((along_x - along_y) ** 2), rtol=1e-5)
    np.testing.assert_allclose(distance(key, x, GENERATOR.permutation(x), 5), 0, atol=1e-12)


def test_the_sliced_distance_of_shifted_draws_is_the_squared_shift_of_a_unit():
    """Directions are uniform on the sphere, so of the squared length of a shift they see the share 1 / units."""
    x, shift = GENERATOR.normal(size=(8, 3)).astype(np.float32), np.array([[2.0, -1.0, 0.5]], np.float32)
    found = jax.jit(sliced_wasserstein, static_argnums=3)(jax.random.key(0), x, x + shift, 10_000)
    np.testing.assert_allclose(found, np.sum(shift**2) / 3, rtol=0.05)


def test_a_posterior_without_variance_stays_finite_with_its_gradient():
    @jax.jit
    @jax.value_and_grad
    def total(log_variance):
        parts = decompose_kl(MEAN, PRIOR, MEAN, log_variance, 6, "stratified")
        return jnp.sum(gaussian_kl(MEAN, log_variance)) + sum(jnp.sum(part) for part in parts)

    for value in (-20.0, 20.0):
        loss, gradient = total(np.full((6, 3), value, np.float32))
        assert np.isfinite(loss)
        assert np.isfinite(gradient).all()
