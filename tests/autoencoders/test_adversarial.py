"""Families with a discriminator: who learns by which loss, what the losses are, and that they train and stay finite."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from aejax import rng
from aejax.autoencoders.adversarial import AdversarialConfig
from aejax.autoencoders.factor_vae import FactorVaeConfig
from aejax.autoencoders.vae_gan import VaeGanConfig
from aejax.data.resident import Batch
from aejax.errors import ConfigError, DataError
from aejax.experiment import Config, check, check_data
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.networks.discriminators import frozen
from aejax.networks.residual import NormActivation, Residual
from aejax.objectives.likelihoods import LearnedGaussian
from aejax.training.optimizers import Sgd, make_optimizer
from aejax.training.step import TrainingConfig, init_state, train_step
from tests.autoencoders.families import IMAGE, SMALL, changed, fit_population, initialize
from tests.methods import make_task

ADVERSARIAL = AdversarialConfig(**SMALL, weight=3.0, discriminator_widths=(5,))
VAE_GAN = VaeGanConfig(**SMALL, gamma=0.5, scale=0.2, discriminator=Dense(widths=(7, 5), activation="leaky_relu"))
FACTOR_VAE = FactorVaeConfig(**SMALL, discriminator_widths=(5,), gamma=3.0)
by_kind = pytest.mark.parametrize("family", [ADVERSARIAL, VAE_GAN], ids=lambda family: family.kind)


OWN = "family"  # The loss of every network that is no opponent.


def wrong(logit, *, real):
    return jnp.mean(jnp.logaddexp(0, -logit if real else logit))


def losses_of_adversarial(model, image):
    latent = model.encode(image, train=True)
    prior = jax.random.normal(model.noise_key(train=True), latent.shape)
    is_prior, is_code = jnp.split(model.discriminator(jnp.concatenate([prior, latent]), train=True), 2)
    likeness = jnp.mean(model.reconstruction(latent, Batch(image, None), train=True))
    return {
        OWN: likeness + 3 * wrong(is_code, real=True),
        "discriminator": wrong(is_prior, real=True) + wrong(is_code, real=False),
    }


def losses_of_vae_gan(model, image):
    posterior = model.posterior(image)
    latent = model.draw(posterior, model.noise_key(train=True)).latent[0]
    prior = jax.random.normal(jax.random.fold_in(model.noise_key(train=True), 1), latent.shape)
    drawn = jax.nn.sigmoid(model.decode(jnp.concatenate([latent, prior])))
    features, logit = model.discriminator(jnp.concatenate([image, drawn]), train=True)
    original, reconstructed, _ = jnp.split(features, 3)
    real, *fake = jnp.split(logit, 3)
    error = jnp.mean(jnp.sum((original - reconstructed) ** 2, axis=1)) / (2 * 0.2**2)
    divergence = 0.5 * (posterior.mean**2 + jnp.exp(posterior.log_variance) - 1 - posterior.log_variance)
    return {
        OWN: error + jnp.mean(jnp.sum(divergence, axis=1)),
        "decoder": 0.5 * error + sum(wrong(logit, real=True) for logit in fake),
        "discriminator": wrong(real, real=True) + sum(wrong(logit, real=False) for logit in fake),
    }


def losses_of_factor_vae(model, image):
    posterior = model.posterior(image)
    draw = model.draw(posterior, model.noise_key(train=True)).first
    latent = draw.latent
    first, second = jnp.split(latent, 2)
    key = jax.random.fold_in(model.noise_key(train=True), 1)
    permuted = jax.random.permutation(key, second, axis=0, independent=True)
    likeness = model.reconstruction(latent, Batch(image, None), train=True) + model.kl(posterior, draw)
    return {
        OWN: jnp.mean(likeness + 3 * model.discriminator(latent)),
        "discriminator": 0.5
        * (wrong(model.discriminator(first), real=True) + wrong(model.discriminator(permuted), real=False)),
    }


LOSSES = {
    "adversarial": losses_of_adversarial,
    "vae_gan": losses_of_vae_gan,
    "factor_vae": losses_of_factor_vae,
}


def size(tree):
    return max(np.abs(leaf).max() for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("family", [ADVERSARIAL, VAE_GAN, FACTOR_VAE], ids=lambda family: family.kind)
def test_every_network_learns_by_its_own_loss_alone(family, data):
    """The losses are written down once more, with nothing that stops a gradient, and each moves only whom it is for."""
    config = Config(
        autoencoder=family, optimizer=Sgd(learning_rate=1.0), training=TrainingConfig(epochs=1, batch_size=20)
    )
    task = make_task("autoencoder", (8, 8, 1), None)(config)
    (stage,) = task.stages
    batch = data.batch("train", jnp.arange(20))

    @jax.jit
    def step():
        state = init_state(task, data)
        after, metrics = train_step(task, stage, make_optimizer(config.optimizer, 1, 1), state, batch, False)

        def losses(params):
            return task.model.apply(
                {"params": params, **state.collections},
                batch.image,
                method=LOSSES[family.kind],
                rngs={"noise": rng.at(rng.stream(rng.root(0), "noise"), 0)},
                mutable=list(state.collections),
            )[0]

        values, slopes = losses(state.params), jax.jacrev(losses)(state.params)
        return jax.tree.map(lambda old, new: old - new, state.params, after.params), values, slopes, metrics

    moved, values, slopes, metrics = step()
    np.testing.assert_allclose(metrics["loss"], values[OWN], rtol=1e-5)
    for name in moved:
        expected = slopes[name if name in slopes else OWN][name]
        assert size(expected) > 1e-3
        for found, wanted in zip(jax.tree.leaves(moved[name]), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * size(expected))
    for name in slopes:
        if name != OWN:
            np.testing.assert_allclose(metrics[name], values[name], rtol=1e-5)
            assert size(slopes[OWN][name]) > 1e-3  # It would be moved by the loss that is not its own.


class Drawn:
    """A family's model, its terms outside training, and numpy's way through its networks."""

    def __init__(self, family, image=IMAGE, change=lambda params: params):
        self.model, variables = initialize(family, image)
        # Biases are zero at first.
        offset = lambda leaf: leaf + 0.1 if leaf.ndim == 1 else leaf  # noqa: E731
        self.variables = variables | {"params": change(changed(variables["params"], offset))}
        self.terms = jax.jit(lambda v: self.model.apply(v, Batch(image, None), train=False, method="terms"))(
            self.variables
        )

    def apply(self, method, *arguments):
        return jax.jit(lambda v: self.model.apply(v, *arguments, method=method))(self.variables)

    def judge(self, x, slope):
        """Returns the discriminator's last hidden layer and its logit for x [batch, inputs], in float64."""
        network = dict(self.variables["params"]["discriminator"]["network"])
        encoder = network.pop("DenseEncoder_0", {"DenseStack_0": {}})["DenseStack_0"]
        *hidden, last = [weights for part in (encoder, network) for _, weights in sorted(part.items())]

        def layer(x, weights):
            kernel = np.asarray(weights["kernel"], np.float64)
            kernel /= np.linalg.norm(kernel, 2)
            return (x[:, :, None] * kernel).sum(axis=1) + np.asarray(weights["bias"])

        for weights in hidden:
            x = layer(x, weights)
            x = np.where(x > 0, x, slope * x)
        return x, layer(x, last)[:, 0]


