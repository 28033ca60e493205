"""How variational families learn: by which gradients, and to which closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
import scipy.stats

from aejax.autoencoders.iwae import IwaeConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.data.resident import Batch
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import LearnedGaussian, OptimalGaussian
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import TrainingConfig
from tests.autoencoders.families import IMAGE, SMALL, apply, changed, fit, initialize


def bounds(family, num):
    """Returns draws of a family's loss, [draws, images], from one set of parameters."""
    model, variables = initialize(VaeConfig(**SMALL), IMAGE)
    model = model.clone(config=family) if isinstance(family, VaeConfig) else initialize(family, IMAGE)[0]
    variables = changed(variables, lambda leaf: 3 * leaf + 0.1)

    @jax.jit
    def draw(key):
        terms = model.apply(variables, Batch(IMAGE, None), train=True, method="terms", rngs={"noise": key})
        return sum(terms.values())

    return np.asarray(jax.jit(lambda keys: jax.lax.map(draw, keys))(jax.random.split(jax.random.key(2), num)))


def test_one_draw_gives_the_evidence_lower_bound_and_more_a_closer_one():
    losses = {1: bounds(IwaeConfig(**SMALL, num_samples=1), 4000)}
    losses |= {num: bounds(IwaeConfig(**SMALL, num_samples=num), draws) for num, draws in ((5, 2000), (50, 500))}
    elbo = bounds(VaeConfig(**SMALL), 4000)
    difference = losses[1].mean(axis=0) - elbo.mean(axis=0)
    error = np.sqrt((losses[1].var(axis=0) + elbo.var(axis=0)) / 4000)
    assert np.all(np.abs(difference) < 4 * error)
    assert np.all(losses[1].mean(axis=0) > losses[5].mean(axis=0) + 0.1)
    assert np.all(losses[5].mean(axis=0) > losses[50].mean(axis=0))


def test_the_doubly_reparameterized_gradient_has_the_same_mean_and_less_variance(dataset):
    config = Config(autoencoder=VaeConfig(**SMALL), training=TrainingConfig(epochs=20, batch_size=20))
    data, _, variables, _ = fit(config, dataset.train.image)
    batch = Batch(data.batch("train", jnp.arange(6)).image, None)

    def gradients(gradient):
        """Returns draws of the loss and of its gradients with respect to a layer of the encoder and of the decoder."""
        model, _ = initialize(IwaeConfig(**SMALL, num_samples=8, gradient=gradient), IMAGE)

        def draw(key):
            def loss(params):
                terms = model.apply({"params": params}, batch, train=True, method="terms", rngs={"noise": key})
                return jnp.mean(terms["bound"])

            value, slope = jax.value_and_grad(loss)(variables["params"])
            return value, slope["log_variance"]["kernel"].ravel(), slope["decoder"]["Dense_0"]["kernel"].ravel()

        draws = jax.jit(lambda keys: jax.lax.map(draw, keys))(jax.random.split(jax.random.key(3), 2000))
        return [np.asarray(x, np.float64) for x in draws]

    (value, encoder, decoder), (own_value, own_encoder, own_decoder) = gradients("standard"), gradients("dreg")
    np.testing.assert_allclose(own_value, value, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(own_decoder, decoder, rtol=1e-3, atol=1e-4)
    difference = encoder.mean(axis=0) - own_encoder.mean(axis=0)
    error = np.sqrt((encoder.var(axis=0) + own_encoder.var(axis=0)) / 2000)
    assert np.mean(np.abs(difference) < 3 * error) > 0.95
    assert np.abs(encoder.mean(axis=0)).max() > 5 * error.max()
    assert own_encoder.var(axis=0).sum() < 0.8 * encoder.var(axis=0).sum()


def test_an_optimal_scale_is_the_batchs_in_training_and_their_average_outside(dataset):
    family = VaeConfig(**SMALL | {"likelihood": OptimalGaussian()})
    config = Config(
        autoencoder=family,
        optimizer=Adam(learning_rate=3e-3, schedule=Cosine()),
        training=TrainingConfig(epochs=60, batch_size=20),
    )
    data, model, variables, metrics = fit(config, dataset.train.image)
    image = data.batch("train", jnp.arange(240)).image
    mean, log_variance = (np.asarray(x) for x in apply(model, variables, image, method="posterior")[:2])
    latent = mean + np.exp(log_variance / 2) * np.random.default_rng(0).normal(size=mean.shape).astype(np.float32)
    output = np.asarray(apply(model, variables, latent, method="decode"))
    error = np.mean((scipy.special.expit(output[..., :1]) - image) ** 2)
    log_scale = variables["likelihood"]["log_scale"]
    assert np.all(output[..., 1] == log_scale)
    assert abs(np.exp(2 * log_scale) / error - 1) < 0.1
    np.testing.assert_allclose(metrics["validation_loss"][-1], metrics["train_loss"][-1], atol=2)


def test_a_linear_vae_with_a_learned_scale_reaches_probabilistic_pca():
    """Tipping and Bishop (1999): its likelihood at the maximum has a closed form (equations 3.7 and 3.8)."""
    from sklearn.datasets import load_digits

    image = load_digits().images[:250, ..., None] / 16
    image = np.rint(image * 255).astype(np.uint8)
    x, latents = image.reshape(250, 64) / 255, 6
    variance = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    noise = variance[latents:].mean()
    log_determinant = np.sum(np.log(variance[:latents])) + (64 - latents) * np.log(noise)
    closed = 0.5 * (64 * np.log(2 * np.pi) + log_determinant + 64)

    family = VaeConfig(encoder=Dense(widths=()), latent_size=latents, likelihood=LearnedGaussian(output="identity"))
    config = Config(
        autoencoder=family,
        optimizer=Adam(learning_rate=0.02, schedule=Cosine()),
        training=TrainingConfig(epochs=2000, batch_size="all"),
    )
    _, _, variables, metrics = fit(config, image)
    params = variables["params"]
    loading, mean = (np.asarray(params["decoder"]["Dense_0"][name]) for name in ("kernel", "bias"))
    covariance = loading.T @ loading + np.exp(2 * params["log_scale"]) * np.eye(64)
    reached = -scipy.stats.multivariate_normal.logpdf(x, mean, covariance).mean()
    assert abs(reached - closed) < 0.005 * abs(closed)
    # The bound is tight: the posterior is the model's own.
    assert abs(metrics["train_loss"][-200:].mean() - closed) < 0.005 * abs(closed)
