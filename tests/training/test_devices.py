"""How members are dealt out to devices: what they exchange, what is padded, and that no way changes a result."""

import json
import os
import pathlib
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from aejax.config import override
from aejax.errors import ConfigError, DataError, UserError
from aejax.experiment import Config, check, check_data
from aejax.training.compilation import wait_for_compilations
from aejax.training.loop import compile_chunk, train
from aejax.training.population import Members
from aejax.training.state import Status
from aejax.training.step import init_state
from tests.methods import make_task
from tests.training.eight_devices import COLLECTIVES

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def facts():
    """What a process with eight host devices says."""
    command = [sys.executable, "-m", "tests.training.eight_devices"]
    env = os.environ | {"JAX_NUM_CPU_DEVICES": "8"}
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    facts = json.loads(ended.stdout)
    assert facts["devices"] == 8
    return facts


def test_a_round_takes_no_more_devices_than_its_members_need(facts):
    # Never a single one of several: see `device_mesh`.
    assert facts["round sizes"] == {"1": 2, "2": 2, "3": 3, "8": 8, "10": 8}
    assert facts["shared round sizes"] == {"1": 1, "2": 2}
    assert facts["not copied"]


def test_each_of_ten_members_on_eight_devices_is_bitwise_what_it_is_alone(facts):
    assert facts["alone"] == [True, True]
    assert facts["shared alone"]


def test_members_exchange_nothing_and_the_devices_of_a_member_add_up_gradients(facts):
    assert {name: facts["one device each"][name] for name in COLLECTIVES} == dict.fromkeys(COLLECTIVES, 0)
    assert facts["two devices each"]["all-reduce"] > 0


def test_members_that_stopped_and_those_that_fill_up_a_round_are_branches_where_members_run_one_at_a_time(facts):
    # Side by side both become selections between what was computed and what was there.
    assert facts["one device each"]["conditional"] - facts["side by side"]["conditional"] == 2


def test_members_that_stopped_cost_nothing_where_they_run_one_at_a_time(data):
    changes = {"training.epochs": 100, "training.batch_size": 60, "autoencoder.encoder.widths": [500]}
    members = Members([override(Config(), changes | {"seed": seed}) for seed in range(2)])
    task = make_task("autoencoder", (8, 8, 1), 4)
    init = members.compile(lambda config, _, data: init_state(task(config), data), (), data)
    chunk = compile_chunk(members, task, data, 50)
    wait_for_compilations()

    def seconds(status):
        state = init(0, (), data)
        state = state.replace(status=members.place(np.full(2, status, np.int32)))
        since = time.process_time()
        jax.block_until_ready(chunk(0, state, data))
        return time.process_time() - since

    assert seconds(Status.FINISHED) < seconds(Status.RUNNING) / 5


RESNET = {
    "autoencoder.encoder": "resnet",
    "autoencoder.encoder.norm": "batch",
    "autoencoder.encoder.widths": [8],
    "autoencoder.encoder.blocks": 0,
}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"autoencoder": "dropout"}, id="dropout"),
        pytest.param(RESNET, id="batch normalization", marks=pytest.mark.slow),
    ],
)
def test_devices_that_share_a_member_give_what_one_gives(data, changes):
    # Plain descent: Adam makes a step of a gradient that is zero but for rounding.
    config = override(Config(), changes | {"optimizer": "sgd", "training.epochs": 2, "training.batch_size": 24})

    def fit(devices_per_member):
        members = Members([override(config, {"training.devices_per_member": devices_per_member})])
        task, metrics = make_task("autoencoder", (8, 8, 1), 4), []
        trained = train(members, task, data, write=lambda _, brought: metrics.append(brought), description="")
        return metrics, members.fetch([state.evaluated_variables() for state in trained.states])

    for one, two in zip(*map(jax.tree.leaves, (fit(1), fit(2))), strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-6)


def test_devices_that_cannot_share_are_one_clear_line(dataset):
    three = override(Config(), {"training.devices_per_member": 3, "training.batch_size": 33})
    check(three)
    with pytest.raises(UserError, match="devices_per_member=3 does not divide the 2 devices there are"):
        Members([three])
    with pytest.raises(ConfigError, match="devices_per_member=3 devices cannot share batches of 64 evenly"):
        check(override(three, {"training.batch_size": 64}))
    seven = override(Config(), {"training.devices_per_member": 7, "training.batch_size": "all"})
    check(seven)
    with pytest.raises(DataError, match="devices_per_member=7 devices cannot share batches of 240 evenly"):
        check_data(seven, dataset)
