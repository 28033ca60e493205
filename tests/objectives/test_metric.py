"""A metric of centroids, and leapfrog steps in it, against scipy and float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from aejax.objectives.leapfrog import leapfrog
from aejax.objectives.metric import MetricOfCentroids, inverse_root
from tests.objectives.curved import CurvedMetric, implicit_steps

GENERATOR = np.random.default_rng(0)
CENTROID = GENERATOR.normal(size=(4, 3)).astype(np.float32)
FACTOR = np.tril(GENERATOR.normal(size=(4, 3, 3))).astype(np.float32)
METRIC = MetricOfCentroids(CENTROID, FACTOR, 1.3, 0.2)
REFERENCE = CurvedMetric(CENTROID, FACTOR, 1.3, 0.2)
POSITION, MOMENTUM = GENERATOR.normal(size=(2, 5, 3)).astype(np.float32)
SIZE = np.float32([[0.04, 0.02, 0.03]])


def test_all_of_the_metric_is_numpys():
    @jax.jit
    def found(position, momentum):
        return (
            METRIC.inverse(position),
            METRIC.velocity(position, momentum),
            METRIC.log_density(position, momentum),
            METRIC.slope(position)(momentum),
            METRIC.momentum(position, momentum),
        )

    inverse, velocity, log_density, slope, drawn = found(POSITION, MOMENTUM)
    position, momentum = POSITION.astype(np.float64), MOMENTUM.astype(np.float64)
    expected = REFERENCE.inverse(position)
    np.testing.assert_allclose(inverse, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(velocity, REFERENCE.velocity(position, momentum), rtol=1e-5, atol=1e-5)
    of_scipy = [
        scipy.stats.multivariate_normal(np.zeros(3), np.linalg.inv(matrix)).logpdf(own)
        for matrix, own in zip(expected, momentum, strict=True)
    ]
    np.testing.assert_allclose(log_density, of_scipy, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(slope, REFERENCE.slope(position, momentum), rtol=1e-4, atol=1e-4)
    # Of noise γ, momenta are C⁻ᵀ γ: their covariance is G.
    root = np.linalg.inv(np.linalg.cholesky(expected)).transpose(0, 2, 1)
    np.testing.assert_allclose(root @ root.transpose(0, 2, 1) @ expected, np.tile(np.eye(3), (5, 1, 1)), atol=1e-9)
    np.testing.assert_allclose(drawn, np.einsum("nij,nj->ni", root, momentum), rtol=1e-4, atol=1e-5)


def test_the_inverse_root_and_its_slope_are_those_of_cholesky():
    generator = np.random.default_rng(1)
    parts = generator.normal(size=(3, 6, 6))
    matrix = parts @ parts.transpose(0, 2, 1) + 0.5 * np.eye(6)
    change = generator.normal(size=(3, 6, 6))
    change += change.transpose(0, 2, 1)
    found, slope = jax.jit(lambda *both: jax.jvp(inverse_root, *both))(
        (jnp.asarray(matrix, jnp.float32),), (jnp.asarray(change, jnp.float32),)
    )

    def expected(matrix):
        return np.linalg.inv(np.linalg.cholesky(matrix))

    np.testing.assert_allclose(found, expected(matrix), rtol=1e-4, atol=1e-5)
    difference = (expected(matrix + 1e-6 * change) - expected(matrix - 1e-6 * change)) / 2e-6
    np.testing.assert_allclose(slope, difference, rtol=1e-3, atol=1e-3)


def potential(position):
    return jnp.sin(2 * position) + position


@functools.partial(jax.jit, static_argnames="num_iterations")
def stepped(position, momentum, cooling, num_iterations):
    return leapfrog(potential, position, momentum, SIZE, cooling, METRIC, num_iterations)


@functools.partial(jax.jit, static_argnames="num_iterations")
def volume(position, momentum, cooling, num_iterations):
    def move(both):
        moved = leapfrog(potential, both[None, :3], both[None, 3:], SIZE, cooling, METRIC, num_iterations)
        return jnp.concatenate(moved, axis=1)[0]

    return jax.vmap(jax.jacfwd(move))(jnp.concatenate([position, momentum], axis=1))


def test_implicit_steps_are_those_in_float64():
    found = stepped(POSITION, MOMENTUM, np.float32([0.9, 0.8]), 3)
    start = POSITION.astype(np.float64), MOMENTUM.astype(np.float64)
    expected = implicit_steps(lambda z: np.sin(2 * z) + z, REFERENCE, *start, SIZE, [0.9, 0.8], 3)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("num_iterations", "least", "most"), [(1, 1e-4, 0.2), (8, 0.0, 1e-5)])
def test_steps_lead_back_and_keep_volume_as_far_as_iterations_converge(num_iterations, least, most):
    ones = np.ones(1, np.float32)
    far, fast = stepped(POSITION, MOMENTUM, ones, num_iterations)
    assert np.abs(far - POSITION).max() > 0.05
    back, turned = stepped(far, -fast, ones, num_iterations)
    error = max(np.abs(back - POSITION).max(), np.abs(turned + MOMENTUM).max())
    assert least <= error <= most
    determinant = np.linalg.det(np.asarray(volume(POSITION, MOMENTUM, ones, num_iterations), np.float64))
    assert least <= np.abs(determinant - 1).max() <= most


def test_far_from_all_centroids_the_mass_is_the_same_everywhere():
    metric = MetricOfCentroids(CENTROID, FACTOR, 1.3, 1.0)

    @jax.jit
    def found(far):
        return metric.momentum(far, MOMENTUM), metric.velocity(far, MOMENTUM), metric.slope(far)(MOMENTUM)

    drawn, velocity, slope = found(POSITION + np.float32(1e3))
    assert np.array_equal(drawn, MOMENTUM)
    assert np.array_equal(velocity, MOMENTUM)
    assert not np.any(slope)
