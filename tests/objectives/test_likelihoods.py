import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from aejax.objectives.likelihoods import (
    Bernoulli,
    ContinuousBernoulli,
    Gaussian,
    HalfSquaredError,
    Laplace,
    LearnedGaussian,
    LogisticMixture,
    MeanSquaredError,
    MsSsim,
    OptimalGaussian,
)
from aejax.objectives.similarity import multiscale_similarity

GENERATOR = np.random.default_rng(0)
OUTPUT = GENERATOR.normal(size=(5, 4, 3, 2)).astype(np.float32)
TARGET = GENERATOR.uniform(size=(5, 4, 3, 2)).astype(np.float32)


def loss_of(likelihood, output, target):
    return jax.jit(likelihood.loss)(output, target)


def test_half_squared_error_is_a_unit_gaussian_without_its_constant():
    loss = loss_of(HalfSquaredError(output="identity"), OUTPUT, TARGET)
    density = scipy.stats.norm.logpdf(TARGET, loc=OUTPUT).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(loss, -density - 24 * 0.5 * np.log(2 * np.pi), rtol=1e-4)


def test_mean_squared_error_is_half_squared_error_times_two_over_pixels():
    for output in ("identity", "sigmoid"):
        mean, half = (loss_of(kind(output=output), OUTPUT, TARGET) for kind in (MeanSquaredError, HalfSquaredError))
        np.testing.assert_allclose(mean, np.asarray(half) * 2 / 24, rtol=1e-6)


def test_bernoulli_is_scipys_on_binary_targets():
    target = (TARGET > 0.5).astype(np.float32)
    probability = 1 / (1 + np.exp(-OUTPUT.astype(np.float64)))
    density = scipy.stats.bernoulli.logpmf(target, probability).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(loss_of(Bernoulli(), OUTPUT, target), -density, rtol=1e-5)
    np.testing.assert_allclose(jax.jit(Bernoulli().mean)(OUTPUT), probability, rtol=1e-5)


