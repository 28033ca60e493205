"""What must hold bitwise of a population: member = alone, chunked = whole, any order, any neighbor."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.experiment import Config
from aejax.training.loop import StartingPoint, compile_chunk, train, train_chunk
from aejax.training.optimizers import Adam
from aejax.training.population import Members, default_members_at_once, fit_members
from aejax.training.state import Status
from aejax.training.step import TrainingConfig, init_state
from tests.methods import make_task

CONFIG = Config(training=TrainingConfig(epochs=4, batch_size=32))


def make_configs(seeds, rates=None):
    rates = rates or [1e-3] * len(seeds)
    return [
        dataclasses.replace(CONFIG, seed=seed, optimizer=Adam(learning_rate=rate))
        for seed, rate in zip(seeds, rates, strict=True)
    ]


class Saver:
    """Saves after every round, and keeps all that it saved."""

    def __init__(self):
        self.saved = []

    def due(self):
        return True

    def save(self, state, cost, midway=None):
        self.saved.append(StartingPoint(jax.tree.map(np.copy, state), cost, midway))


def fit(configs, data, *, members_at_once=None, memory_limit=None, chunk_epochs=None, saver=None, start=None):
    """Returns (parameters, metrics, statuses) of the members, in host memory; metrics of a resumed run are the last."""
    members, chunks = Members(configs, members_at_once, memory_limit), {}
    task = make_task("autoencoder", data.image["train"].shape[1:], 4)
    trained = train(
        members,
        task,
        data,
        write=lambda first, metrics: chunks.setdefault(first, []).append(metrics),
        description="",
        chunk_epochs=chunk_epochs,
        saver=saver,
        start=start,
    )
    metrics = {}
    if start is None:
        rounds = [
            jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *chunks[first]) for first in sorted(chunks)
        ]
        metrics = jax.tree.map(lambda *parts: np.concatenate(parts), *rounds)
    params = members.fetch([state.params for state in trained.states])
    return params, metrics, members.fetch([state.status for state in trained.states])


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


@pytest.mark.parametrize("chunk_epochs", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_chunks_change_nothing(population, data, chunk_epochs):
    chunked = fit(make_configs([4, 3], [1e-3, 1e-3]), data, chunk_epochs=chunk_epochs)
    kept = {name: value[:, :4] for name, value in chunked[1].items()}  # The last chunk may run past the end, idle.
    assert_same_member(population, 14, (chunked[0], kept), 0)
    assert_same_member(population, 13, (chunked[0], kept), 1)


def test_a_run_that_goes_on_from_any_save_ends_as_if_it_had_never_stopped(data):
    # Five members are three rounds on two devices: most saves find the rounds at different epochs.
    configs, saver = make_configs(range(5), [1e-3, 3e-3, 1e30, 1e-4, 1e-3]), Saver()
    whole = fit(configs, data, chunk_epochs=2, saver=saver)
    assert len(saver.saved) > 5
    between = [start for start in saver.saved if len(set(start.state.epoch.tolist())) > 1]
    for start in (between[0], between[-1], saver.saved[-1]):
        params, _, statuses = fit(configs, data, chunk_epochs=2, start=start)
        assert statuses.tolist() == whole[2].tolist()
        jax.tree.map(np.testing.assert_array_equal, params, whole[0])


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
    new = [
        dataclasses.replace(config, training=TrainingConfig(epochs=3, batch_size=9))
        for config in make_configs(range(7))
    ]
    fit(new[:1], data, chunk_epochs=1)
    assert len(compile_events) == 2
    fit(new, data, chunk_epochs=1)  # The very same programs, in more rounds.
    assert len(compile_events) == 2


@pytest.mark.parametrize(("members_at_once", "num_rounds"), [(None, 3), (1, 3), (2, 2), (9, 1)])
def test_members_are_dealt_out_in_rounds_and_fetched_in_order(data, members_at_once, num_rounds):
    members = Members(make_configs([5, 6, 7, 8, 9]), members_at_once)
    program = members.compile(lambda config, _, data: (config.seed, data.size("test")), (), data)
    rounds = [program(index, (), data) for index in range(members.num_rounds)]
    seeds, sizes = members.fetch(rounds)
    assert members.num_rounds == num_rounds
    assert seeds.tolist() == [5, 6, 7, 8, 9]
    assert sizes.tolist() == [100] * 5
    if members_at_once is None:
        assert rounds[-1][1].tolist() == [100, 0]  # What fills up the last round was not computed.


def test_defaults_by_backend():
    assert default_members_at_once("cpu", 8) == 1
    assert default_members_at_once("cuda", 8) == default_members_at_once("tpu", 8) == 8


@pytest.mark.parametrize("vmapped", [False, True])
def test_the_training_chunk_lowers_for_every_platform(data, vmapped):
    task = make_task("autoencoder", (8, 8, 1), 4)(CONFIG)

    def chunk(states, data):
        one = lambda state: train_chunk(task, state, data, 2)  # noqa: E731
        return jax.vmap(one)(states) if vmapped else one(jax.tree.map(lambda x: x[0], states))

    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), data)
    states = jax.eval_shape(lambda data: jax.vmap(lambda _: init_state(task, data))(jnp.arange(2)), shapes)
    platforms = ("cpu", "cuda", "tpu")  # At once: what a platform lowers in its own way is lowered in each of them.
    exported = jax.export.export(jax.jit(chunk), platforms=platforms)(states, shapes)
    assert exported.platforms == platforms


@pytest.mark.slow
def test_a_population_too_large_for_the_memory_is_split_and_ends_the_same(data):
    """Fewer members at once, rounds that wait in host memory, and a resume: none of it changes a bit of a member."""
    configs, task = make_configs(range(8)), make_task("autoencoder", (8, 8, 1), 4)
    needs = lambda members: compile_chunk(members, task, data, 4).memory_bytes  # noqa: E731
    four, two = (needs(Members(configs, at_once)) for at_once in (4, 2))
    assert fit_members(configs, 4, needs, memory_limit=four).at_once == 4
    assert fit_members(configs, 4, needs, memory_limit=four - 1).at_once == 3
    assert fit_members(configs, 4, needs, memory_limit=two).at_once == 2
    assert fit_members(configs, 4, needs, memory_limit=1).at_once == 1
    together = fit(configs, data)
    saver = Saver()
    apart = fit(configs, data, memory_limit=needs(Members(configs)), saver=saver)
    resumed = fit(configs, data, memory_limit=needs(Members(configs)), start=saver.saved[2])
    for name, other in (("apart", apart), ("resumed", resumed)):
        jax.tree.map(lambda x, y: np.testing.assert_array_equal(x, y, err_msg=name), together[0], other[0])  # noqa: B023
