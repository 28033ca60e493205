"""Training in stages: dense layers one by one, then the whole; and what is said of the end."""

import dataclasses

import jax
import numpy as np
import pytest

from aejax.autoencoders.denoising import DenoisingConfig
from aejax.autoencoders.plain import PlainConfig
from aejax.data.corruption import Masking
from aejax.data.resident import make_resident
from aejax.errors import ConfigError
from aejax.experiment import Config, check
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.training.fit import fit
from aejax.training.flops import step_flops, training_flops
from aejax.training.optimizers import Adam, AdamW, Cosine
from aejax.training.state import Status
from aejax.training.step import TrainingConfig, evaluate_terms
from tests.methods import make_task

DEEP = PlainConfig(encoder=Dense(widths=(12,)), latent_size=5)
TRAINING = TrainingConfig(pretraining_epochs=2, epochs=3, batch_size=40)
CONFIG = Config(autoencoder=DEEP, optimizer=Adam(learning_rate=3e-3, schedule=Cosine()), training=TRAINING)


@pytest.fixture(scope="module")
def local(dataset):
    """The data on one device, for functions that are not mapped over members."""
    return jax.device_put(make_resident(dataset, "none"))


def run(config, local, num_epochs, method="autoencoder", chunks=1):
    """Returns (task, state before, state after, metrics of the last chunk)."""
    task = make_task(method, (8, 8, 1), 4)(config)
    fitted = before = fit(task, local, num_epochs=0)
    chunk = jax.jit(lambda state: fit(task, local, state=state, num_epochs=num_epochs // chunks))
    for _ in range(chunks):
        fitted = chunk(fitted.state)
    return task, before.state, fitted.state, fitted.curves


def changed(before, after):
    """Returns the names of the layers whose kernels moved."""
    names = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(before.params):
        names[jax.tree_util.keystr(path, simple=True, separator="/")] = leaf
    moved = jax.tree.map(lambda x, y: bool(np.any(x != y)), before.params, after.params)
    return {name for name, one in zip(names, jax.tree.leaves(moved), strict=True) if one and name.endswith("kernel")}


def test_layers_are_trained_one_after_another_and_each_with_its_mirror(local):
    config = dataclasses.replace(CONFIG, autoencoder=PlainConfig(encoder=Dense(widths=(12, 9)), latent_size=5))
    task = make_task("autoencoder", (8, 8, 1), 4)(config)
    state = fit(task, local, num_epochs=0).state
    chunk = jax.jit(lambda state: fit(task, local, state=state, num_epochs=2).state)
    for layers in (
        {"encoder/DenseStack_0/Dense_0/kernel", "decoder/Dense_0/kernel"},
        {"encoder/DenseStack_0/Dense_1/kernel", "decoder/DenseStack_0/Dense_1/kernel"},
        {"latent/kernel", "decoder/DenseStack_0/Dense_0/kernel"},
    ):
        before, state = state, chunk(state)
        assert changed(before, state) == layers


def test_weight_decay_and_average_leave_other_stages_alone(local):
    config = dataclasses.replace(
        CONFIG,
        autoencoder=PlainConfig(encoder=Dense(widths=(12, 9)), latent_size=5),
        optimizer=AdamW(learning_rate=1e-2, weight_decay=1.0, averaging=0.999),
    )
    task = make_task("autoencoder", (8, 8, 1), 4)(config)
    state = fit(task, local, num_epochs=0).state
    chunk = jax.jit(lambda state: fit(task, local, state=state, num_epochs=2).state)
    first = chunk(state)
    assert changed(state, first) == {"encoder/DenseStack_0/Dense_0/kernel", "decoder/Dense_0/kernel"}
    second = chunk(first)
    assert changed(first, second) == {"encoder/DenseStack_0/Dense_1/kernel", "decoder/DenseStack_0/Dense_1/kernel"}
    # After 12 steps of a stage's own, the average has forgotten where it began as one of a run by itself has.
    start, end, average = (
        tree["encoder"]["DenseStack_0"]["Dense_1"]["kernel"] for tree in (first.params, second.params, second.average)
    )
    assert np.linalg.norm(average - end) < 0.6 * np.linalg.norm(start - end)
    # What was trained before is evaluated as the stage before left it, not on its way there.
    np.testing.assert_allclose(
        second.average["encoder"]["DenseStack_0"]["Dense_0"]["kernel"],
        first.params["encoder"]["DenseStack_0"]["Dense_0"]["kernel"],
        rtol=1e-5,
    )


def test_layers_alone_may_be_trained(local):
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(TRAINING, epochs=0))
    task, _, state, metrics = run(config, local, 6)
    assert task.epochs == 4
    assert list(metrics["epoch"]) == [1, 2, 3, 4, 0, 0]
    assert state.status == Status.FINISHED


@pytest.mark.slow
def test_layers_are_trained_in_bfloat16_too(local):
    config = dataclasses.replace(CONFIG, training=dataclasses.replace(TRAINING, precision="bfloat16"))
    _, _, _, metrics = run(config, local, 5)
    assert metrics["train_loss"].dtype == np.float32
    assert np.isfinite(metrics["train_loss"]).all()


def test_an_error_to_reach_is_one_of_reconstruction(local):
    training = dataclasses.replace(TRAINING, target_error=1e6)
    for method, epochs in (("autoencoder", 5), ("supervised", 3)):
        _, _, state, _ = run(dataclasses.replace(CONFIG, training=training), local, 5, method)
        assert state.epoch == epochs
        assert (state.status == Status.REACHED_TARGET) == (method == "autoencoder")


def test_a_layer_reconstructs_what_the_layers_before_it_give(local):
    task, _, state, metrics = run(CONFIG, local, 4)
    params = jax.device_get(state.params)
    layer = lambda x, part: np.maximum(x @ part["kernel"] + part["bias"], 0)  # noqa: E731
    x = np.asarray(local.image["validation"]).reshape(60, 64) / 255
    target = layer(x, params["encoder"]["DenseStack_0"]["Dense_0"])
    code = target @ params["latent"]["kernel"] + params["latent"]["bias"]
    output = layer(code, params["decoder"]["DenseStack_0"]["Dense_0"])
    expected = 0.5 * np.sum((output - target) ** 2, axis=1).mean()
    np.testing.assert_allclose(metrics["validation_reconstruction"][-1], expected, rtol=1e-4)
    assert metrics["train_loss"][3] < metrics["train_loss"][2]
    terms = evaluate_terms(task, task.stages[1], state.current_variables(), local, "validation")
    np.testing.assert_allclose(terms["loss"].mean(), expected, rtol=1e-4)


def test_every_stage_begins_with_moments_and_a_schedule_of_its_own(local):
    _, _, state, _ = run(CONFIG, local, 3)
    counts = [leaf for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim == 0]
    assert counts
    assert all(count == 240 // 40 for count in counts)  # The second stage's first epoch has ended.
    assert state.step == 3 * (240 // 40)


def test_cutting_a_staged_run_into_chunks_changes_nothing(local):
    whole, cut = (run(CONFIG, local, 7, chunks=chunks)[2] for chunks in (1, 7))
    jax.tree.map(np.testing.assert_array_equal, whole, cut)
    assert whole.epoch == 7


def test_a_stages_steps_are_counted_with_that_stages_operations(local):
    task = make_task("autoencoder", (8, 8, 1), 4)(CONFIG)
    assert task.epochs == 2 * 2 + 3
    steps = [240 // 40 * stage.epochs for stage in task.stages]
    expected = sum(n * step_flops(task, stage, local) for n, stage in zip(steps, task.stages, strict=True))
    assert training_flops(task, local, sum(steps)) == expected
    assert training_flops(task, local, steps[0]) == steps[0] * step_flops(task, task.stages[0], local)


@pytest.mark.slow
def test_a_denoising_autoencoders_layers_see_corrupted_inputs(local):
    family = DenoisingConfig(encoder=Dense(widths=(12,)), latent_size=9, corruption=Masking(rate=0.5))
    task, _, state, _ = run(dataclasses.replace(CONFIG, autoencoder=family), local, 7)
    batch, variables = local.batch("train", np.arange(240)), state.current_variables()
    for stage in task.stages:
        clean, corrupted = (
            task.model.apply(variables, batch, train, method=stage.terms, rngs={"noise": jax.random.key(0)})
            for train in (False, True)
        )
        assert np.mean(corrupted["reconstruction"] != clean["reconstruction"]) > 0.8, stage


def test_layers_of_other_networks_cannot_be_trained_one_by_one():
    for part in ({"encoder": Convolutional()}, {"decoder": Dense()}):
        with pytest.raises(ConfigError, match=r"pretraining_epochs.*encoder=dense"):
            check(dataclasses.replace(CONFIG, autoencoder=dataclasses.replace(DEEP, **part)))


@pytest.mark.parametrize("patience", [None, 2])
def test_past_minimum_is_the_paired_rise_of_validation_in_standard_errors(local, patience):
    # A learning rate that is far too large makes the validation error jump about.
    training = TrainingConfig(epochs=12, batch_size=20, patience=patience)
    config = Config(autoencoder=DEEP, optimizer=Adam(learning_rate=0.1), training=training)
    task = make_task("autoencoder", (8, 8, 1), 4)(config)
    state = fit(task, local, num_epochs=0).state
    epoch = jax.jit(lambda state: fit(task, local, state=state, num_epochs=1).state)
    history = []
    for _ in range(12):
        if state.status == 0:
            state = epoch(state)
            errors = evaluate_terms(task, task.stages[0], state.current_variables(), local, "validation")
            history.append(np.asarray(errors["reconstruction"], np.float64))
    means = [errors.mean() for errors in history]
    lowest = int(np.argmin(means))
    if patience is not None:
        assert lowest < len(history) - 1
        assert state.past_minimum == 0  # The best parameters count, and they are those of the minimum.
        return
    rise = history[-1] - history[lowest]
    assert lowest < 11
    np.testing.assert_allclose(state.past_minimum, rise.mean() / (rise.std(ddof=1) / np.sqrt(60)), rtol=1e-3)
