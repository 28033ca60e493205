"""What must hold bitwise of a population: member = alone, chunked = whole, any order, any neighbor."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.experiment import Config
from aejax.study.methods import make_task
from aejax.training.loop import train, train_chunk
from aejax.training.optimizers import Adam
from aejax.training.population import Members, default_members_at_once
from aejax.training.state import Status
from aejax.training.step import TrainingConfig, init_state

CONFIG = Config(training=TrainingConfig(epochs=4, batch_size=32))


def make_configs(seeds, rates=None):
    rates = rates or [1e-3] * len(seeds)
    return [
        dataclasses.replace(CONFIG, seed=seed, optimizer=Adam(learning_rate=rate))
        for seed, rate in zip(seeds, rates, strict=True)
    ]


def fit(configs, data, *, members_at_once=None, chunk_epochs=None):
    """Returns (parameters, metrics, statuses) of the members, in host memory."""
    members, chunks = Members(configs, members_at_once), []
    task = make_task("autoencoder", data.image["train"].shape[1:], 4)
    trained = train(
        members, task, configs[0].training, data, write=chunks.append, description="", chunk_epochs=chunk_epochs
    )
    metrics = {name: np.concatenate([chunk[name] for chunk in chunks], axis=1) for name in chunks[0]}
    return members.fetch(trained.state.params), metrics, members.fetch(trained.state.status)


def assert_same_member(left, left_index, right, right_index):
    for trees in zip(left[:2], right[:2], strict=True):
        jax.tree.map(lambda x, y: np.testing.assert_array_equal(x[left_index], y[right_index]), *trees)


@pytest.fixture(scope="module")
def population(data):
    """Twenty members: four learning rates times five seeds."""
    return fit(make_configs([*range(5)] * 4, [1e-4] * 5 + [3e-4] * 5 + [1e-3] * 5 + [3e-3] * 5), data)


@pytest.mark.parametrize(("index", "seed", "rate"), [(0, 0, 1e-4), (13, 3, 1e-3)])
def test_a_member_is_bitwise_what_it_is_alone(population, data, index, seed, rate):
    assert_same_member(population, index, fit(make_configs([seed], [rate]), data), 0)


def test_members_differ(population):
    losses = population[1]["train_loss"][:, -1]
    assert len(set(losses.tolist())) == 20


@pytest.mark.parametrize("chunk_epochs", [1, 3])
def test_chunks_change_nothing(population, data, chunk_epochs):
    chunked = fit(make_configs([4, 3], [1e-3, 1e-3]), data, chunk_epochs=chunk_epochs)
    kept = {name: value[:, :4] for name, value in chunked[1].items()}  # The last chunk may run past the end, idle.
    assert_same_member(population, 14, (chunked[0], kept), 0)
    assert_same_member(population, 13, (chunked[0], kept), 1)


def test_a_diverged_member_is_frozen_and_its_neighbors_do_not_notice(population, data):
    params, metrics, statuses = diverged = fit(make_configs([0, 1, 2], [1e-3, 1e30, 1e-3]), data)
    assert statuses.tolist() == [Status.FINISHED, Status.DIVERGED, Status.FINISHED]
    assert_same_member(population, 10, diverged, 0)
    assert_same_member(population, 12, diverged, 2)
    assert all(np.isfinite(leaf[1]).all() for leaf in jax.tree.leaves(params))
    assert metrics["epoch"][1].tolist() == [1, 0, 0, 0]
    assert not np.isfinite(metrics["train_loss"][1, 0])


def test_vmapped_members_agree_to_tolerance(population, data):
    vmapped = fit(make_configs([0, 1, 2, 3, 4], [1e-3] * 5), data, members_at_once=2)
    for name in ("train_loss", "validation_loss", "parameter_norm"):
        np.testing.assert_allclose(vmapped[1][name], population[1][name][10:15], rtol=1e-4)


def test_one_compilation_each_for_initialisation_and_training(data, compile_events):
    fit(make_configs([0]), data, chunk_epochs=1)
    alone = len(compile_events)
    fit(make_configs(range(7)), data, chunk_epochs=1)
    assert alone == 2
    assert len(compile_events) == 4


def test_evaluation_sees_members_only_and_shares_the_machinery(data):
    members = Members(make_configs([5, 6, 7]))
    program = members.compile(lambda config, row, data: (config.seed + row, data.size("test")), jnp.zeros(4, int), data)
    seeds, sizes = program(jnp.zeros(4, int), data)
    assert members.fetch(seeds).tolist() == [5, 6, 7]
    assert members.padded == 4
    assert sizes.tolist() == [100, 100, 100, 0]  # The padding was not computed.


def test_place_and_fetch_are_inverse():
    members = Members(make_configs([0, 1, 2]))
    array = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(members.fetch(members.place({"x": array}))["x"], array)


def test_defaults_by_backend():
    assert default_members_at_once("cpu", 8) == 1
    assert default_members_at_once("cuda", 8) == default_members_at_once("tpu", 8) == 8


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
@pytest.mark.parametrize("at_once", [None, 2])
def test_the_training_chunk_lowers_for_every_platform(data, platform, at_once):
    task = make_task("autoencoder", (8, 8, 1), 4)(CONFIG)
    local = jax.tree.map(np.asarray, data)

    def chunk(states):
        return jax.lax.map(lambda state: train_chunk(task, state, local, 2), states, batch_size=at_once)

    states = jax.eval_shape(lambda: jax.vmap(lambda _: init_state(task, local))(jnp.arange(2)))
    exported = jax.export.export(jax.jit(chunk), platforms=[platform])(states)
    assert exported.platforms == (platform,)