def normal(key):
    return np.asarray(jax.random.normal(key, (6, 3)))


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4)


def test_the_adversarial_loss_is_that_of_its_paper():
    drawn = Drawn(ADVERSARIAL)
    latent = np.asarray(drawn.apply("encode", IMAGE), np.float64)
    prior = np.asarray(normal(jax.random.key(0)), np.float64)
    (_, is_code), (_, is_prior) = drawn.judge(latent, 0.2), drawn.judge(prior, 0.2)
    close(drawn.terms["adversarial"], 3 * np.logaddexp(0, -is_code))
    close(drawn.terms["discriminator"], np.logaddexp(0, -is_prior) + np.logaddexp(0, is_code))
    logit = np.asarray(drawn.apply("decode", latent.astype(np.float32)), np.float64)
    close(drawn.terms["reconstruction"], np.sum(np.logaddexp(0, logit) - IMAGE * logit, axis=(1, 2, 3)))


def test_the_losses_of_a_vae_gan_are_those_of_its_paper():
    drawn = Drawn(VAE_GAN)
    mean, log_variance = (np.asarray(x, np.float64) for x in drawn.apply("posterior", IMAGE)[:2])
    latent = mean + np.exp(log_variance / 2) * normal(jax.random.key(0))  # Whose first axis is of one draw.
    prior = normal(jax.random.fold_in(jax.random.key(0), 1))
    decoded = np.asarray(drawn.apply("decode", np.float32(np.concatenate([latent, prior]))), np.float64)
    images = [IMAGE, *np.split(scipy.special.expit(decoded), 2)]
    (real, is_real), (fake, is_reconstructed), (_, is_new) = (
        drawn.judge(np.asarray(x, np.float64).reshape(6, 64), 0.01) for x in images
    )
    error = np.sum((real - fake) ** 2, axis=1) / (2 * 0.2**2)
    close(drawn.terms["reconstruction"], error)
    close(drawn.terms["kl"], 0.5 * np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance, axis=1))
    close(drawn.terms["decoder"], 0.5 * error + np.logaddexp(0, -is_reconstructed) + np.logaddexp(0, -is_new))
    close(
        drawn.terms["discriminator"],
        np.logaddexp(0, -is_real) + np.logaddexp(0, is_reconstructed) + np.logaddexp(0, is_new),
    )


def last_layer(params, kernel, bias):
    """The discriminator's logit scaled and moved."""
    network = params["discriminator"]["network"]
    name = max(name for name in network if name.startswith("Dense_"))
    layer = {"kernel": kernel * network[name]["kernel"], "bias": 0 * network[name]["bias"] + bias}
    network = network | {name: layer}
    return params | {"discriminator": params["discriminator"] | {"network": network}}


