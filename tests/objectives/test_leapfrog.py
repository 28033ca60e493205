"""Leapfrog steps keep volume, and lead back."""

import jax
import jax.numpy as jnp
import numpy as np

from aejax.objectives.leapfrog import leapfrog


def gradient(position):
    return jnp.sin(2 * position) + position**3


def test_steps_lead_back_with_the_momentum_turned_around():
    generator = np.random.default_rng(0)
    position, momentum = (jnp.asarray(generator.normal(size=(5, 3)), jnp.float32) for _ in range(2))
    size = jnp.asarray([[0.1, 0.05, 0.2]])
    far, fast = leapfrog(gradient, position, momentum, size, jnp.ones(4))
    assert jnp.abs(far - position).max() > 0.1
    back, turned = leapfrog(gradient, far, -fast, size, jnp.ones(4))
    np.testing.assert_allclose(back, position, atol=1e-5)
    np.testing.assert_allclose(-turned, momentum, atol=1e-5)


def test_volume_stays_but_for_the_cooling():
    generator = np.random.default_rng(1)
    both, size = jnp.asarray(generator.normal(size=6), jnp.float32), jnp.asarray([0.1, 0.05, 0.2])
    for cooling in ([1.0, 1.0], [0.9, 0.8]):

        def move(both, cooling=cooling):
            return jnp.concatenate(leapfrog(gradient, both[:3], both[3:], size, jnp.asarray(cooling)))

        determinant = np.linalg.det(np.asarray(jax.jacfwd(move)(both), np.float64))
        np.testing.assert_allclose(determinant, np.prod(cooling) ** 3, rtol=1e-5)


def test_a_step_is_neals():
    position, momentum = np.array([[0.3, -1.0]]), np.array([[0.5, 0.2]])
    size = np.array([[0.1, 0.3]])

    def slope(x):
        return np.sin(2 * x) + x**3

    half = momentum - size / 2 * slope(position)
    expected = position + size * half
    found = leapfrog(gradient, *(jnp.asarray(x, jnp.float32) for x in (position, momentum, size)), jnp.asarray([0.5]))
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)
    np.testing.assert_allclose(found[1], 0.5 * (half - size / 2 * slope(expected)), rtol=1e-5)
