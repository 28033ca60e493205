"""Families whose decoder takes labels: what it is given, who else sees them, and what is refused."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.autoencoders.gated import GatedConfig
from aejax.autoencoders.iwae import IwaeConfig
from aejax.autoencoders.k_sparse import KSparseConfig
from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.tied import TiedConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.autoencoders.zoo import FAMILIES, make_autoencoder
from aejax.config import override
from aejax.data.load import DataConfig
from aejax.data.resident import Batch
from aejax.errors import ConfigError, DataError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check, check_data
from aejax.networks.patches import PatchesConfig
from aejax.objectives.likelihoods import HalfSquaredError
from aejax.objectives.posteriors import Draw
from aejax.samplers.generator import make_generator
from aejax.samplers.prior import Prior
from aejax.training.step import TrainingConfig
from tests.autoencoders.families import IMAGE, SMALL, initialize

LABEL = jnp.asarray([0, 1, 2, 2, 1, -1])
FAMILY = VaeConfig(**SMALL, condition="label")


@pytest.fixture(scope="module")
def drawn():
    return initialize(FAMILY, IMAGE, LABEL, 3)


def close(own, expected, tolerance=1e-5):
    np.testing.assert_allclose(own, expected, rtol=tolerance, atol=tolerance)


def test_the_decoder_alone_is_told_a_one_hot_vector_and_zeros_where_the_label_is_not_known(drawn):
    model, variables = drawn
    latent = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)

    @jax.jit
    def use(variables, label):
        call = lambda *arguments, **keywords: model.apply(variables, *arguments, **keywords)  # noqa: E731
        batch = Batch(IMAGE, label)
        return (
            call(latent, label, method="decode"),
            call(IMAGE, method="features"),
            call(IMAGE, label, method="reconstruct"),
            call(batch, train=False, method="terms"),
        )

    output, features, reconstruction, terms = use(variables, LABEL)
    decoder = jax.device_get(variables["params"]["decoder"])
    first, last = decoder["DenseStack_0"]["Dense_0"], decoder["Dense_0"]
    of_label = np.concatenate([first["kernel"][3:], np.zeros((1, 12))])[np.asarray(LABEL)]  # That of -1 is the last.
    hidden = np.tanh(latent @ first["kernel"][:3] + of_label + first["bias"])
    close(output.reshape(6, -1), hidden @ last["kernel"] + last["bias"])
    # Another label is another image, and no other code.
    other = use(variables, (LABEL + 1) % 3)
    np.testing.assert_array_equal(other[1], features)
    assert np.all(np.abs(other[2] - reconstruction).max(axis=(1, 2, 3)) > 1e-3)
    assert np.all(other[3]["reconstruction"] != terms["reconstruction"])
    np.testing.assert_array_equal(other[3]["kl"], terms["kl"])


def test_with_one_class_it_is_the_unconditional_family():
    label = jnp.zeros(6, jnp.int32)

    def run(family, num_classes):
        model, variables = initialize(family, IMAGE, label, num_classes)
        rngs = {"noise": jax.random.key(3)}
        terms = lambda params: model.apply(  # noqa: E731
            {"params": params}, Batch(IMAGE, label), train=True, method="terms", rngs=rngs
        )
        loss = lambda params: sum(jnp.sum(term) for term in terms(params).values())  # noqa: E731
        return variables, jax.jit(jax.value_and_grad(loss))(variables["params"])

    jax.tree.map(lambda own, other: close(own, other, 1e-6), run(FAMILY, 1), run(VaeConfig(**SMALL), None))


@pytest.mark.slow
def test_every_family_that_can_be_is_told_labels():
    off = {"unit_norm": False, "centered": False}
    for kind in FAMILIES:
        config = FAMILIES.config(kind)
        if not config.CONDITIONAL:
            continue
        fields = {name: value for name, value in off.items() if hasattr(config(), name)}
        family = config(condition="label", **fields)
        model = make_autoencoder(family, IMAGE.shape[1:], 3)

        def init(image, label, model=model):
            batch = Batch(image, label, 100, jnp.zeros(()))
            return model.init(jax.random.key(0), batch, train=False, method="terms")

        program = jax.make_jaxpr(init)(IMAGE, LABEL).jaxpr
        told = program.invars[1]
        assert any(told is variable for equation in program.eqns for variable in equation.invars), kind


def test_each_of_several_draws_is_decoded_with_the_label_of_its_image():
    model, variables = initialize(IwaeConfig(**SMALL, condition="label"), IMAGE, LABEL, 3)
    generator = np.random.default_rng(2)
    draw = Draw(*(generator.normal(size=shape).astype(np.float32) for shape in ((2, 6, 3), (2, 6))))

    @jax.jit
    def weigh(variables):
        call = lambda draw, batch: model.apply(variables, draw, batch, method="log_weights")  # noqa: E731
        alone = [
            call(Draw(*(part[:, [i]] for part in draw)), Batch(IMAGE[[i]], LABEL[i : i + 1])) for i in range(len(IMAGE))
        ]
        return call(draw, Batch(IMAGE, LABEL)), jnp.concatenate(alone, axis=1)

    close(*weigh(variables))


def test_images_are_generated_of_one_class_of_all_or_of_each(drawn):
    model, variables = drawn
    generator = make_generator(model, Prior())
    held = {name: {"autoencoder": tree} for name, tree in variables.items()}
    key = jax.random.key(4)

    @jax.jit
    def use(held):
        call = lambda method, *arguments: generator.apply(held, *arguments, method=method)  # noqa: E731
        code = call("sample", 5, key)
        by_hand = jnp.stack([call("decode", code, jnp.full(5, label)) for label in range(3)], axis=1)
        label = call("draw_labels", 5, key)
        return (
            by_hand,
            call("generate_classes", 5, key, 3),
            call("generate", 5, key, jnp.full(5, 2)),
            call("generate", 5, key),
            label,
            call("draw_labels", 300, key),
        )

    by_hand, of_each, of_one, of_all, label, many = jax.device_get(use(held))
    close(of_each, by_hand)
    close(of_one, by_hand[:, 2])
    close(of_all, by_hand[np.arange(5), label])
    assert np.all(np.bincount(many, minlength=3) > 60)


def test_what_cannot_take_labels_is_refused_in_one_line(dataset):
    told = {"condition": "label"}
    refused = {
        "the decoder of 'tied' cannot take labels": Config(autoencoder=TiedConfig(**told)),
        "autoencoder.patches is set": Config(
            autoencoder=PlainConfig(patches=PatchesConfig(), likelihood=HalfSquaredError(output="identity"), **told)
        ),
        "greedy pre-training of layers": Config(
            autoencoder=PlainConfig(**told), training=TrainingConfig(pretraining_epochs=1)
        ),
        "outliers have none of the labels": Config(
            autoencoder=PlainConfig(**told), evaluation=EvaluationConfig(outliers=DataConfig(name="other"))
        ),
        "auxiliary_weight: what dead units draw": Config(autoencoder=KSparseConfig(auxiliary_weight=0.1, **told)),
        "the vectors of units stand for themselves": Config(autoencoder=GatedConfig(**told)),
    }
    for words, config in refused.items():
        with pytest.raises(ConfigError) as raised:
            check(config)
        assert words in str(raised.value)
        assert "\n" not in str(raised.value)
        check(override(config, {"autoencoder.condition": None}))
    with pytest.raises(DataError, match="tells the decoder labels, and quadrants has no labels"):
        check_data(Config(autoencoder=FAMILY), dataclasses.replace(dataset, num_classes=None))
    check_data(Config(autoencoder=FAMILY), dataset)