@by_kind
def test_a_discriminator_that_cannot_tell_has_the_loss_of_equal_distributions(family):
    terms = Drawn(family, change=lambda params: last_layer(params, 0.0, 0.0)).terms
    num = 2 if family.kind == "adversarial" else 3
    np.testing.assert_allclose(terms["discriminator"], num * np.log(2), rtol=1e-6)
    if family.kind == "adversarial":
        np.testing.assert_allclose(terms["adversarial"], 3 * np.log(2), rtol=1e-6)


def test_the_best_discriminator_of_equal_distributions_is_one_that_cannot_tell():
    """Goodfellow et al. (2014): any other loses more than 2 log 2 by itself, whatever it says."""
    latent = jnp.zeros((1, 3))  # Whatever it says of codes and of draws of the prior that are the same.
    model, variables = initialize(ADVERSARIAL, IMAGE)

    @jax.jit
    def loss_of(seed):
        params = jax.tree.map(lambda leaf: leaf + seed, variables["params"])
        logit = model.apply(variables | {"params": params}, latent, method=lambda m, z: m.discriminator(z))
        return wrong(logit, real=True) + wrong(logit, real=False)

    for seed in range(3):
        loss = loss_of(seed)
        assert loss >= 2 * np.log(2) - 1e-6
        assert (loss > 2 * np.log(2) + 1e-3) == (seed > 0)


@by_kind
def test_logits_far_out_stay_finite_with_their_gradients(family):
    model, variables = initialize(family, IMAGE)

    @jax.jit
    def loss(bias):
        def total(params):
            terms, _ = model.apply(
                variables | {"params": last_layer(params, 1.0, bias)},
                Batch(IMAGE, None),
                train=True,
                method="terms",
                rngs={"noise": jax.random.key(0)},
                mutable=["spectral"],
            )
            return sum(jnp.mean(term) for term in terms.values())

        params = variables["params"]
        return jax.value_and_grad(total)(params | {"decoder": jax.tree.map(lambda x: x + bias, params["decoder"])})

    for bias in (-100.0, 100.0):
        value, slope = loss(bias)
        assert np.isfinite(value)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))


@pytest.mark.slow
def test_a_member_is_what_it_is_alone(data):
    values = [0.01, 0.1, 1.0]
    together, alone = (fit_population(VAE_GAN, "gamma", some, data) for some in (values, values[1:2]))
    for name, value in alone.items():
        assert np.array_equal(together[name][1], value[0]), name
    assert len(set(together["train_decoder"][:, -1].tolist())) == 3


class Twice(nn.Module):
    """A network that notes what it sees, as it is and frozen."""

    def setup(self):
        self.network = NormActivation(Residual(norm="batch", activation="tanh"))

    def __call__(self, x):
        return self.network(x, train=True), frozen(self.network)(x, train=True)


def test_a_frozen_network_says_the_same_and_learns_and_notes_nothing():
    x = jax.random.normal(jax.random.key(0), (4, 2, 2, 3))
    variables = jax.jit(Twice().init)(jax.random.key(1), x)

    @jax.jit
    def pull(x):
        outputs, pull_back, after = jax.vjp(
            lambda params, x: Twice().apply(variables | {"params": params}, x, mutable=["batch_stats"]),
            variables["params"],
            x,
            has_aux=True,
        )
        ones, zeros = jnp.arange(outputs[0].size, dtype=jnp.float32).reshape(x.shape), jnp.zeros(x.shape)
        return outputs, pull_back((ones, zeros)), pull_back((zeros, ones)), after

    outputs, (own, by_input), (frozen_own, frozen_by_input), after = pull(x)
    assert np.array_equal(*outputs)
    assert size(own) > 0.1
    assert size(frozen_own) == 0
    np.testing.assert_allclose(by_input, frozen_by_input, rtol=1e-5, atol=1e-5)
    mean = after["batch_stats"]["network"]["BatchNorm_0"]["mean"]
    np.testing.assert_allclose(mean, 0.1 * np.mean(x, axis=(0, 1, 2)), rtol=1e-5, atol=1e-6)


def test_fields_and_images_that_do_not_go_together_are_refused(dataset):
    for family, message in (
        (AdversarialConfig(latent_activation="relu"), "latent_activation=relu"),
        (VaeGanConfig(latent_activation="relu"), "latent_activation=relu"),
        (VaeGanConfig(likelihood=LearnedGaussian()), "learned_gaussian"),
    ):
        with pytest.raises(ConfigError, match=message):
            check(Config(autoencoder=family))
    odd = VaeGanConfig(discriminator=Convolutional(strides=(3,)))
    with pytest.raises(DataError, match="discriminator=conv"):
        check_data(Config(autoencoder=odd, training=TrainingConfig(batch_size=20)), dataset)
