"""Penalties against numpy, scipy and finite differences; the ways to compute a Jacobian's norm against each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from aejax.networks.layers import ACTIVATIONS
from aejax.objectives.divergences import bernoulli_kl
from aejax.objectives.penalties import (
    absolute_sum,
    curvature,
    dense_layer_norm,
    exact_norm,
    hutchinson_norm,
    rate_divergence,
)

GENERATOR = np.random.default_rng(0)
IMAGE = GENERATOR.normal(size=(3, 2, 3, 1)).astype(np.float32)
KERNEL, SECOND = (GENERATOR.normal(size=shape).astype(np.float32) for shape in ((6, 4), (4, 5)))
BIAS = GENERATOR.normal(size=4).astype(np.float32)


def preactivate(image):
    return image.reshape(image.shape[0], -1) @ KERNEL + BIAS[None]


def deep(image):
    return jnp.tanh(jnp.tanh(preactivate(image)) @ SECOND)


def layer(name):
    return lambda image: ACTIVATIONS[name](preactivate(image))


def contraction(norm, image):
    return jax.jit(lambda image: norm.squared(norm.sketch(image)[1]))(image)


def curvature_of(norm, image, noise):
    return jax.jit(lambda image, noise: curvature(norm, image, norm.sketch(image)[1], noise))(image, noise)


def jacobians(encode, image):
    """Returns the Jacobian of every example by itself, [batch, latent_size, inputs]."""
    rows = jax.jit(jax.vmap(jax.jacobian(lambda x: encode(x[None])[0])))(image)
    return np.asarray(rows).reshape(len(image), -1, image[0].size)


def test_the_absolute_sum_is_numpys():
    latent = GENERATOR.normal(size=(5, 7)).astype(np.float32)
    np.testing.assert_allclose(jax.jit(absolute_sum)(latent), np.linalg.norm(latent, ord=1, axis=1), rtol=1e-6)


def test_the_divergence_of_bernoullis_is_scipys():
    logit = np.linspace(-4, 4, 9, dtype=np.float32)
    for rate in (0.05, 0.5, 0.9):
        expected = [scipy.stats.entropy([rate, 1 - rate], [q, 1 - q]) for q in scipy.special.expit(logit)]
        np.testing.assert_allclose(jax.jit(bernoulli_kl)(rate, logit), expected, rtol=1e-4, atol=1e-6)


def test_the_divergence_of_rates_is_that_of_the_means_over_the_batch_for_every_example():
    logit = GENERATOR.normal(size=(6, 4)).astype(np.float32) * 3
    mean = scipy.special.expit(logit).mean(axis=0)
    expected = scipy.special.rel_entr(0.1, mean) + scipy.special.rel_entr(0.9, 1 - mean)
    np.testing.assert_allclose(jax.jit(rate_divergence)(logit, 0.1), np.full(6, expected.sum()), rtol=1e-5)


@pytest.mark.parametrize("logit", [-1e3, 1e3])
def test_saturated_units_have_a_finite_divergence_and_a_gradient_that_brings_them_back(logit):
    value, gradient = jax.jit(jax.value_and_grad(lambda x: rate_divergence(x, 0.05)[0]))(jnp.full((3, 2), logit))
    assert np.isfinite(value)
    assert value > 1
    assert np.isfinite(gradient).all()
    assert (np.sign(gradient) == np.sign(logit)).all()


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh"])
def test_closed_form_and_exact_norm_are_those_of_jax_and_of_finite_differences(name):
    expected = np.sum(jacobians(layer(name), IMAGE) ** 2, axis=(1, 2))
    closed = dense_layer_norm(ACTIVATIONS[name], preactivate, KERNEL)
    np.testing.assert_allclose(contraction(closed, IMAGE), expected, rtol=1e-5)
    encode = jax.jit(layer(name))
    np.testing.assert_allclose(jax.jit(lambda image: closed.sketch(image)[0])(IMAGE), encode(IMAGE), rtol=1e-6)
    np.testing.assert_allclose(contraction(exact_norm(layer(name)), IMAGE), expected, rtol=1e-5)
    steps = 1e-2 * np.eye(6, dtype=np.float32).reshape(6, 1, 2, 3, 1)
    columns = [(np.asarray(encode(IMAGE + step)) - encode(IMAGE - step)) / 2e-2 for step in steps]
    np.testing.assert_allclose(np.sum(np.square(columns), axis=(0, 2)), expected, rtol=1e-3)


def test_hutchinsons_estimate_agrees_within_its_standard_error():
    keys = jax.random.split(jax.random.key(1), 100)
    estimate = lambda key: contraction(hutchinson_norm(deep, key, num_probes=20), IMAGE)  # noqa: E731
    draws = np.asarray(jax.jit(lambda keys: jax.lax.map(estimate, keys))(keys))
    expected = np.sum(jacobians(deep, IMAGE) ** 2, axis=(1, 2))
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(keys))
    assert (error < 0.03 * expected).all()
    assert (np.abs(draws.mean(axis=0) - expected) < 4 * error).all()


def test_hutchinsons_estimate_is_exact_where_the_rows_of_the_jacobian_are_orthogonal():
    """‖Jᵀ v‖² = Σ_j v_j² ‖J_j‖² has no variance then, as signs square to 1."""
    rotation = np.linalg.qr(GENERATOR.normal(size=(6, 6)))[0][:, :4].astype(np.float32)
    encode = lambda image: 2 * image.reshape(image.shape[0], -1) @ rotation  # noqa: E731
    estimate = contraction(hutchinson_norm(encode, jax.random.key(0), num_probes=1), IMAGE)
    np.testing.assert_allclose(estimate, np.full(3, 16.0), rtol=1e-5)


def test_probes_differ_between_examples():
    same = np.repeat(IMAGE[:1], 8, axis=0)
    assert len(set(contraction(hutchinson_norm(deep, jax.random.key(0), 1), same).tolist())) > 1


def test_a_linear_encoder_has_no_curvature():
    noise = GENERATOR.normal(size=(2, *IMAGE.shape)).astype(np.float32)
    closed = dense_layer_norm(ACTIVATIONS["identity"], preactivate, KERNEL)
    for norm in (closed, hutchinson_norm(preactivate, jax.random.key(0), 2)):
        np.testing.assert_array_equal(curvature_of(norm, IMAGE, noise), np.zeros(3))


def test_curvature_of_a_sigmoid_layer_is_numpys():
    noise = 0.5 * GENERATOR.normal(size=(3, *IMAGE.shape)).astype(np.float32)

    def slope(image):
        unit = scipy.special.expit(image.reshape(-1, 6) @ KERNEL + BIAS)
        return unit * (1 - unit)

    distances = [np.square(slope(IMAGE + draw) - slope(IMAGE)) @ np.square(KERNEL).sum(axis=0) for draw in noise]
    expected = np.mean(distances, axis=0)
    closed = dense_layer_norm(ACTIVATIONS["sigmoid"], preactivate, KERNEL)
    np.testing.assert_allclose(curvature_of(closed, IMAGE, noise), expected, rtol=1e-4)
    np.testing.assert_allclose(curvature_of(exact_norm(layer("sigmoid")), IMAGE, noise), expected, rtol=1e-4)
    many = hutchinson_norm(layer("sigmoid"), jax.random.key(0), num_probes=4000)
    np.testing.assert_allclose(curvature_of(many, IMAGE, noise), expected, rtol=0.1)


def test_gradients_of_the_penalties_are_finite_differences():
    """Backward through the backward passes, of the scale of the weights."""

    @jax.jit
    def penalty(scale):
        norm = hutchinson_norm(lambda image: deep(scale * image), jax.random.key(0), 3)
        return jnp.sum(contraction(norm, IMAGE) + curvature_of(norm, IMAGE, 0.3 * IMAGE[None]))

    np.testing.assert_allclose(jax.grad(penalty)(0.5), (penalty(0.51) - penalty(0.49)) / 0.02, rtol=5e-3)
