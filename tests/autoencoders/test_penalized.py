"""Families with a penalty on the code or the encoder: their terms, what training makes of them, their populations."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax import sweep
from aejax.autoencoders.contractive import ContractiveConfig
from aejax.autoencoders.higher_order_contractive import HigherOrderContractiveConfig
from aejax.autoencoders.sparse_kl import SparseKLConfig
from aejax.autoencoders.sparse_l1 import SparseL1Config
from aejax.autoencoders.zoo import make_autoencoder
from aejax.config import load
from aejax.data.resident import Batch
from aejax.errors import ConfigError
from aejax.experiment import Config, check
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.networks.residual import Residual
from aejax.training.fit import fit
from aejax.training.optimizers import Adam
from aejax.training.population import Members
from aejax.training.step import TrainingConfig
from tests.autoencoders.families import apply
from tests.methods import make_task

SHAPE = (4, 4, 1)
BATCH = Batch(np.random.default_rng(0).uniform(size=(6, *SHAPE)).astype(np.float32), None)
BATCH_NORM = Residual(widths=(4,), blocks=0, norm="batch")


def make(family):
    """Returns (model, variables), initialised."""
    model = make_autoencoder(family, SHAPE)
    init = lambda key: model.init({"params": key}, BATCH, train=False, method="terms")  # noqa: E731
    return model, jax.jit(init)(jax.random.key(0))


def terms(model, variables, key=None):
    """Returns the terms and what they changed, in training if there is a key for its noise, else outside it."""
    rngs = {} if key is None else {"noise": key}
    return model.apply(
        variables, BATCH, train=key is not None, rngs=rngs, mutable=["batch_stats"] if rngs else [], method="terms"
    )


compute = jax.jit(terms, static_argnums=0)


def train(family, data, epochs):
    """Returns the Flax variables of one member after training."""
    training = TrainingConfig(epochs=epochs, batch_size=60)
    config = Config(autoencoder=family, optimizer=Adam(learning_rate=0.01), training=training)
    task = make_task("autoencoder", (8, 8, 1), None)(config)
    return fit(task, data).variables


def test_sparsity_of_l1_is_the_weighted_absolute_sum_of_the_latent():
    model, variables = make(SparseL1Config(latent_size=7, latent_activation="tanh", weight=0.5))
    latent = np.asarray(apply(model, variables, BATCH.image, method="encode"))
    sparsity = compute(model, variables)[0]["sparsity"]
    np.testing.assert_allclose(sparsity, 0.5 * np.abs(latent).sum(axis=1), rtol=1e-5)


def test_training_drives_mean_activations_to_their_target(data):
    family = SparseKLConfig(latent_size=12, weight=10.0, target=0.1)
    variables = jax.jit(lambda: train(family, data, 60))()
    image = data.batch("train", np.arange(240)).image
    latent = np.asarray(apply(make_autoencoder(family, (8, 8, 1)), variables, image, method="encode"))
    np.testing.assert_allclose(latent.mean(axis=0), 0.1, atol=0.02)


@pytest.mark.parametrize(
    ("encoder", "jacobian", "tolerance"),
    [
        (Dense(widths=()), "exact", 1e-4),
        (BATCH_NORM, "exact", 1e-4),
        (Dense(widths=(16,)), "hutchinson", 0.1),
    ],
)
def test_contraction_is_the_jacobian_of_the_encoder(encoder, jacobian, tolerance):
    model, variables = make(
        ContractiveConfig(encoder=encoder, latent_size=4, weight=0.5, jacobian=jacobian, num_probes=3000)
    )
    rows = jax.jit(jax.vmap(jax.jacobian(lambda x: model.apply(variables, x[None], method="encode")[0])))
    expected = 0.5 * np.square(rows(BATCH.image)).reshape(6, -1).sum(axis=1)
    np.testing.assert_allclose(compute(model, variables)[0]["contraction"], expected, rtol=tolerance)


def test_the_closed_form_is_exact_and_so_are_its_gradients():
    family = HigherOrderContractiveConfig(encoder=Dense(widths=()), latent_size=5, jacobian="exact", num_corruptions=3)
    exact, variables = make(family)
    closed = make_autoencoder(dataclasses.replace(family, jacobian="closed_form"), SHAPE)

    def values_and_gradients(model):
        def penalty(variables):
            values = compute(model, variables, jax.random.key(3))[0]
            return jnp.sum(values["contraction"] + values["curvature"]), values

        return jax.jit(jax.grad(penalty, has_aux=True))(variables)

    close = lambda left, right: np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-8)  # noqa: E731
    jax.tree.map(close, values_and_gradients(closed), values_and_gradients(exact))


def test_probes_and_noise_are_drawn_in_training_and_fixed_outside():
    model, variables = make(HigherOrderContractiveConfig(latent_size=5))
    first, again, other = (compute(model, variables, jax.random.key(seed))[0] for seed in (0, 0, 1))
    fixed, same = (compute(model, variables)[0] for _ in range(2))
    for name in ("contraction", "curvature"):
        np.testing.assert_array_equal(first[name], again[name])
        np.testing.assert_array_equal(fixed[name], same[name])
        assert not np.allclose(first[name], other[name])


def test_batch_statistics_are_updated_once_as_in_any_other_family():
    model, variables = make(ContractiveConfig(encoder=BATCH_NORM, latent_size=4))
    _, updated = compute(model, variables, jax.random.key(0))
    plain = lambda model: model.decode(model.encode(BATCH.image, train=True), train=True)  # noqa: E731
    _, expected = jax.jit(lambda: model.apply(variables, method=plain, mutable=["batch_stats"]))()
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5), updated, expected)


@pytest.mark.parametrize("family", [ContractiveConfig(jacobian="closed_form"), HigherOrderContractiveConfig()])
def test_steps_in_bfloat16_keep_the_terms_in_float32(family):
    model, variables = make(dataclasses.replace(family, latent_size=5))
    low = jax.tree.map(lambda x: x.astype(jnp.bfloat16), variables)
    expected = compute(model, variables, jax.random.key(0))[0]
    for name, term in compute(model, low, jax.random.key(0))[0].items():
        assert term.dtype == jnp.float32
        np.testing.assert_allclose(term, expected[name], rtol=0.1, atol=1e-3)


def test_training_contracts(data):
    family = ContractiveConfig(latent_size=8, weight=1.0, jacobian="closed_form")

    @jax.jit
    def norm(weight):
        """Returns ‖J‖² on the validation images after training with a weight."""
        variables = train(dataclasses.replace(family, weight=weight), data, 20)
        batch = data.batch("validation", jnp.arange(60))
        return make_autoencoder(family, (8, 8, 1)).apply(variables, batch, train=False, method="terms")["contraction"]

    assert norm(1.0).mean() < 0.5 * norm(0.0).mean()


@pytest.mark.parametrize(
    ("family", "names"),
    [
        (SparseL1Config, ["weight"]),
        (SparseKLConfig, ["weight", "target"]),
        (ContractiveConfig, ["weight"]),
        (HigherOrderContractiveConfig, ["weight", "hessian_weight", "noise_scale"]),
    ],
)
def test_swept_weights_are_one_population(family, names):
    overrides = sweep.product(*(sweep.grid(f"autoencoder.{name}", [0.2, 0.4]) for name in names))
    configs = sweep.expand(Config(autoencoder=family()), overrides)
    assert len(configs) == 2 ** len(names)
    assert len(sweep.group(configs)) == 1


def test_members_side_by_side_have_weights_and_gradients_of_their_own(data):
    family = HigherOrderContractiveConfig(latent_size=5)
    choices = [{}, {"weight": 0.4}, {"hessian_weight": 9.0}, {"noise_scale": 1.0}]
    configs = [Config(autoencoder=dataclasses.replace(family, **choice)) for choice in choices]

    def run(config, _, data):
        del data
        model, variables = make(config.autoencoder)

        def penalties(variables):
            values = terms(model, variables, jax.random.key(1))[0]
            return values["contraction"].sum() + values["curvature"].sum(), values

        gradient, values = jax.grad(penalties, has_aux=True)(variables)
        return values, jnp.linalg.norm(gradient["params"]["latent"]["kernel"])

    members = Members(configs, members_at_once=2)
    program = members.compile(run, (), data)
    values, norm = members.fetch([program(index, (), data) for index in range(members.num_rounds)])
    contraction, curvature = values["contraction"].sum(axis=1), values["curvature"].sum(axis=1)
    np.testing.assert_allclose(contraction / contraction[0], [1, 4, 1, 1], rtol=1e-4)
    np.testing.assert_allclose(curvature[:3] / curvature[0], [1, 1, 90], rtol=1e-4)
    assert curvature[3] > 20 * curvature[0]
    assert len(set(norm.tolist())) == 4


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (SparseKLConfig(latent_activation="relu"), "latent_activation=relu"),
        (ContractiveConfig(jacobian="closed_form", encoder=Dense()), "jacobian=closed_form"),
        (HigherOrderContractiveConfig(jacobian="closed_form", encoder=Convolutional()), "jacobian=closed_form"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(family, message):
    with pytest.raises(ConfigError, match=message) as error:
        check(Config(autoencoder=family))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_target_is_strictly_between_0_and_1(target):
    with pytest.raises(ConfigError, match="target"):
        load(Config, {"autoencoder": {"kind": "sparse_kl", "target": target}})
