"""Autoencoders with noise or dropout in the latent, and with tied weights."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.autoencoders.denoising import DenoisingConfig
from aejax.autoencoders.dropout import DropoutConfig
from aejax.autoencoders.latent_noise import LatentNoiseConfig
from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.tied import TiedConfig
from aejax.autoencoders.zoo import make_autoencoder
from aejax.data.resident import Batch
from aejax.errors import ConfigError
from aejax.evaluation.weights import weight_images
from aejax.experiment import Config, check
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.sweep import expand, grid, group
from tests.autoencoders.families import apply, fit_linear, fit_population, initialize, share_outside

IMAGE = np.random.default_rng(0).uniform(size=(200, 8, 8, 1)).astype(np.float32)
SMALL = Dense(widths=(12,))


def codes(family):
    """Returns (latents outside training, latents in training), 10,000 numbers each."""
    model, variables = initialize(dataclasses.replace(family, encoder=SMALL, latent_size=50), IMAGE)
    plain = PlainConfig(encoder=SMALL, latent_size=50, latent_activation=family.latent_activation)

    @jax.jit
    def encode(variables):
        return (
            model.apply(variables, IMAGE, train=True, method="encode", rngs={"noise": jax.random.key(1)}),
            model.apply(variables, IMAGE, method="encode"),
            make_autoencoder(plain, IMAGE.shape[1:]).apply(variables, IMAGE, method="encode"),
        )

    noisy, clean, expected = encode(variables)
    np.testing.assert_array_equal(clean, expected)  # Outside training there is nothing but the encoder.
    return np.asarray(clean), np.asarray(noisy)


def test_noise_has_the_scale_that_was_asked_for_and_outside_training_there_is_none():
    clean, noisy = codes(LatentNoiseConfig(scale=0.5))
    noise = noisy - clean
    assert abs(noise.std() / 0.5 - 1) < 0.03
    assert abs(noise.mean()) < 0.02
    assert abs(np.corrcoef(noise[:, 0], noise[:, 1])[0, 1]) < 0.3  # Units have noise of their own.
    assert np.abs(clean).max() <= 1  # So that the code cannot outgrow it.


def test_units_are_dropped_at_the_rate_and_the_rest_keeps_the_expectation():
    clean, noisy = codes(DropoutConfig(rate=0.3))
    dropped = noisy == 0
    assert np.all(clean != 0)
    assert abs(dropped.mean() - 0.3) < 0.02
    np.testing.assert_allclose(noisy[~dropped], clean[~dropped] / 0.7, rtol=1e-6)
    assert abs((noisy / clean).mean() - 1) < 0.03
    assert 0 < dropped[0].sum() < 50
    assert np.any(dropped[0] != dropped[1])


def test_a_rate_of_zero_drops_nothing():
    clean, noisy = codes(DropoutConfig(rate=0.0))
    np.testing.assert_array_equal(clean, noisy)


def test_rates_are_one_population_and_more_is_harder_to_train(data):
    metrics = fit_population(DropoutConfig(encoder=SMALL), "rate", [0.0, 0.2, 0.8], data)
    assert np.all(np.diff(metrics["train_loss"][:, -1]) > 0)


def test_scales_are_one_population():
    members = expand(Config(autoencoder=LatentNoiseConfig()), grid("autoencoder.scale", [0.0, 0.3, 3.0]))
    assert [len(population.members) for population in group(members)] == [3]


def test_a_tied_linear_autoencoder_spans_the_principal_axes_with_one_kernel():
    error, params, axes = fit_linear(TiedConfig)
    assert 0.999 <= error <= 1.01
    kernel = np.asarray(params["latent"]["kernel"])
    assert share_outside(kernel.T, axes) < 0.03
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(3), atol=0.03)  # The optimum projects.


def test_a_tied_decoder_is_the_encoder_transposed():
    family = TiedConfig(encoder=Dense(widths=(12, 7), activation="tanh"), latent_size=5)
    model, variables = initialize(family, IMAGE)
    params = jax.tree.map(lambda leaf: np.asarray(leaf) + 0.01, variables["params"])
    stack, latent, biases = params["encoder"]["DenseStack_0"], params["latent"], params["decoder"]
    x = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
    decoded = np.asarray(apply(model, {"params": params}, x, method="decode"))
    x = np.tanh(x @ latent["kernel"].T + biases["bias_2"][None])
    x = np.tanh(x @ stack["Dense_1"]["kernel"].T + biases["bias_1"][None])
    x = x @ stack["Dense_0"]["kernel"].T + biases["bias_0"][None]
    np.testing.assert_allclose(decoded, x.reshape(3, 8, 8, 1), rtol=1e-5, atol=1e-5)
    assert all(leaf.ndim == 1 for leaf in jax.tree.leaves(biases))


def test_a_tied_decoder_computes_in_the_type_of_its_parameters():
    model, variables = initialize(TiedConfig(encoder=SMALL), IMAGE)
    latent = jax.ShapeDtypeStruct((2, 32), np.float32)
    decode = functools.partial(model.apply, method="decode")
    assert jax.eval_shape(decode, variables, latent).dtype == jnp.float32
    low = jax.eval_shape(lambda variables: optax.tree.cast(variables, jnp.bfloat16), variables)
    assert jax.eval_shape(decode, low, latent).dtype == jnp.bfloat16


@pytest.mark.parametrize("widths", [(), (12,)])
def test_the_weight_images_of_tied_weights_are_the_encoders(widths):
    _, variables = initialize(TiedConfig(encoder=Dense(widths=widths), latent_size=5), IMAGE)
    params = variables["params"]
    layer = params["encoder"]["DenseStack_0"]["Dense_0"] if widths else params["latent"]
    images = weight_images(variables, (8, 8, 1))
    assert set(images) == {"encoder"}
    np.testing.assert_array_equal(images["encoder"].reshape(-1, 64), np.asarray(layer["kernel"]).T)


@pytest.mark.parametrize(
    ("family", "says"),
    [
        (TiedConfig(encoder=Convolutional()), "autoencoder=tied: encoder=conv has no kernels to transpose; use dense"),
        (TiedConfig(decoder=Dense()), "autoencoder=tied: decoder=dense cannot share the encoder's kernels; use mirror"),
    ],
)
def test_networks_that_cannot_be_tied_are_refused(family, says):
    with pytest.raises(ConfigError, match=says):
        check(Config(autoencoder=family))


def test_outside_training_denoising_is_given_images_as_they_are():
    model, variables = initialize(DenoisingConfig(encoder=SMALL, latent_size=5), IMAGE)

    @functools.partial(jax.jit, static_argnames="train")
    def loss(train):
        batch = Batch(IMAGE, None, len(IMAGE))
        rngs = {"noise": jax.random.key(1)} if train else {}
        return model.apply(variables, batch, train=train, method="terms", rngs=rngs)["reconstruction"]

    given = lambda model, x: model.reconstruction(model.encode(x), Batch(x, None), train=False)  # noqa: E731
    clean = np.asarray(jax.jit(lambda: model.apply(variables, IMAGE, method=given))())
    np.testing.assert_array_equal(loss(train=False), clean)
    assert np.all(loss(train=True) != clean)
