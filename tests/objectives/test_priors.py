"""Priors against scipy in float64, closed forms and numerical integration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from aejax import rng
from aejax.data.preprocessing import Preprocessing
from aejax.data.resident import ResidentData
from aejax.evaluation.likelihood import importance_bound, posterior_metrics
from aejax.objectives.priors import GaussianMixture, MixturePrior, StandardNormal, VampPrior
from tests.autoencoders.families import gaussian_density

GENERATOR = np.random.default_rng(0)
# A prior of three components, and the posteriors of five images.
LOGIT = np.array([0.5, -1.0, 0.2])
CENTER, SPREAD = 1.5 * GENERATOR.normal(size=(3, 2)), GENERATOR.uniform(0.5, 1.2, size=(3, 2))
LOG_VARIANCE = 2 * np.log(SPREAD)
MEAN, DEVIATION = GENERATOR.normal(size=(5, 2)), GENERATOR.uniform(0.3, 1.0, size=(5, 2))
LATENT = MEAN + DEVIATION * GENERATOR.normal(size=(5, 2))
PARAMETERS = {"logit": LOGIT, "mean": CENTER, "log_variance": LOG_VARIANCE}


def single(x):
    return np.asarray(x, np.float32)


def of(prior, method, *arguments):
    """What a method of a prior says of arrays: one program, where op by op each would be compiled."""
    return np.asarray(jax.jit(lambda *arrays: getattr(prior(), method)(*arrays))(*arguments))


def mixture(parameters=PARAMETERS):
    return MixturePrior(num_components=len(parameters["logit"])).distribution(
        {name: jnp.asarray(value, jnp.float32) for name, value in parameters.items()}, 2, encode=None
    )


def log_mixture(latent, logit=LOGIT, mean=CENTER, log_variance=LOG_VARIANCE):
    """Returns the mixture's log density in float64, [...], of latents [..., units]."""
    of_units = scipy.stats.norm.logpdf(latent[..., None, :], mean, np.exp(log_variance / 2))
    return scipy.special.logsumexp(of_units.sum(axis=-1) + scipy.special.log_softmax(logit), axis=-1)


def log_posterior(latent):
    return scipy.stats.norm.logpdf(latent, MEAN, DEVIATION).sum(axis=-1)


def close(found, expected, rtol=1e-5, atol=1e-5):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def test_a_mixtures_density_is_scipys_for_latents_of_any_leading_axes():
    draws = np.stack([LATENT, LATENT + 1])
    close(of(mixture, "log_density", single(draws)), log_mixture(draws))


def test_a_mixtures_kl_is_that_of_the_draw_and_in_the_mean_that_of_numerical_integration():
    posterior = single(MEAN), single(2 * np.log(DEVIATION))
    close(of(mixture, "kl", *posterior, single(LATENT)), log_posterior(LATENT) - log_mixture(LATENT))
    # Over the plane, by sums: the integrand is smooth and vanishes at the borders.
    axis = np.linspace(-9, 9, 721)
    plane = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)[..., None, :]
    log_q = log_posterior(plane)
    exact = np.sum(np.exp(log_q) * (log_q - log_mixture(plane)), axis=(0, 1)) * (axis[1] - axis[0]) ** 2
    # By Gauss-Hermite quadrature over draws, each of whose KL is the prior's own.
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    pairs = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 1, 2)
    share = np.outer(weights, weights).ravel() / weights.sum() ** 2
    many = [np.repeat(x[None], len(pairs), axis=0).reshape(-1, 2) for x in posterior]
    found = of(mixture, "kl", *many, single(MEAN + DEVIATION * pairs).reshape(-1, 2))
    close(share @ found.astype(np.float64).reshape(-1, 5), exact)


