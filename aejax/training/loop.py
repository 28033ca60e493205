"""The host's side of training: compile, then chunk after chunk, writing what each brought.

Nothing crosses between host and device inside a chunk. Where a chunk ends changes no result: stops are decided after
every epoch, on the device, and a stopped member stays as it is.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import tqdm

from aejax.data.resident import ResidentData
from aejax.training.population import Members
from aejax.training.state import Status, TrainState
from aejax.training.step import Task, TrainingConfig, init_state, steps_per_epoch, train_epoch

STEPS_PER_CHUNK = 2000  # Enough that the host's part does not show, few enough for a lively progress bar.

MakeTask = Callable[[Any], Task]
Write = Callable[[dict[str, np.ndarray]], None]


class Trained(NamedTuple):
    """A trained population: its states on the device, and what it cost."""

    states: list[TrainState]  # An entry for each round of members.
    train_seconds: float  # Wall time of the whole population, compilation apart.
    compile_seconds: float
    memory_bytes: int  # Of the training program on one device: data, states and temporaries.


def epochs_per_chunk(training: TrainingConfig, data: ResidentData) -> int:
    """Returns how many epochs the device runs before the host hears of them."""
    return max(1, min(training.epochs, STEPS_PER_CHUNK // steps_per_epoch(training, data)))


def train_chunk(task: Task, state: TrainState, data: ResidentData, num_epochs: int) -> tuple[TrainState, Any]:
    """Returns one member's state after some epochs, and the metrics of each, arrays [num_epochs]."""
    return jax.lax.scan(lambda carry, _: train_epoch(task, carry, data), state, length=num_epochs)


def train(
    members: Members,
    make_task: MakeTask,
    training: TrainingConfig,
    data: ResidentData,
    *,
    write: Write,
    description: str,
    chunk_epochs: int | None = None,
) -> Trained:
    """Returns the members trained until every one of them has stopped.

    Args:
      members: the population.
      make_task: what a member trains, from its config.
      training: the part of the config that decides when to stop; the same for all members but for traced fields.
      data: as `share` placed it.
      write: called after every chunk with its metrics, arrays [members, epochs]; `epoch` is 0 where a member had
        stopped.
      description: stands before the progress bar.
      chunk_epochs: overrides `epochs_per_chunk`.
    """
    num_epochs = chunk_epochs or epochs_per_chunk(training, data)
    rounds = range(members.num_rounds)
    init = members.compile(lambda config, _, data: init_state(make_task(config), data), (), data)
    states = [init(index, (), data) for index in rounds]
    chunk = members.compile(
        lambda config, state, data: train_chunk(make_task(config), state, data, num_epochs),
        states[0],
        data,
        donate=True,
    )
    started = time.perf_counter()
    with tqdm.tqdm(total=training.epochs, desc=description, unit="epoch", disable=None) as bar:
        for first in range(0, training.epochs, num_epochs):
            # Dispatched without waiting: a device that is done with one round goes on with the next.
            results = [chunk(index, states[index], data) for index in rounds]
            states = [state for state, _ in results]
            write(members.fetch([metrics for _, metrics in results]))
            bar.update(min(num_epochs, training.epochs - first))
            if np.all(members.fetch([state.status for state in states]) != Status.RUNNING):
                break
    jax.block_until_ready(states)
    seconds = time.perf_counter() - started
    return Trained(states, seconds, init.compile_seconds + chunk.compile_seconds, chunk.memory_bytes)
