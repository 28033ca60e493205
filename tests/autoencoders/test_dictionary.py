"""Sparse dictionaries: learned thresholds, gates and prefixes against the formulas of their papers."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.autoencoders.batch_top_k import BatchTopKConfig
from aejax.autoencoders.gated import GatedConfig
from aejax.autoencoders.jump_relu import JumpReluConfig, jump, step
from aejax.autoencoders.matryoshka import MatryoshkaConfig
from aejax.config import override
from aejax.data.resident import Batch
from aejax.errors import ConfigError
from aejax.experiment import Config, check
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import HalfSquaredError
from aejax.training.step import TrainingConfig
from tests.autoencoders.families import fit_population, initialize

IMAGE = np.random.default_rng(0).uniform(size=(20, 1, 1, 6)).astype(np.float32)
GAUSSIAN = HalfSquaredError(output="identity")


def gradients(family, change=lambda params: params):
    """Parameters, and by term its sum over the images in a training step and the gradient along the parameters."""
    model, variables = initialize(family, IMAGE)
    params, others = change(variables.pop("params")), variables

    def sums(params):
        terms = model.apply({"params": params, **others}, Batch(IMAGE, None), method="terms", train=True, mutable=True)
        return {name: jnp.sum(values) for name, values in terms[0].items()}

    values, slopes = jax.jit(lambda params: (sums(params), jax.jacrev(sums)(params)))(params)
    return jax.device_get((params, values, slopes))


def of_linear(params):
    """(encoder kernel, decoder vectors of norm 1, decoder bias) of a shallow network with `unit_norm`."""
    decoder = params["decoder"]["layer_instance"]["Dense_0"]
    vectors = decoder["kernel"] / np.linalg.norm(decoder["kernel"], axis=1, keepdims=True)
    return params["latent"]["kernel"], vectors, decoder["bias"]


def with_biases(params):
    """The parameters with every bias drawn: at first all of them are 0."""
    generator = np.random.default_rng(1)
    draw = lambda leaf: 0.2 * generator.normal(size=leaf.shape).astype(np.float32) if leaf.ndim == 1 else leaf  # noqa: E731
    return jax.tree.map(draw, params)


def test_jumps_and_steps_have_the_slopes_of_their_estimators():
    """Rajamanoharan et al. (2024b): −θ / ε K((z − θ) / ε) and −1 / ε K((z − θ) / ε), K the rectangle of width 1."""
    z = np.array([[-0.5, 0.05, 0.26, 0.34, 0.36, 2.0]], np.float32).T
    threshold, bandwidth = np.array([[0.3, 0.4]], np.float32), 0.1
    above = z > threshold
    window = np.abs((z - threshold) / bandwidth) < 0.5
    for function, value, along_z, along_threshold in (
        (jump, z * above, above, -threshold / bandwidth * window),
        (step, above, np.zeros_like(above), -1 / bandwidth * window),
    ):

        def each(z, threshold, function=function):
            return function(jnp.reshape(z, (1, 1)), jnp.reshape(threshold, (1, 1)), bandwidth)[0, 0]

        slopes = jax.jit(jnp.vectorize(jax.value_and_grad(each, argnums=(0, 1))))
        found, (of_z, of_threshold) = slopes(z, threshold)
        np.testing.assert_allclose(found, value, rtol=1e-6)
        np.testing.assert_array_equal(of_z, along_z)
        np.testing.assert_allclose(of_threshold, along_threshold, rtol=1e-5)
    assert window.any()
    assert (window & above).any()


def test_jump_relu_pays_for_active_units_and_its_thresholds_alone_learn_by_that():
    family = JumpReluConfig(latent_size=8, likelihood=GAUSSIAN, weight=0.7, threshold=0.2, bandwidth=0.3)
    params, values, slopes = gradients(family, lambda params: params | {"decoder": with_biases(params["decoder"])})
    encoder, vectors, bias = of_linear(params)
    x = IMAGE.reshape(20, 6)
    z = (x - bias) @ encoder + params["latent"]["bias"]
    active = z > 0.2
    assert 0.1 < active.mean() < 0.9
    error = (z * active) @ vectors + bias - x
    np.testing.assert_allclose(values["reconstruction"], 0.5 * np.sum(error**2), rtol=1e-5)
    np.testing.assert_allclose(values["sparsity"], 0.7 * active.sum(), rtol=1e-6)

    window = np.abs(z - 0.2) < 0.15
    assert window.any()
    of_penalty = slopes["sparsity"]
    # Of log θ: θ times that of θ.
    np.testing.assert_allclose(of_penalty.pop("log_threshold"), -0.7 * 0.2 / 0.3 * window.sum(axis=0), rtol=1e-5)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(of_penalty))
    expected = -np.sum(0.2 * 0.2 / 0.3 * window * (error @ vectors.T), axis=0)
    np.testing.assert_allclose(slopes["reconstruction"]["log_threshold"], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        slopes["reconstruction"]["latent"]["kernel"], (x - bias).T @ (error @ vectors.T * active), rtol=1e-4, atol=1e-5
    )
    # The encoder holds the bias fixed.
    along_bias = slopes["reconstruction"]["decoder"]["layer_instance"]["Dense_0"]["bias"]
    np.testing.assert_allclose(along_bias, error.sum(axis=0), rtol=1e-4, atol=1e-5)


def test_gates_open_by_one_path_and_the_auxiliary_loss_leaves_the_decoder_alone():
    family = GatedConfig(latent_size=8, likelihood=GAUSSIAN, weight=0.3, auxiliary_weight=0.6)
    params, values, slopes = gradients(family, with_biases)
    encoder, vectors, bias = of_linear(params)
    x = IMAGE.reshape(20, 6)
    shared = (x - bias) @ encoder
    gate = shared + params["gate_bias"]
    magnitude = np.exp(params["log_gain"]) * shared + params["magnitude_bias"]
    positive = (gate > 0) & (magnitude > 0)
    assert ((gate > 0) != (magnitude > 0)).any()
    opening = np.maximum(gate, 0)
    error = (magnitude * positive) @ vectors + bias - x
    of_gate = opening @ vectors + bias - x
    np.testing.assert_allclose(values["reconstruction"], 0.5 * np.sum(error**2), rtol=1e-5)
    np.testing.assert_allclose(values["sparsity"], 0.3 * np.sum(opening), rtol=1e-5)
    np.testing.assert_allclose(values["auxiliary"], 0.6 * 0.5 * np.sum(of_gate**2), rtol=1e-5)

    along_code = error @ vectors.T * positive
    expected = {  # Of the reconstruction; no gradient passes the gate.
        "gate_bias": np.zeros(8),
        "magnitude_bias": along_code.sum(axis=0),
        "log_gain": np.sum(along_code * np.exp(params["log_gain"]) * shared, axis=0),
    }
    for name, slope in expected.items():
        np.testing.assert_allclose(slopes["reconstruction"][name], slope, rtol=1e-4, atol=1e-5)
    along_gate = 0.6 * (of_gate @ vectors.T) * (gate > 0)
    np.testing.assert_allclose(slopes["auxiliary"]["gate_bias"], along_gate.sum(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(slopes["auxiliary"]["latent"]["kernel"], (x - bias).T @ along_gate, rtol=1e-4, atol=1e-5)
    for term in ("auxiliary", "sparsity"):
        untouched = [slopes[term][name] for name in ("decoder", "magnitude_bias", "log_gain")]
        assert not any(np.any(leaf) for leaf in jax.tree.leaves(untouched))
    assert np.any(slopes["reconstruction"]["decoder"]["layer_instance"]["Dense_0"]["bias"])


def test_prefixes_reconstruct_by_themselves_and_without_them_it_is_batch_top_k():
    small = {"latent_size": 8, "k": 3, "likelihood": GAUSSIAN}
    params, values, _ = gradients(MatryoshkaConfig(**small, prefixes=(0.2, 0.5), prefix_weight=0.5))
    encoder, vectors, bias = of_linear(params)
    x = IMAGE.reshape(20, 6)
    dense = np.maximum((x - bias) @ encoder, 0)
    code = np.where(dense >= np.sort(dense.ravel())[-3 * 20], dense, 0)
    loss = lambda size: 0.5 * np.sum((code[:, :size] @ vectors[:size] + bias - x) ** 2)  # noqa: E731
    np.testing.assert_allclose(values["reconstruction"], loss(8), rtol=1e-5)
    np.testing.assert_allclose(values["prefixes"], 0.5 * (loss(2) + loss(4)), rtol=1e-5)

    alone = MatryoshkaConfig(**small, prefixes=())
    assert alone.term_names() == ("reconstruction",)
    base = BatchTopKConfig(**small, unit_norm=True, centered=True)
    for own, others in zip(*(jax.tree.leaves(gradients(family)) for family in (alone, base)), strict=True):
        np.testing.assert_allclose(own, others, atol=1e-6)


@pytest.mark.slow  # tests/autoencoders/test_sweeps.py trains them by five strengths.
@pytest.mark.parametrize(("kind", "weights"), [(JumpReluConfig, (1e-3, 0.3)), (GatedConfig, (1e-3, 0.3))])
def test_a_larger_weight_leaves_a_larger_error(kind, weights, data):
    family = kind(latent_size=30, threshold=0.1, bandwidth=0.3) if kind is JumpReluConfig else kind(latent_size=30)
    error = fit_population(family, "weight", weights, data)["train_reconstruction"][:, -1]
    assert error[0] < error[1]


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (
            JumpReluConfig(encoder=Dense(widths=(9,))),
            "autoencoder=jump_relu: unit_norm is for one layer on",
        ),
        (GatedConfig(latent_activation="relu"), "autoencoder=gated: latent_activation=relu: its units have an"),
        (MatryoshkaConfig(latent_size=10), "autoencoder=matryoshka: k=25 is more than the 10 units"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(family, message):
    with pytest.raises(ConfigError, match=message):
        check(Config(autoencoder=family))


def test_prefixes_grow_and_a_centered_encoder_is_not_pretrained_by_layers():
    with pytest.raises(ConfigError, match="Shares of the units should grow"):
        override(Config(autoencoder=MatryoshkaConfig()), {"autoencoder.prefixes": [0.5, 0.25]})
    family = dataclasses.replace(JumpReluConfig(), unit_norm=False)
    with pytest.raises(ConfigError, match=r"set autoencoder\.centered=false"):
        check(Config(autoencoder=family, training=TrainingConfig(pretraining_epochs=1)))