def test_the_kl_of_a_unit_is_to_the_priors_own_distribution_of_it():
    posterior = single(MEAN), single(2 * np.log(DEVIATION))
    found = of(mixture, "unit_kl", *posterior)
    axis = np.linspace(-9, 9, 4001)[:, None]
    for unit in range(2):
        log_q = scipy.stats.norm.logpdf(axis, MEAN[:, unit], DEVIATION[:, unit])
        own = [x[:, unit : unit + 1] for x in (CENTER, LOG_VARIANCE)]
        ratio = log_q - log_mixture(axis[:, None], LOGIT, *own)
        close(found[:, unit], np.sum(np.exp(log_q) * ratio, axis=0) * (axis[1] - axis[0]), rtol=1e-4, atol=1e-4)
    standard = lambda: GaussianMixture(jnp.zeros(1), jnp.zeros((1, 2)), jnp.zeros((1, 2)))  # noqa: E731
    close(of(standard, "unit_kl", *posterior), of(lambda: StandardNormal(2), "unit_kl", *posterior))


def test_of_one_component_the_kl_has_a_closed_form():
    one = {"logit": LOGIT[:1], "mean": CENTER[:1], "log_variance": LOG_VARIANCE[:1]}
    ratio = (DEVIATION / SPREAD[0]) ** 2
    expected = 0.5 * np.sum(((MEAN - CENTER[0]) / SPREAD[0]) ** 2 + ratio - 1 - np.log(ratio), axis=1)
    for latent in (LATENT, LATENT + 5):  # Whatever was drawn.
        found = of(lambda: mixture(one), "kl", single(MEAN), single(2 * np.log(DEVIATION)), single(latent))
        close(found, expected)


def test_gradients_of_a_mixtures_parameters_are_finite_differences_in_float64():
    @jax.jit
    @jax.grad
    def slope(parameters):
        return jnp.mean(mixture(parameters).kl(single(MEAN), single(2 * np.log(DEVIATION)), single(LATENT)))

    found = slope({name: single(value) for name, value in PARAMETERS.items()})
    for name, value in PARAMETERS.items():
        expected = np.zeros_like(value)
        for index in np.ndindex(value.shape):
            step = np.zeros_like(value)
            step[index] = 1e-6
            up, down = (-log_mixture(LATENT, **PARAMETERS | {name: value + sign * step}).mean() for sign in (1, -1))
            expected[index] = (up - down) / 2e-6
        close(found[name], expected)
        assert np.abs(expected).min() > 1e-4


def test_draws_have_the_mixtures_moments():
    drawn, variance = jax.jit(lambda key: (mixture().sample(key, 40_000), mixture().variance()))(jax.random.key(0))
    drawn = np.asarray(drawn, np.float64)
    weight = scipy.special.softmax(LOGIT)
    mean = weight @ CENTER
    covariance = np.einsum("k,ki,kj->ij", weight, CENTER, CENTER) - np.outer(mean, mean) + np.diag(weight @ SPREAD**2)
    close(drawn.mean(axis=0), mean, atol=0.03)
    close(variance, np.diag(covariance))
    close(np.cov(drawn.T), covariance, atol=0.04)
    # Not a Gaussian's: how often a draw lies in a half of the plane.
    share = weight @ scipy.stats.norm.cdf(0, CENTER[:, 0], SPREAD[:, 0])
    close(np.mean(drawn[:, 0] < 0), share, atol=0.01)


