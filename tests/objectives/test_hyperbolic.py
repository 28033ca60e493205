"""Wrapped normal distributions against the formulas of the Poincaré ball, in float64, and numerical integration."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from aejax.objectives.hyperbolic import draw_wrapped, exponential, log_volume
from aejax.objectives.posteriors import Posterior
from tests.objectives.ball import conformal, exponential_on_ball, log_density_on_ball, norm, to_ball

MAPPED = jax.jit(exponential)


def some(shape, scale=1.0, seed=0):
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


@pytest.mark.parametrize("curvature", [0.3, 2.0])
def test_the_exponential_is_that_of_the_ball_and_its_inverse_leads_back(curvature):
    center, step = some((40, 4), 0.5), some((40, 4), 0.5, seed=1)
    point = MAPPED(center, step, curvature)
    mean = to_ball(center.astype(np.float64), curvature)
    expected = exponential_on_ball(mean, step / conformal(mean, curvature), curvature)
    np.testing.assert_allclose(to_ball(np.asarray(point, np.float64), curvature), expected, atol=1e-6)
    np.testing.assert_allclose(MAPPED(-center, point, curvature), step, atol=1e-5)
    origin = np.zeros_like(center)
    np.testing.assert_allclose(MAPPED(origin, step, curvature), step, atol=1e-6)
    np.testing.assert_allclose(MAPPED(center, origin, curvature), center, atol=1e-6)


@functools.partial(jax.jit, static_argnames="num")
def drawn(mean, log_variance, curvature, num):
    return draw_wrapped(Posterior(mean, log_variance), curvature, jax.random.key(0), num)


@pytest.mark.parametrize(("curvature", "dimension"), [(1.0, 2), (0.4, 5)])
def test_densities_of_draws_are_those_of_the_ball(curvature, dimension):
    mean, log_variance = some((3, dimension)), some((3, dimension), 0.5, seed=1)
    latent, log_density = jax.device_get(drawn(mean, log_variance, curvature, 20))
    z, mean = latent.astype(np.float64), mean.astype(np.float64)[None]
    variance = np.exp(log_variance.astype(np.float64))[None]
    expected = log_density_on_ball(to_ball(z, curvature), to_ball(mean, curvature), variance, curvature)
    length = np.sqrt(curvature) * norm(z)[..., 0]
    growth = (dimension - 1) * np.log(np.sinh(length) / length)  # From the volume of the space to that of coordinates.
    np.testing.assert_allclose(log_density, expected + growth, rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize("curvature", [0.0, 1.0, 3.0])
def test_the_density_integrates_to_one(curvature):
    mean, log_variance = np.float32([[0.7, -0.4]]), np.float32([-1.0, 0.3])
    axis = np.linspace(-7, 7, 400, dtype=np.float32)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    step = MAPPED(-mean, points, curvature)
    volume = jax.jit(log_volume)
    growth = np.asarray(volume(points, curvature) - volume(step, curvature), np.float64)
    log_density = scipy.stats.norm.logpdf(step, 0, np.exp(log_variance / 2)).sum(axis=1) + growth
    np.testing.assert_allclose(np.exp(log_density).sum() * (axis[1] - axis[0]) ** 2, 1, rtol=2e-3)
    # That this is the density of draws, draws say themselves.
    latent, found = drawn(mean, log_variance[None], curvature, 50)
    back = MAPPED(-mean, latent[:, 0], curvature)
    growth = volume(latent[:, 0], curvature) - volume(back, curvature)
    expected = scipy.stats.norm.logpdf(back, 0, np.exp(log_variance / 2)).sum(axis=1) + growth
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-4)


def test_no_curvature_is_the_limit_of_little():
    mean, log_variance = some((5, 3)), some((5, 3), 0.5, seed=1)
    flat = jax.device_get(drawn(mean, log_variance, 0.0, 4))
    noise = np.asarray(jax.random.normal(jax.random.key(0), (4, 5, 3)), np.float64)
    np.testing.assert_allclose(flat.latent, mean + np.exp(log_variance / 2) * noise, rtol=1e-5, atol=1e-6)
    expected = np.sum(scipy.stats.norm.logpdf(noise) - log_variance / 2, axis=-1)
    np.testing.assert_allclose(flat.log_density, expected, rtol=1e-5, atol=1e-5)
    for one, other in zip(flat, drawn(mean, log_variance, 1e-7, 4), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5)


def test_slopes_are_finite_differences():
    center, step = some((6, 3), 0.7), some((6, 3), 0.7, seed=1)
    center[0] = 0  # Where lengths have no slope.
    step[1] = 0

    @jax.jit
    def both(center, step):
        point = exponential(center, step, 1.5)
        return point, log_volume(point, 1.5)

    along = some((2, 6, 3), seed=2)
    _, slopes = jax.jvp(both, (center, step), tuple(along))
    size = 1e-2
    above, below = (both(center + s * along[0], step + s * along[1]) for s in (size, -size))
    for found, high, low in zip(slopes, above, below, strict=True):
        np.testing.assert_allclose(found, (high - low) / (2 * size), rtol=0.01, atol=3e-3)


def test_extremes_stay_finite_with_their_gradients():
    @jax.jit
    @jax.value_and_grad
    def total(arguments):
        mean, log_variance = arguments
        latent, log_density = draw_wrapped(Posterior(mean, log_variance), 1.0, jax.random.key(0), 3)
        back = exponential(-mean[None], latent, 1.0)
        return jnp.sum(jnp.square(latent)) + jnp.sum(log_density) + jnp.sum(back)

    unit = some((4, 6))
    for length in (0.0, 1e-15, 30.0, 1e4):  # A ball in float32 ends at 17.
        for log_variance in (-20.0, 0.0, 20.0):
            value, slopes = total((length * unit, np.full((4, 6), log_variance, np.float32)))
            assert np.isfinite(value)
            assert all(np.isfinite(slope).all() for slope in slopes)


def test_far_points_keep_their_distances():
    """Beyond where a ball ends: along a line lengths add up, and across it they fall behind by log 2 (c = 1)."""
    along, across = np.float32([[30.0, 0, 0]]), np.float32([[0, 20.0, 0]])
    np.testing.assert_allclose(MAPPED(along, along / 2, 1.0), 1.5 * along, rtol=1e-6)
    np.testing.assert_allclose(norm(MAPPED(along, across, 1.0)), 50 - np.log(2), rtol=1e-6)
