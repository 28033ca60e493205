"""One member: the step against numpy, and when training stops."""

import dataclasses

import jax
import numpy as np
import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.data.resident import make_resident
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.training.fit import fit
from aejax.training.optimizers import Adam, Sgd, make_optimizer
from aejax.training.state import Status
from aejax.training.step import TrainingConfig, init_state, train_step
from tests.methods import make_task

ARTICLE = PlainConfig(encoder=Dense(widths=()), latent_size=10, latent_activation="relu")


@pytest.fixture(scope="module")
def local(dataset):
    """The data on one device, for functions that are not mapped over members."""
    return jax.device_put(make_resident(dataset, "none"))


def run(config, local, num_epochs):
    task = make_task("autoencoder", (8, 8, 1), 4)(config)
    before = fit(task, local, num_epochs=0).state
    fitted = fit(task, local, state=before, num_epochs=num_epochs)
    return before, fitted.state, fitted.curves


def test_a_step_of_gradient_descent_is_w_minus_alpha_gradient(local):
    """One full-batch step on the 1/(2N) loss against the derivative written out in numpy."""
    alpha = 0.05
    config = Config(
        autoencoder=ARTICLE, optimizer=Sgd(learning_rate=alpha), training=TrainingConfig(epochs=1, batch_size="all")
    )
    before, after, metrics = run(config, local, 1)

    x = np.asarray(local.image["train"]).reshape(240, 64).astype(np.float64) / 255
    params = jax.tree.map(lambda leaf: leaf.astype(np.float64), jax.device_get(before.params))
    (w1, b1), (w2, b2) = (
        (layer["kernel"], layer["bias"]) for layer in (params["latent"], params["decoder"]["Dense_0"])
    )
    hidden = x @ w1 + b1
    code = np.maximum(hidden, 0)
    y = 1 / (1 + np.exp(-(code @ w2 + b2)))
    loss = np.sum((x - y) ** 2) / (2 * len(x))
    d_output = (y - x) * y * (1 - y) / len(x)
    d_hidden = (d_output @ w2.T) * (hidden > 0)
    expected = {
        ("latent", "kernel"): w1 - alpha * x.T @ d_hidden,
        ("latent", "bias"): b1 - alpha * d_hidden.sum(axis=0),
        ("decoder", "kernel"): w2 - alpha * code.T @ d_output,
        ("decoder", "bias"): b2 - alpha * d_output.sum(axis=0),
    }
    np.testing.assert_allclose(metrics["train_loss"][0], loss, rtol=1e-5)
    for (part, name), value in expected.items():
        layer = after.params["latent"] if part == "latent" else after.params["decoder"]["Dense_0"]
        np.testing.assert_allclose(layer[name], value, rtol=1e-4, atol=1e-6)


def test_training_stops_at_its_number_of_epochs(local):
    config = Config(autoencoder=ARTICLE, training=TrainingConfig(epochs=3, batch_size=50))
    _, after, metrics = run(config, local, 5)
    assert after.status == Status.FINISHED
    assert metrics["epoch"].tolist() == [1, 2, 3, 0, 0]
    assert after.step == 3 * (240 // 50)


def test_training_stops_at_the_error_threshold(local):
    base = Config(autoencoder=ARTICLE, training=TrainingConfig(epochs=30, batch_size=20))
    _, _, free = run(base, local, 30)
    target = float(free["train_loss"][9])
    training = dataclasses.replace(base.training, target_error=target)
    _, after, metrics = run(dataclasses.replace(base, training=training), local, 30)
    assert after.status == Status.REACHED_TARGET
    first = int(np.argmax(np.asarray(free["train_loss"]) <= target)) + 1
    assert after.epoch == first < 30
    np.testing.assert_array_equal(metrics["train_loss"][:first], free["train_loss"][:first])


def test_patience_keeps_the_parameters_that_were_best_on_validation(local):
    # A learning rate that is far too large makes the validation error jump about.
    config = Config(
        autoencoder=ARTICLE,
        optimizer=Adam(learning_rate=0.3),
        training=TrainingConfig(epochs=200, batch_size=20, patience=3),
    )
    _, after, metrics = run(config, local, 200)
    assert after.status == Status.OUT_OF_PATIENCE
    losses = np.asarray(metrics["validation_loss"])[: int(after.epoch)]
    assert np.argmin(losses) == len(losses) - 1 - 3
    assert after.best_error == losses.min()
    task = make_task("autoencoder", (8, 8, 1), 4)(config)
    batch = local.batch("validation", np.arange(60))
    terms = jax.jit(lambda variables: task.model.apply(variables, batch, train=False, method="terms"))
    error = np.asarray(terms(after.evaluated_variables())["reconstruction"])
    np.testing.assert_allclose(error.mean(), losses.min(), rtol=1e-5)


def test_the_moving_average_of_the_parameters_is_what_is_evaluated(local):
    decay = 0.5
    config = Config(
        autoencoder=ARTICLE, optimizer=Adam(averaging=decay), training=TrainingConfig(epochs=9, batch_size=60)
    )
    task = make_task("autoencoder", (8, 8, 1), 4)(config)
    optimizer = make_optimizer(task.optimizer, 9, 4)
    state = jax.jit(lambda data: init_state(task, data))(local)
    expected = np.asarray(state.params["latent"]["kernel"])
    step = jax.jit(lambda state, batch: train_step(task, task.stages[0], optimizer, state, batch, False)[0])
    for number in range(12):
        state = step(state, local.batch("train", np.arange(60) + 60 * (number % 4)))
        weight = min(decay, (1 + number) / (10 + number))  # A short memory at first.
        expected = weight * expected + (1 - weight) * np.asarray(state.params["latent"]["kernel"])
    np.testing.assert_allclose(state.average["latent"]["kernel"], expected, rtol=1e-5, atol=1e-7)
    assert state.evaluated_variables()["params"] is state.average


def test_no_epochs_leave_the_initial_state(local):
    before, after, _ = run(Config(autoencoder=ARTICLE, training=TrainingConfig(epochs=0)), local, 1)
    assert after.status == Status.FINISHED
    jax.tree.map(np.testing.assert_array_equal, before.params, after.params)


def test_every_epoch_has_batches_of_its_own(local):
    """Of 240 images two batches of 100 see a part; where nothing is learned, its loss tells which."""
    training = TrainingConfig(epochs=3, batch_size=100)
    config = Config(autoencoder=ARTICLE, optimizer=Sgd(learning_rate=1e-30), training=training)
    _, _, metrics = run(config, local, 3)
    assert len(set(np.asarray(metrics["train_loss"]).tolist())) == 3
    assert len(set(np.asarray(metrics["validation_loss"]).tolist())) == 1