def test_continuous_bernoulli_is_a_density_with_its_mean():
    logit = np.array([-100.0, -9.0, -0.3, -0.09, -1e-4, 0.0, 1e-3, 0.11, 2.0, 30.0], np.float32)
    x = np.linspace(0, 1, 200_001)
    loss_at, mean_at = jax.jit(ContinuousBernoulli().loss), jax.jit(ContinuousBernoulli().mean)
    for value in logit:
        integral = scipy.integrate.simpson(np.exp(value * x - np.max(value * x)), x=x)
        log_density = value * x - np.max(value * x) - np.log(integral)
        mean = scipy.integrate.simpson(x * np.exp(log_density), x=x)
        output = np.full((1, 1), value)
        for index in (0, 50_000, 200_000):
            loss = loss_at(output, np.full((1, 1), x[index], np.float32))
            np.testing.assert_allclose(loss, -log_density[index], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(mean_at(output), mean, rtol=1e-4)


def test_gaussians_are_scipys():
    fixed = loss_of(Gaussian(output="identity", scale=0.3), OUTPUT, TARGET)
    density = scipy.stats.norm.logpdf(TARGET, loc=OUTPUT, scale=0.3).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(fixed, -density, rtol=1e-5)
    with_scale = np.concatenate([OUTPUT, np.full((5, 4, 3, 1), np.log(0.3), np.float32)], axis=-1)
    np.testing.assert_allclose(loss_of(LearnedGaussian(output="identity"), with_scale, TARGET), -density, rtol=1e-5)


def test_the_optimal_scale_is_where_the_batchs_loss_is_least():
    likelihood = OptimalGaussian(output="identity")

    @jax.jit
    @jax.value_and_grad
    def loss(log_scale):
        output = jnp.concatenate([OUTPUT, jnp.full((5, 4, 3, 1), log_scale)], axis=-1)
        return jnp.mean(likelihood.loss(output, TARGET))

    scaled = np.concatenate([OUTPUT, np.zeros((5, 4, 3, 1), np.float32)], axis=-1)
    scale = np.asarray(jax.jit(likelihood.fit_scale)(scaled, TARGET))
    value, slope = loss(scale)
    np.testing.assert_allclose(np.exp(2 * scale), np.mean((OUTPUT - TARGET) ** 2), rtol=1e-5)
    assert abs(slope) < 1e-4
    np.testing.assert_allclose(value, 24 * (scale + 0.5 * np.log(2 * np.pi) + 0.5), rtol=1e-5)


def test_laplace_is_scipys():
    density = scipy.stats.laplace.logpdf(TARGET, loc=OUTPUT, scale=0.2).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(loss_of(Laplace(output="identity", scale=0.2), OUTPUT, TARGET), -density, rtol=1e-5)


def test_the_logistic_mixtures_probabilities_of_all_levels_add_to_one():
    likelihood = LogisticMixture(num_components=3)
    output = 0.7 * np.random.default_rng(1).normal(size=(1, 1, 1, likelihood.outputs(1))).astype(np.float32)
    levels = (np.arange(256) / 255).reshape(256, 1, 1, 1).astype(np.float32)
    loss = np.asarray(jax.jit(likelihood.loss)(np.repeat(output, 256, axis=0), levels), np.float64)
    np.testing.assert_allclose(np.exp(-loss).sum(), 1, rtol=1e-5)
    logit, mean, log_scale = output[0, 0, 0].reshape(3, 3).T.astype(np.float64)
    weight = np.exp(logit) / np.exp(logit).sum()
    edges = np.concatenate([[-np.inf], (2 * np.arange(1, 256) - 1) / 255 - 1, [np.inf]])
    cumulative = scipy.stats.logistic.cdf(edges[:, None], mean, np.exp(log_scale))
    expected = -np.log((np.diff(cumulative, axis=0) * weight).sum(axis=1))
    np.testing.assert_allclose(loss, expected, rtol=1e-4)
    # Up to the rounding of levels.
    mean = np.asarray(jax.jit(likelihood.mean)(output))
    np.testing.assert_allclose(mean[0, 0, 0, 0], np.exp(-expected) @ levels.ravel(), atol=2e-3)


def test_channels_of_the_logistic_mixture_depend_on_those_before():
    likelihood = LogisticMixture(num_components=2)
    assert likelihood.outputs(3) == 20
    output = np.random.default_rng(2).normal(size=(1, 1, 1, 20)).astype(np.float64)
    target = np.array([40, 200, 90]) / 255
    parts, x = output.reshape(2, 10), 2 * target - 1
    weight = np.exp(parts[:, 0]) / np.exp(parts[:, 0]).sum()
    a, b, c = np.tanh(parts[:, 7:]).T
    mean = np.stack([parts[:, 1], parts[:, 2] + a * x[0], parts[:, 3] + b * x[0] + c * x[1]], axis=1)
    scale = np.exp(parts[:, 4:7])
    upper, lower = (scipy.stats.logistic.cdf(x + side, mean, scale) for side in (1 / 255, -1 / 255))
    expected = -np.log(np.sum(weight * np.prod(upper - lower, axis=1)))
    loss = jax.jit(likelihood.loss)(output.astype(np.float32), target.reshape(1, 1, 1, 3).astype(np.float32))
    np.testing.assert_allclose(loss, expected, rtol=1e-4)


def test_the_loss_of_ms_ssim_is_what_is_missing_from_equal_images_times_its_weight():
    output = np.random.default_rng(4).normal(size=(3, 13, 8, 2)).astype(np.float32)
    target = np.random.default_rng(5).uniform(size=(3, 13, 8, 2)).astype(np.float32)
    image = 1 / (1 + np.exp(-output))
    expected = 7 * (1 - np.asarray(jax.jit(multiscale_similarity)(target, image)))
    np.testing.assert_allclose(loss_of(MsSsim(weight=7.0), output, target), expected, rtol=1e-5)
    np.testing.assert_allclose(loss_of(MsSsim(weight=7.0), output, image), 0, atol=1e-5)


ALL = (
    HalfSquaredError(),
    MeanSquaredError(),
    Bernoulli(),
    ContinuousBernoulli(),
    Gaussian(),
    LearnedGaussian(),
    OptimalGaussian(),
    Laplace(),
    LogisticMixture(),
    MsSsim(),
)


@pytest.mark.parametrize("likelihood", ALL, ids=lambda likelihood: likelihood.kind)
def test_extreme_outputs_stay_finite_with_finite_gradients(likelihood):
    size = likelihood.outputs(1) + (likelihood.SCALE != "none")
    target = np.array([0.0, 1.0, 0.6, 0.2], np.float32).reshape(1, 2, 2, 1)
    loss = jax.jit(jax.value_and_grad(lambda output: likelihood.loss(output, target).sum()))
    for logit in (-100.0, 0.0, 100.0):
        output = np.full((1, 2, 2, size), logit, np.float32)
        if likelihood.SCALE != "none":
            output[..., -1] = -2.0
        value, gradient = loss(output)
        assert np.isfinite(value), logit
        assert np.isfinite(gradient).all(), logit


def test_bernoulli_at_an_extreme_logit_has_its_exact_value():
    logit, target = np.full((1, 1), 100.0, np.float32), np.zeros((1, 1), np.float32)
    assert loss_of(Bernoulli(), logit, target).item() == 100.0


@pytest.mark.parametrize("likelihood", ALL, ids=lambda likelihood: likelihood.kind)
def test_expected_images_lie_where_images_do(likelihood):
    size = likelihood.outputs(1) + (likelihood.SCALE != "none")
    output = np.random.default_rng(3).normal(size=(4, 2, 2, size)).astype(np.float32) * 3
    mean = np.asarray(jax.jit(likelihood.mean)(output))
    assert mean.shape == (4, 2, 2, 1)
    assert np.all((mean >= 0) & (mean <= 1))
