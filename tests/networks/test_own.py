"""Networks that are no Linen modules: of NNX, or of two functions; they train in populations as ours do."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import aejax
from aejax import registry
from aejax.networks.zoo import NETWORKS, make_decoder, make_encoder

SHAPE = (8, 8, 1)


class Features(nnx.Module):
    def __init__(self, image_shape, *, rngs):
        self.layer = nnx.Linear(math.prod(image_shape), 12, rngs=rngs)

    def __call__(self, image):
        return nnx.relu(self.layer(image.reshape(len(image), -1)))


class Pixels(nnx.Module):
    def __init__(self, latent_shape, image_shape, *, rngs):
        self.layer = nnx.Linear(*latent_shape, math.prod(image_shape), rngs=rngs)

    def __call__(self, latent):
        return self.layer(latent)


class Dropping(Features):
    def __init__(self, image_shape, *, rngs):
        super().__init__(image_shape, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)


def init_features(key, image_shape):
    return [{"kernel": 0.1 * jax.random.normal(key, (math.prod(image_shape), 12))}, jnp.zeros((1, 12))]


def apply_features(parameters, image):
    return jnp.tanh(image.reshape(len(image), -1) @ parameters[0]["kernel"] + parameters[1])


def init_pixels(key, latent_shape, image_shape):
    return 0.1 * jax.random.normal(key, (*latent_shape, *image_shape))


def apply_pixels(parameters, latent):
    return jnp.tensordot(latent, parameters, 1)


@pytest.fixture(scope="module", autouse=True)
def networks():
    """Registered for this file alone."""
    with pytest.MonkeyPatch.context() as patch:
        for holder, name in ((NETWORKS, "_parts"), (NETWORKS, "_configs"), (registry, "_origins")):
            patch.setattr(holder, name, dict(getattr(holder, name)))
        of_nnx = aejax.register_network("of_nnx", Features, Pixels)
        of_functions = aejax.register_network("functions", (init_features, apply_features), (init_pixels, apply_pixels))
        assert registry.origins().keys() >= {"test_own.py"}
        yield of_nnx(), of_functions()


def test_networks_of_nnx_and_of_functions_encode_and_decode(networks):
    images, latents = jnp.ones((5, *SHAPE)), jnp.ones((5, 3))
    for network in networks:
        encoder, decoder = make_encoder(network), make_decoder(network, network, SHAPE)
        variables = encoder.init(jax.random.key(0), images)
        assert encoder.apply(variables, images).shape == (5, 12)
        assert decoder.init_with_output(jax.random.key(0), latents)[0].shape == (5, *SHAPE)
    parameters = init_features(jax.random.key(1), SHAPE)
    own = {"0.kernel": parameters[0]["kernel"], "1": parameters[1]}
    output = make_encoder(networks[1]).apply({"params": {"own": own}}, images)
    np.testing.assert_array_equal(output, apply_features(parameters, images))


def test_they_train_as_one_population_are_saved_and_opened_again(networks, dataset, tmp_path):
    family = aejax.PlainConfig(encoder=networks[0], decoder=networks[1], latent_size=3)
    evaluation = aejax.EvaluationConfig(measures=("reconstruction",), baselines=())
    config = aejax.Config(
        autoencoder=family, training=aejax.TrainingConfig(epochs=3, batch_size=20), evaluation=evaluation
    )
    images = dataset.train.image
    study = aejax.run(config, images, sweep=aejax.grid("optimizer.learning_rate", [0.003, 0.01]), seeds=1)
    assert len(list(study.path.glob("populations/*"))) == 1
    assert len(study.results) == 2
    best = study.best("mse")
    assert best.curves["train_loss"][-1] < 0.7 * best.curves["train_loss"][0]
    best.save(tmp_path / "model")
    np.testing.assert_array_equal(aejax.load(tmp_path / "model").encode(images), best.encode(images))


def test_what_does_not_fit_is_said_in_one_line(networks):
    for encoder, line in (
        (3, r"encoder should be a pair of functions \(init, apply\), or a class of nnx.Module; got 3"),
        (Features, "there is a network 'of_nnx' already"),
    ):
        with pytest.raises(aejax.ConfigError, match=line):
            aejax.register_network("of_nnx", encoder, Pixels)
    dropping = aejax.register_network("dropping", Dropping, Pixels)()
    flat = aejax.register_network("flat", (init_features, lambda parameters, image: image.ravel()), Pixels)()
    with pytest.raises(aejax.UserError, match=r"encoder=dropping does not fit .*: Dropping has more than parameters"):
        aejax.fit(aejax.PlainConfig(encoder=dropping, decoder=networks[1]), np.zeros((90, *SHAPE)))
    assert flat.misfit(SHAPE) == "of one image it makes an array of shape (64,); the first axis is the batch"
