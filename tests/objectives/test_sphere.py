"""Distributions of directions against scipy, numerical integration and finite differences."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats

from aejax.objectives.sphere import UniformOnSphere, VonMisesFisher, draw_directions, kl_to_uniform, log_area

CASES = [(2, 0.5), (2, 40.0), (3, 2.0), (5, 1.0), (10, 30.0), (10, 3000.0), (64, 1.0), (64, 200.0)]


def direction(dimension):
    vector = np.random.default_rng(dimension).normal(size=dimension)
    return vector / np.linalg.norm(vector)


@functools.partial(jax.jit, static_argnames="num")
def drawn(mean, concentration, key, num):
    draw = draw_directions(VonMisesFisher(mean[None], concentration[None]), key, num)
    return draw.latent[:, 0], draw.log_density[:, 0]


def of_scipy(dimension, concentration):
    return scipy.stats.vonmises_fisher(direction(dimension), concentration)


def mean_length(dimension, concentration):
    order = dimension / 2
    return scipy.special.ive(order, concentration) / scipy.special.ive(order - 1, concentration)


@pytest.mark.parametrize(("dimension", "concentration"), CASES)
def test_draws_are_directions_with_the_mean_and_the_concentration_asked_for(dimension, concentration):
    mean = direction(dimension)
    latent, log_density = drawn(np.float32(mean), np.float32(concentration), jax.random.key(0), 5_000)
    latent = np.asarray(latent, np.float64)
    np.testing.assert_allclose(np.linalg.norm(latent, axis=1), 1, atol=1e-5)
    expected = of_scipy(dimension, concentration).logpdf(latent / np.linalg.norm(latent, axis=1, keepdims=True))
    np.testing.assert_allclose(log_density, expected, rtol=1e-4, atol=2e-3)
    along = latent @ mean
    length = mean_length(dimension, concentration)
    variance = 1 - (dimension - 1) / concentration * length - length**2
    np.testing.assert_allclose(along.mean(), length, atol=4 * np.sqrt(variance / 5_000) + 1e-6)
    np.testing.assert_allclose(along.var(), variance, rtol=0.1, atol=1e-7)
    # Across the mean no direction is preferred.
    across = latent - along[:, None] * mean
    assert np.abs(across.mean(axis=0)).max() < 5 * np.sqrt((1 - length**2) / (dimension - 1) / 5_000)


@pytest.mark.parametrize(("dimension", "concentration"), CASES)
def test_the_kl_is_that_of_numerical_integration(dimension, concentration):
    def weight(angle):
        return np.exp(concentration * (np.cos(angle) - 1)) * np.sin(angle) ** (dimension - 2)

    points = np.linspace(0, np.pi, 30)
    mass, distance = (
        sum(scipy.integrate.quad(of, *part)[0] for part in itertools.pairwise(points))
        for of in (weight, lambda angle: weight(angle) * (1 - np.cos(angle)))
    )
    log_density = -concentration * distance / mass - np.log(mass) - log_area(dimension - 1)
    found = jax.jit(kl_to_uniform)(VonMisesFisher(np.float32(direction(dimension))[None], jnp.full(1, concentration)))
    np.testing.assert_allclose(found[0], log_density + log_area(dimension), rtol=1e-4, atol=1e-4)


def test_gradients_of_the_kl_and_of_draws_are_finite_differences():
    mean = np.float32(direction(6))

    @jax.jit
    def both(concentration):
        posterior = VonMisesFisher(mean[None], concentration[None])
        return kl_to_uniform(posterior)[0], draw_directions(posterior, jax.random.key(1), 50).latent @ mean

    slopes = jax.device_get(jax.jit(jax.jacfwd(both))(jnp.float32(4.0)))
    above, below = (jax.device_get(both(jnp.float32(x))) for x in (4.1, 3.9))
    for found, high, low in zip(slopes, above, below, strict=True):
        np.testing.assert_allclose(found, (high - low) / 0.2, rtol=0.01, atol=2e-4)


def test_the_slope_of_what_is_expected_of_draws_is_that_of_the_mean_length():
    """E[μᵀz] = A(κ), so the mean slope of draws is A'(κ)."""
    mean, concentration = np.float32(direction(4)), 3.0

    @jax.jit
    @jax.grad
    def slope(concentration):
        latent, _ = drawn(mean, concentration, jax.random.key(2), 5_000)
        return jnp.mean(latent @ mean)

    length = mean_length(4, concentration)
    expected = 1 - length**2 - 3 / concentration * length
    np.testing.assert_allclose(slope(jnp.float32(concentration)), expected, rtol=0.06)


def test_extremes_stay_finite_with_their_gradients():
    @functools.partial(jax.jit, static_argnames="dimension")
    def all_of(dimension, concentration):
        mean = jnp.zeros(dimension).at[0].set(1.0)

        def total(concentration):
            latent, log_density = drawn(mean, concentration, jax.random.key(0), 100)
            kl = kl_to_uniform(VonMisesFisher(mean[None], concentration[None]))
            return jnp.sum(latent) + jnp.sum(log_density) + jnp.sum(kl)

        return jax.value_and_grad(total)(concentration)

    for dimension in (2, 3, 128):
        for concentration in (0.0, 1e-3, 1e5):
            assert np.isfinite(jax.device_get(all_of(dimension, jnp.float32(concentration)))).all()


def test_the_uniform_prior_is_scipys():
    prior = UniformOnSphere(5)
    latent = prior.sample(jax.random.key(0), 4000)
    np.testing.assert_allclose(np.linalg.norm(latent, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.var(latent, axis=0), prior.variance(), rtol=0.1)
    expected = scipy.stats.uniform_direction(5).rvs(1) @ np.zeros(5) - log_area(5)
    np.testing.assert_allclose(prior.log_density(latent[:1]), expected, rtol=1e-6)
    np.testing.assert_allclose(np.exp([log_area(1), log_area(2), log_area(3)]), [2, 2 * np.pi, 4 * np.pi], rtol=1e-9)
