"""What is said of likelihoods and codes against a model whose likelihood has a closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.data.load import DataConfig
from aejax.data.preprocessing import Preprocessing
from aejax.data.resident import ResidentData
from aejax.errors import ConfigError
from aejax.evaluation.likelihood import effective_rank, importance_bound, likelihood_metrics, posterior_metrics
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check
from aejax.objectives.likelihoods import Bernoulli, Gaussian, HalfSquaredError, MsSsim
from aejax.objectives.priors import StandardNormal
from tests.autoencoders.families import gaussian_density

# x = L z + 0.5 ε with z ~ N(0, I): probabilistic PCA, whose posterior is a Gaussian, here made wider and moved.
GENERATOR = np.random.default_rng(0)
# Orthogonal columns: the posterior's units are independent.
LOADING = np.linalg.qr(GENERATOR.normal(size=(6, 2)))[0] * [
    2.0,
    1.0,
]  # Orthogonal: the posterior's units are independent.
X = (GENERATOR.normal(size=(200, 2)) @ LOADING.T + 0.5 * GENERATOR.normal(size=(200, 6))).astype(np.float32)
IMAGE = X.reshape(200, 2, 3, 1)
VARIANCE = 1 / (1 + np.sum(LOADING**2, axis=0) / 0.25)
COVARIANCE = LOADING @ LOADING.T + 0.25 * np.eye(6)
EXACT = -scipy.stats.multivariate_normal.logpdf(X, np.zeros(6), COVARIANCE)


def density(widen=1.0, move=0.0, discrete=False):
    def posterior(stored):
        x = stored.reshape(len(stored), 6)
        mean = x @ jnp.asarray(LOADING, jnp.float32) * jnp.asarray(VARIANCE / 0.25, jnp.float32)[None]
        variance = jnp.broadcast_to(jnp.asarray(VARIANCE * widen, jnp.float32)[None], mean.shape)
        return mean + move, jnp.log(variance)

    def distortion(latent, stored):
        difference = stored.reshape(len(stored), 6) - latent @ jnp.asarray(LOADING.T, jnp.float32)
        return jnp.sum(0.5 * jnp.square(difference / 0.5) + jnp.log(0.5) + 0.5 * jnp.log(2 * jnp.pi), axis=1)

    return gaussian_density(posterior, distortion, StandardNormal(2), discrete=discrete)


bound_of = jax.jit(importance_bound, static_argnames=("density", "num", "at_once"))
posterior_metrics_of = jax.jit(posterior_metrics, static_argnums=(0, 2))


def resident(image=IMAGE):
    image = jnp.asarray(image)
    return ResidentData({"train": image[:0], "validation": image[:0], "test": image}, {}, Preprocessing(kind="none"))


@pytest.mark.parametrize("num", [1, 7, 60])
def test_of_the_true_posterior_any_number_of_draws_gives_the_likelihood_itself(num):
    bound = bound_of(density(), IMAGE[:50], jax.random.key(0), num, at_once=250)
    np.testing.assert_allclose(bound[0], EXACT[:50], rtol=1e-4)
    np.testing.assert_allclose(bound[1], -EXACT[:50], rtol=1e-4)


def test_the_bound_falls_to_the_likelihood_from_above_as_draws_grow():
    found = [bound_of(density(1.5, 0.1), IMAGE, jax.random.key(1), num, 4000) for num in (1, 10, 1000)]
    means = [float(jnp.mean(bound)) for bound, _ in found]
    elbos = [float(jnp.mean(elbo)) for _, elbo in found]
    np.testing.assert_allclose(elbos[0], -means[0], rtol=1e-6)
    np.testing.assert_allclose(elbos[2], elbos[1], atol=0.05)
    assert elbos[2] < -EXACT.mean() - 0.1
    assert means[0] > means[1] > means[2] > EXACT.mean() - 0.02
    assert means[2] < EXACT.mean() + 0.02
    assert means[0] > EXACT.mean() + 0.1


def test_how_many_draws_are_taken_at_a_time_hardly_matters():
    few, many = (bound_of(density(1.5), IMAGE[:20], jax.random.key(2), 999, size)[0] for size in (60, 20_000))
    np.testing.assert_allclose(few, many, atol=0.2)
    np.testing.assert_allclose(jnp.mean(few), EXACT[:20].mean(), atol=0.03)
    assert np.any(few != many)


def test_rate_and_distortion_are_those_of_numpy_and_the_parts_add_to_the_rate():
    metrics = jax.jit(lambda data: posterior_metrics(density(1.3, 0.2), data, 64))(resident())
    mean = X @ LOADING * (VARIANCE / 0.25) + 0.2
    kl = 0.5 * (mean**2 + 1.3 * VARIANCE - 1 - np.log(1.3 * VARIANCE)).sum(axis=1)
    np.testing.assert_allclose(metrics["test_rate"], kl.mean(), rtol=1e-5)
    expected = (
        0.5 * ((X - mean @ LOADING.T) ** 2 / 0.25).sum(axis=1)
        + 0.5 * (1.3 * VARIANCE * (LOADING**2).sum(axis=0)).sum() / 0.25
    )
    expected = expected.mean() + 6 * (np.log(0.5) + 0.5 * np.log(2 * np.pi))
    np.testing.assert_allclose(metrics["test_distortion"], expected, atol=0.4)
    parts = [metrics[f"test_{name}"] for name in ("mutual_information", "total_correlation", "dimension_wise_kl")]
    np.testing.assert_allclose(sum(parts), kl.mean(), atol=0.4)
    assert 0 < parts[0] < np.log(200)
    assert not any(name.startswith(("train", "validation")) for name in metrics)


def test_units_that_say_nothing_are_counted_out_and_collapse_is_flagged():
    def posterior(scale):
        def of(stored):
            mean = stored.reshape(len(stored), 6) * jnp.asarray(scale, jnp.float32)[None]
            return mean, jnp.zeros_like(mean)

        return gaussian_density(of, lambda latent, stored: jnp.zeros(len(stored)), StandardNormal(6))

    used = posterior_metrics_of(posterior([1, 1, 1e-3, 0, 0, 0]), resident(), 100)
    assert (used["test_active_units"], used["test_collapsed"]) == (2, 0)
    none = posterior_metrics_of(posterior([0] * 6), resident(), 100)
    assert (none["test_active_units"], none["test_collapsed"], none["test_effective_rank"]) == (0, 1, 0)
    np.testing.assert_allclose(none["test_rate"], 0, atol=1e-6)


def test_the_effective_rank_is_that_of_equal_and_of_single_directions():
    code = np.concatenate([np.eye(4), -np.eye(4)]).astype(np.float32)
    np.testing.assert_allclose(effective_rank(code), 4, rtol=1e-4)
    np.testing.assert_allclose(effective_rank(code * np.array([1, 0, 0, 0], np.float32)), 1, rtol=1e-3)


def test_bits_are_of_discrete_images_and_the_first_images_count():
    for discrete in (False, True):
        metrics = likelihood_metrics(density(discrete=discrete), resident(), 100, num_samples=3, num_images=50)
        np.testing.assert_allclose(metrics["test_nll"], EXACT[:50].mean(), rtol=1e-4)
        assert ("test_bits_per_dimension" in metrics) is discrete
    np.testing.assert_allclose(metrics["test_bits_per_dimension"], metrics["test_nll"] / 6 / np.log(2), rtol=1e-6)


@pytest.mark.parametrize(
    ("family", "data", "message"),
    [
        (PlainConfig(), DataConfig(), "plain has no posterior"),
        (VaeConfig(likelihood=HalfSquaredError()), DataConfig(), "half_squared_error lacks the constant"),
        (VaeConfig(likelihood=MsSsim()), DataConfig(), "ms_ssim is a similarity of images and no probability; use"),
        (VaeConfig(likelihood=Bernoulli()), DataConfig(), "data.binarization"),
        (
            VaeConfig(likelihood=Gaussian(output="identity")),
            DataConfig(binarization="fixed", preprocessing="standardize"),
            "undoes that",
        ),
        (
            VaeConfig(likelihood=Gaussian(output="identity")),
            DataConfig(preprocessing="standardize"),
            "as they are",
        ),
    ],
)
def test_what_would_be_no_likelihood_is_refused(family, data, message):
    measures = ("reconstruction", "likelihood")
    with pytest.raises(ConfigError, match=message):
        check(Config(autoencoder=family, data=data, evaluation=EvaluationConfig(measures=measures)))