def test_the_nll_under_a_mixture_is_that_of_a_mixture_of_gaussians_images():
    """x = L z + 0.5 ε, z of the mixture: p(x) is a mixture too, and known."""
    loading = GENERATOR.normal(size=(4, 2))
    which = GENERATOR.choice(3, size=40, p=scipy.special.softmax(LOGIT))
    z = CENTER[which] + SPREAD[which] * GENERATOR.normal(size=(40, 2))
    x = z @ loading.T + 0.5 * GENERATOR.normal(size=(40, 4))
    parts = [
        scipy.stats.multivariate_normal.logpdf(x, loading @ m, loading @ np.diag(s**2) @ loading.T + 0.25 * np.eye(4))
        for m, s in zip(CENTER, SPREAD, strict=True)
    ]
    exact = -scipy.special.logsumexp(np.stack(parts, axis=1) + scipy.special.log_softmax(LOGIT), axis=1)
    # The posteriors are those of the likelihood alone, somewhat wider.
    inverse = np.linalg.pinv(loading)
    deviation = 0.6 * np.sqrt(np.diag(inverse @ inverse.T))

    def posterior(stored):
        mean = stored.reshape(len(stored), 4) @ single(inverse.T)
        return mean, jnp.broadcast_to(single(2 * np.log(deviation))[None], mean.shape)

    def distortion(latent, stored):
        difference = (stored.reshape(len(stored), 4) - latent @ single(loading.T)) / 0.5
        return jnp.sum(0.5 * jnp.square(difference) + jnp.log(0.5) + 0.5 * jnp.log(2 * jnp.pi), axis=1)

    image = jnp.asarray(single(x)).reshape(40, 2, 2, 1)
    data = ResidentData({"train": image[:0], "validation": image[:0], "test": image}, {}, Preprocessing(kind="none"))
    density = gaussian_density(posterior, distortion, mixture())
    # The bound of some draws is numpy's of the same draws, that of many draws the likelihood itself.
    key = jax.random.key(0)
    estimate = jax.jit(importance_bound, static_argnames=("density", "num", "at_once"))
    bound, _ = estimate(density, image, key, 30, 4000)
    noise = np.asarray(jax.random.normal(rng.at(key, 0), (30, 40, 2)), np.float64)
    latent = x @ inverse.T + deviation * noise
    log_likelihood = scipy.stats.norm.logpdf(x, latent @ loading.T, 0.5).sum(axis=-1)
    log_weight = log_likelihood + log_mixture(latent) - scipy.stats.norm.logpdf(noise, scale=1).sum(axis=-1)
    close(bound, np.log(30) - scipy.special.logsumexp(log_weight + np.log(deviation).sum(), axis=0))
    many, _ = estimate(density, image, key, 20_000, 80_000)
    close(many.mean(), exact.mean(), rtol=2e-3)
    standard, _ = estimate(density._replace(prior=lambda: StandardNormal(2)), image, key, 30, 4000)
    assert abs(standard.mean() - exact.mean()) > 0.1
    measured = jax.jit(lambda: posterior_metrics(density, data, 64))()
    parts = [measured[f"test_{name}"] for name in ("mutual_information", "total_correlation", "dimension_wise_kl")]
    close(sum(parts), measured["test_rate"], rtol=1e-4, atol=1e-4)  # Of the same draws.


@pytest.mark.parametrize("prior", [MixturePrior(num_components=4), VampPrior(num_components=4)])
def test_what_is_drawn_for_a_prior_is_finite_and_its_components_differ(prior):
    found = jax.jit(lambda key: prior.parameters(key, 3, (4, 4, 1)))(jax.random.key(0))
    assert all(np.isfinite(value).all() for value in found.values())
    assert len(np.unique(next(value for name, value in found.items() if name in ("mean", "pseudo_input")), axis=0)) == 4


def test_extremes_of_a_mixture_stay_finite_with_their_gradients():
    @jax.jit
    @jax.value_and_grad
    def loss(parameters):
        return jnp.mean(mixture(parameters).kl(single(MEAN), single(2 * np.log(DEVIATION)), single(LATENT)))

    for shift in (-1e3, 1e3):
        for name in PARAMETERS:
            changed = {key: single(value) for key, value in PARAMETERS.items()}
            changed[name] = changed[name] + shift * (np.arange(3) == 0).reshape(3, *[1] * (changed[name].ndim - 1))
            changed[name] = single(changed[name])
            value, slope = loss(changed)
            assert np.isfinite(value)
            assert all(np.isfinite(leaf).all() for leaf in slope.values())
