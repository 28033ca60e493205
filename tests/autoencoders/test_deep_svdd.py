"""Deep SVDD beside numpy: the center, the distance, its gradient, and that it cannot collapse."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.autoencoders.deep_svdd import LEAST, DeepSvddConfig
from aejax.autoencoders.family import Family
from aejax.data.load import Dataset, Split
from aejax.data.resident import Batch, make_resident
from aejax.errors import ConfigError
from aejax.experiment import Config, check
from aejax.methods.base import find_method
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.networks.lenet import LeNet
from aejax.networks.residual import Residual
from aejax.samplers.mixture import Mixture
from aejax.samplers.zoo import GenerationConfig
from aejax.training.fit import fit as fit_task
from aejax.training.optimizers import Adam
from aejax.training.step import TrainingConfig
from tests.autoencoders.families import initialize
from tests.methods import make_task

LINEAR = Dense(widths=(), bias=False)
RAMP = Dense(widths=(6,), activation="leaky_relu", bias=False)
# Each image is there twice, once of half the brightness. Of a network without biases that is homogeneous, the codes of
# the two are u and u / 2, whose mean squared distance from c is at least ‖c‖² / 10, reached at u = 1.2 c.
BRIGHT = np.random.default_rng(0).uniform(0.2, 1.0, (20, 4, 4, 1)).astype(np.float32)
PAIRS = np.concatenate([BRIGHT, BRIGHT / 2])
FLOOR = 0.1


def resident(image):
    split, nothing = Split(image=image, label=None), Split(image=image[:0], label=None)
    dataset = Dataset(name="x", train=split, validation=nothing, test=nothing, num_classes=None, fingerprint="")
    return jax.device_put(make_resident(dataset, "none"))


def fitted(family, image, **training):
    config = Config(
        autoencoder=family, optimizer=Adam(learning_rate=0.01), training=TrainingConfig(batch_size="all", **training)
    )
    data = resident(image)
    return fit_task(make_task("autoencoder", image.shape[1:], None)(config), data), data


def test_loss_and_gradient_are_those_of_numpy():
    family = DeepSvddConfig(encoder=LINEAR, latent_size=3, weight_decay=0.5)
    model, variables = initialize(family, BRIGHT)
    center = np.array([0.5, -1.0, 2.0], np.float32)
    rest = {"one_class": {"center": center}}

    @jax.jit
    @jax.value_and_grad
    def loss(params):
        terms = model.apply({"params": params, **rest}, Batch(BRIGHT, None), train=True, method="terms")
        return jnp.mean(terms["distance"] + terms["decay"])

    value, gradient = jax.device_get(loss(variables["params"]))
    kernel = np.asarray(variables["params"]["latent"]["kernel"], np.float64)
    x = BRIGHT.reshape(20, 16)
    off = x @ kernel - center
    assert value == pytest.approx(np.mean(np.sum(off**2, axis=1)) + 0.25 * np.sum(kernel**2), rel=1e-5)
    np.testing.assert_allclose(gradient["latent"]["kernel"], 2 * x.T @ off / 20 + 0.5 * kernel, rtol=1e-4, atol=1e-5)
    assert set(gradient["latent"]) == {"kernel"}  # No bias,
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient["decoder"]))  # and nothing for the decoder.
    score = jax.jit(lambda image: model.apply({**variables, **rest}, image, method="strangeness"))(BRIGHT)
    np.testing.assert_allclose(score, np.sum(off**2, axis=1), rtol=1e-4)


def test_the_center_is_the_mean_of_the_first_codes_away_from_zero():
    result, _ = fitted(DeepSvddConfig(encoder=LINEAR, latent_size=8), PAIRS, epochs=0)
    code = PAIRS.reshape(40, 16) @ np.asarray(result.variables["params"]["latent"]["kernel"])
    mean = code.mean(axis=0)
    assert np.any(np.abs(mean) < LEAST)
    assert np.any(np.abs(mean) > LEAST)
    expected = np.where(np.abs(mean) < LEAST, np.where(mean < 0, -LEAST, LEAST), mean)
    np.testing.assert_allclose(result.variables["one_class"]["center"], expected, rtol=1e-4)


def test_the_center_is_of_the_codes_that_pretraining_left_and_stays():
    family = DeepSvddConfig(encoder=RAMP, latent_size=2)
    before, _ = fitted(family, PAIRS, epochs=0, pretraining_epochs=5)
    after, data = fitted(family, PAIRS, epochs=5, pretraining_epochs=5)
    # The same five epochs: what the encoder makes of all images then is what the center was made of.
    code = jax.jit(lambda: before.apply("encode", data.batch("train", jnp.arange(40)).image))()
    mean = np.asarray(code).mean(axis=0)
    expected = np.where(np.abs(mean) < LEAST, np.where(mean < 0, -LEAST, LEAST), mean)
    np.testing.assert_allclose(after.variables["one_class"]["center"], expected, rtol=1e-3)
    assert set(after.curves) >= {"train_reconstruction", "train_distance", "train_decay"}


def radius(family):
    """The mean squared distance of all images from the center after training, divided by the center's square."""
    result, _ = fitted(family, PAIRS, epochs=1500)
    return result.curves["train_distance"][-1] / np.sum(np.square(result.variables["one_class"]["center"]))


