import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from aejax.objectives.likelihoods import Bernoulli, HalfSquaredError, MeanSquaredError

GENERATOR = np.random.default_rng(0)
OUTPUT = GENERATOR.normal(size=(5, 4, 3, 2)).astype(np.float32)
TARGET = GENERATOR.uniform(size=(5, 4, 3, 2)).astype(np.float32)


def test_half_squared_error_is_a_unit_gaussian_without_its_constant():
    loss = HalfSquaredError(output="identity").loss(OUTPUT, TARGET)
    density = scipy.stats.norm.logpdf(TARGET, loc=OUTPUT).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(loss, -density - 24 * 0.5 * np.log(2 * np.pi), rtol=1e-4)


def test_mean_squared_error_is_half_squared_error_times_two_over_pixels():
    for output in ("identity", "sigmoid"):
        mean = MeanSquaredError(output=output).loss(OUTPUT, TARGET)
        np.testing.assert_allclose(mean, HalfSquaredError(output=output).loss(OUTPUT, TARGET) * 2 / 24, rtol=1e-6)


def test_bernoulli_is_scipys_on_binary_targets():
    target = (TARGET > 0.5).astype(np.float32)
    probability = 1 / (1 + np.exp(-OUTPUT.astype(np.float64)))
    density = scipy.stats.bernoulli.logpmf(target, probability).reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(Bernoulli().loss(OUTPUT, target), -density, rtol=1e-5)
    np.testing.assert_allclose(Bernoulli().mean(OUTPUT), probability, rtol=1e-5)


@pytest.mark.parametrize("likelihood", [HalfSquaredError(), MeanSquaredError(), Bernoulli()])
@pytest.mark.parametrize("logit", [-100.0, 100.0])
def test_extreme_outputs_stay_finite_with_finite_gradients(likelihood, logit):
    output, target = jnp.full((1, 2, 2, 1), logit), jnp.array([0.0, 1.0, 0.5, 0.25]).reshape(1, 2, 2, 1)
    value, gradient = jax.value_and_grad(lambda output: likelihood.loss(output, target).sum())(output)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_bernoulli_at_an_extreme_logit_has_its_exact_value():
    assert Bernoulli().loss(jnp.full((1, 1), 100.0), jnp.zeros((1, 1)))[0] == 100.0
