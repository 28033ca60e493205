"""An epoch of ONE member in parts, for images that are not all on the device: it begins, takes some steps, and ends.

The parts together do what `aejax.training.epoch.train_epoch` does in one program, to the last bit.
"""

from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from aejax.data.resident import ResidentData
from aejax.training.epoch import begin_epoch, end_epoch, in_its_stage, summarize
from aejax.training.state import Status, TrainState
from aejax.training.step import Stage, Task, stage_optimizer, steps_per_epoch, train_step, training_batch


class UnfinishedEpoch(flax.struct.PyTreeNode):
    """An epoch in progress: the state so far, and the terms of every step so far, [pairs of steps, 2]."""

    state: TrainState
    terms: dict[str, jax.Array]


class Window(flax.struct.PyTreeNode):
    """The images of some steps, [images, height, width, channels], and which are theirs, int32 [steps, batch].

    `row` counts within the window, `index` within the split. Programs gather images by rows, as they gather them from
    a whole split: XLA fuses what follows likewise, which the last bits depend on.
    """

    image: Any
    row: Any
    index: Any


def begin(task: Task, state: TrainState, data: ResidentData) -> UnfinishedEpoch:
    """Returns an epoch before its first step."""
    return UnfinishedEpoch(*in_its_stage(task, state.epoch, _begin, state, data))


def tail_steps(num_steps: int) -> int:
    """Returns how many of an epoch's last steps `end` takes: those that `train_epoch` does not take in its loop.

    XLA compiles a step outside a loop in another way, so it would have other bits. Short loops it takes apart.
    """
    return num_steps % 2 if num_steps > 3 else num_steps


def run(
    task: Task, epoch: UnfinishedEpoch, window: Window, data: ResidentData, first: Any, count: Any
) -> UnfinishedEpoch:
    """Returns an epoch after some more steps; of a member that has stopped, as it is.

    Args:
      task: of the member.
      epoch: before them.
      window: the images of the steps, or of more.
      data: what the task sees.
      first: how many steps there were before; even.
      count: how many to run; even.
    """

    def go_on(epoch: UnfinishedEpoch, window: Window, data: ResidentData) -> UnfinishedEpoch:
        return UnfinishedEpoch(*in_its_stage(task, epoch.state.epoch, _run, epoch, window, data, first, count))

    is_running = epoch.state.status == Status.RUNNING
    return jax.lax.cond(is_running, go_on, lambda epoch, *_: epoch, epoch, window, data)


def end(
    task: Task, before: TrainState, epoch: UnfinishedEpoch, window: Window, data: ResidentData, first: Any
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Returns the state after an epoch and its metrics, as `train_epoch` does.

    Args:
      task: of the member.
      before: the state before the epoch.
      epoch: before its last steps, which `tail_steps` counts.
      window: their images.
      data: what the task sees.
      first: how many steps there were before.
    """
    finish = jax.jit(lambda *arguments: in_its_stage(task, before.epoch, _end, *arguments, first))
    _, shapes = jax.eval_shape(finish, before, epoch, window, data)

    def frozen(before: TrainState, *_: Any) -> tuple[TrainState, dict[str, jax.Array]]:
        return before, jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)

    return jax.lax.cond(before.status == Status.RUNNING, finish, frozen, before, epoch, window, data)


def _begin(
    task: Task, stage: Stage, first_epoch: int, state: TrainState, data: ResidentData
) -> tuple[TrainState, dict[str, jax.Array]]:
    state = begin_epoch(task, stage, first_epoch, state, data)
    num_steps = steps_per_epoch(task.training, data)
    pairs = (num_steps - tail_steps(num_steps)) // 2
    said = _terms(task, stage, state, data).items()
    return state, {name: jnp.zeros((pairs, 2), shape.dtype) for name, shape in said}


def _terms(task: Task, stage: Stage, state: TrainState, data: ResidentData) -> dict[str, Any]:
    """The shapes and types of what a step says."""

    def one(state: TrainState, data: ResidentData) -> dict[str, jax.Array]:
        batch = training_batch(task, data, 0, state.step, jnp.zeros(1, jnp.int32))
        return train_step(task, stage, stage_optimizer(task, stage, data), state, batch, want_norm=True)[1]

    shapes: dict[str, Any] = jax.eval_shape(one, state, data)
    return shapes


def _step(
    task: Task, stage: Stage, first_epoch: int, window: Window, data: ResidentData, first: jax.Array, *, last: bool
) -> Callable[[TrainState, Any], tuple[TrainState, dict[str, jax.Array]]]:
    """Returns the function that takes the step at an index of a window, which begins after `first` steps.

    `last`: whether the epoch's last step may be among those; where it is not, `train_epoch` knows so too.
    """
    optimizer, num_steps = stage_optimizer(task, stage, data), steps_per_epoch(task.training, data)
    first_step = first_epoch * num_steps

    def step(state: TrainState, index: Any) -> tuple[TrainState, dict[str, jax.Array]]:
        stored = window.image[window.row[index]]
        batch = training_batch(task, data, first_step, state.step, window.index[index], stored)
        is_last = first + index == num_steps - 1 if last else False
        return train_step(task, stage, optimizer, state, batch, is_last, first_step)

    return step


def _run(
    task: Task,
    stage: Stage,
    first_epoch: int,
    epoch: UnfinishedEpoch,
    window: Window,
    data: ResidentData,
    first: jax.Array,
    count: jax.Array,
) -> tuple[TrainState, dict[str, jax.Array]]:
    num_steps = steps_per_epoch(task.training, data)
    last = not tail_steps(num_steps)
    if tail_steps(num_steps) == num_steps:
        return epoch.state, epoch.terms
    step = _step(task, stage, first_epoch, window, data, first, last=last)

    def pair(index: jax.Array, carry: Any) -> Any:
        state, terms = carry
        state, one = step(state, 2 * index)
        state, two = step(state, 2 * index + 1)
        said = {name: jnp.stack([one[name], two[name]]) for name in one}
        return state, terms | {name: terms[name].at[first // 2 + index].set(said[name]) for name in said}

    state, terms = jax.lax.fori_loop(0, count // 2, pair, (epoch.state, epoch.terms))
    return state, terms


def _end(
    task: Task,
    stage: Stage,
    first_epoch: int,
    before: TrainState,
    epoch: UnfinishedEpoch,
    window: Window,
    data: ResidentData,
    first: jax.Array,
) -> tuple[TrainState, dict[str, jax.Array]]:
    step = _step(task, stage, first_epoch, window, data, first, last=True)
    state, last = epoch.state, []
    for index in range(tail_steps(steps_per_epoch(task.training, data))):
        state, said = step(state, index)
        last.append(said)
    terms = {}
    for name in _terms(task, stage, before, data):
        looped = epoch.terms[name].reshape(-1)
        terms[name] = jnp.concatenate([looped, jnp.stack([said[name] for said in last])]) if last else looped
    return end_epoch(task, stage, before, state, *summarize(terms), data)