def test_without_biases_it_cannot_collapse_and_with_them_it_does():
    """Propositions 1 and 2 of the paper, of networks that differ in nothing else."""
    family = DeepSvddConfig(encoder=RAMP, latent_size=2, weight_decay=0.0)
    assert FLOOR - 1e-4 < radius(family) < 2 * FLOOR
    collapsing = dataclasses.replace(family, encoder=dataclasses.replace(RAMP, bias=True))
    assert radius(collapsing) < 0.01 * FLOOR


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"encoder": Dense()}, "encoder=dense has biases, .*; use encoder.bias=false"),
        ({"encoder": Convolutional()}, "encoder=conv has biases, .*; use encoder.bias=false"),
        ({"encoder": LeNet()}, "encoder=lenet has biases, .*; use encoder.bias=false"),  # Of batch normalization, too.
        ({"encoder": Residual(norm="batch")}, "encoder=resnet has biases, .*; use dense, conv or lenet"),
        ({"encoder": Dense(activation="tanh", bias=False)}, "encoder.activation=tanh has bounds"),
        ({"encoder": LeNet(activation="sigmoid", bias=False)}, "encoder.activation=sigmoid has bounds"),
        ({"latent_activation": "sigmoid"}, "latent_activation=sigmoid has bounds"),
        ({"condition": "label"}, "the decoder of 'deep_svdd' cannot take labels"),
    ],
)
def test_what_could_collapse_is_refused(fields, says):
    with pytest.raises(ConfigError, match=says) as caught:
        check(Config(autoencoder=DeepSvddConfig(**fields)))
    assert "\n" not in str(caught.value)


def test_what_does_not_could_not():
    for encoder in (LINEAR, RAMP, Convolutional(bias=False), LeNet(bias=False)):
        check(Config(autoencoder=DeepSvddConfig(encoder=encoder)))
    with pytest.raises(ConfigError, match="'tied' need biases; use true"):
        check(Config(autoencoder=load_family("tied")(encoder=RAMP)))
    with pytest.raises(ConfigError, match="autoencoder=deep_svdd trains no decoder"):
        check(Config(autoencoder=DeepSvddConfig(), generation=GenerationConfig(sampler=Mixture())))


def load_family(kind) -> type[Family]:
    from aejax.autoencoders.zoo import FAMILIES

    return FAMILIES.config(kind)


def test_it_offers_its_own_score_and_no_reconstruction():
    family = DeepSvddConfig(encoder=LINEAR, latent_size=3)
    result, data = fitted(family, BRIGHT, epochs=1)
    config = Config(autoencoder=family)
    method = find_method("autoencoder")
    task = method.task(config, BRIGHT.shape[1:], None)
    representation = method.represent(task, result.variables, config, data)
    assert representation.reconstruct is None
    score = jax.jit(representation.strangeness)(BRIGHT)
    code = jax.jit(representation.encode)(BRIGHT)
    off = np.asarray(code) - np.asarray(result.variables["one_class"]["center"])
    np.testing.assert_allclose(score, np.sum(off**2, axis=1), rtol=1e-4)
