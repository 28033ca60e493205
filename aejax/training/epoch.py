"""An epoch of ONE member: all its steps, its metrics, and whether the member goes on. Pure functions, as in `step`."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from aejax.data.batches import batches
from aejax.data.resident import Batch, ResidentData
from aejax.training.state import Status, TrainState
from aejax.training.step import (
    Stage,
    Task,
    batch_size,
    evaluate_terms,
    labelled_batches,
    num_steps,
    stage_optimizer,
    train_step,
    training_batch,
)

Run = Callable[[TrainState, Any], tuple[TrainState, dict[str, jax.Array]]]


def train_epoch(task: Task, state: TrainState, data: ResidentData) -> tuple[TrainState, dict[str, jax.Array]]:
    """Returns the state after one epoch and that epoch's metrics; a member that has stopped stays as it is.

    Metrics are means over the epoch's steps (`train_loss`, ...) and over the validation split (`validation_loss`, ...),
    and the norms of the gradient (of the last step) and of the parameters. `epoch` counts from 1 on; for a member that
    has stopped it is 0, and so are all others.
    """
    # Jitted, so that asking for its shapes and calling it trace it once.
    run = jax.jit(lambda state, data: in_its_stage(task, state.epoch, _run_stage, state, data))
    _, shapes = jax.eval_shape(run, state, data)

    def frozen(state: TrainState, _: ResidentData) -> tuple[TrainState, dict[str, jax.Array]]:
        return state, jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)

    return jax.lax.cond(state.status == Status.RUNNING, run, frozen, state, data)


def in_its_stage(task: Task, epoch: jax.Array, run: Callable[..., Any], *arguments: Any) -> Any:
    """Runs a function for the stage in which an epoch lies; returns a state, and values by name.

    Values that only another stage has are NaN.

    Args:
      task: with the stages.
      epoch: int32, a scalar.
      run: is called with the task, a stage, the stage's first epoch, and the arguments.
      arguments: trees of arrays.
    """
    starts = list(itertools.accumulate((stage.epochs for stage in task.stages), initial=0))[:-1]
    runs = [
        jax.jit(functools.partial(run, task, stage, start)) for stage, start in zip(task.stages, starts, strict=True)
    ]
    if len(runs) == 1:
        return runs[0](*arguments)
    shapes: dict[str, Any] = {}
    for of_stage in runs:
        shapes |= jax.eval_shape(of_stage, *arguments)[1]
    missing = {name: jnp.full(shape.shape, jnp.nan) for name, shape in shapes.items() if name != "epoch"}

    def filled(of_stage: Any, *arguments: Any) -> Any:
        after, values = of_stage(*arguments)
        return after, missing | values

    index = jnp.sum(epoch >= jnp.asarray(starts[1:]))
    return jax.lax.switch(index, [functools.partial(filled, of_stage) for of_stage in runs], *arguments)


def _run_stage(
    task: Task, stage: Stage, first_epoch: int, state: TrainState, data: ResidentData
) -> tuple[TrainState, dict[str, jax.Array]]:
    count = None if data.rows is None else data.rows.count
    indices = batches(task.seed, state.epoch, data.size("train"), batch_size(task.training, data), count)
    optimizer = stage_optimizer(task, stage, data)
    before = begin_epoch(task, stage, first_epoch, state, data)
    steps = num_steps(task.training, data)
    first_step = first_epoch * steps
    labelled = labelled_batches(task, state.epoch, data, len(indices))

    def draw(step: jax.Array, indices: jax.Array) -> Batch:
        beside = None if labelled is None else labelled[(step - first_step) % len(labelled)]
        return training_batch(task, data, first_step, step, indices, labelled=beside)

    def run(carry: TrainState, x: tuple[jax.Array, jax.Array]) -> tuple[TrainState, dict[str, jax.Array]]:
        return train_step(task, stage, optimizer, carry, draw(carry.step, x[0]), x[1], first_step)

    after, means, gradient_norm = (_run_all if data.rows is None else _run_some)(run, before, indices, steps)
    return end_epoch(task, stage, state, after, means, gradient_norm, data)


def begin_epoch(task: Task, stage: Stage, first_epoch: int, state: TrainState, data: ResidentData) -> TrainState:
    """Returns the state before the first step of an epoch of a stage, which began at `first_epoch`."""
    if first_epoch:
        state = _begin_stage(task, stage, state.epoch == first_epoch, state, data)
    if stage.refresh is not None:
        is_due = (state.epoch - first_epoch) % stage.refresh_epochs == 0
        state = _change_if(is_due, stage.refresh, state, data)
    return state


def _begin_stage(task: Task, stage: Stage, is_first: jax.Array, state: TrainState, data: ResidentData) -> TrainState:
    """Returns the state with which a later stage begins, if the epoch is its first."""
    if stage.prepare is not None:
        state = _change_if(is_first, stage.prepare, state, data)
    # Another loss: moments, schedule and average begin anew.
    fresh = {"opt_state": stage_optimizer(task, stage, data).init(state.params)}
    if state.average is not None:
        fresh["average"] = state.params
    old = {name: getattr(state, name) for name in fresh}
    return state.replace(**jax.tree.map(lambda new, old: jnp.where(is_first, new, old), fresh, old))


def _change_if(
    condition: jax.Array, change: Callable[[Any, ResidentData], Any], state: TrainState, data: ResidentData
) -> TrainState:
    """Returns the state with its variables changed, or as it is."""

    def changed(state: TrainState, data: ResidentData) -> TrainState:
        variables = dict(change({"params": state.params, **state.collections}, data))
        return state.replace(params=variables.pop("params"), collections=variables)

    after: TrainState = jax.lax.cond(condition, changed, lambda state, _: state, state, data)
    return after


def end_epoch(
    task: Task,
    stage: Stage,
    before: TrainState,
    after: TrainState,
    means: dict[str, jax.Array],
    gradient_norm: jax.Array,
    data: ResidentData,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Returns the state after an epoch of a stage, with its status, and the epoch's metrics.

    Args:
      task: of the member.
      stage: of the task.
      before: the state before the epoch.
      after: that after its last step.
      means: those of the terms over its steps.
      gradient_norm: of its last step.
      data: what the task sees.
    """
    metrics = {"epoch": before.epoch + 1} | {f"train_{name}": mean for name, mean in means.items()}
    metrics["gradient_norm"] = gradient_norm
    metrics["parameter_norm"] = optax.tree.norm(after.params)
    after = after.replace(epoch=after.epoch + 1)
    errors = None
    if data.size("validation"):
        terms = evaluate_terms(task, stage, after.current_variables(), data, "validation")
        metrics |= {f"validation_{name}": jnp.mean(term) for name, term in terms.items()}
        errors = terms[stage.watched] if stage.watched else terms.get("reconstruction", terms["loss"])

    # The parameters' norm is asked too: the last step's loss may be finite and its update not.
    finite = jnp.isfinite(metrics["train_loss"]) & jnp.isfinite(metrics["parameter_norm"])
    if stage is task.stages[-1]:
        after = _decide(task, after, metrics, errors, f"validation_{stage.watched or 'loss'}")
    if task.training.until_epoch is not None:
        pauses = (after.status == Status.RUNNING) & (after.epoch >= task.training.until_epoch)
        after = after.replace(status=jnp.where(pauses, Status.PAUSED, after.status).astype(jnp.int32))
    diverged = before.replace(status=jnp.asarray(Status.DIVERGED, jnp.int32))
    return jax.tree.map(lambda new, old: jnp.where(finite, new, old), after, diverged), metrics


def _run_all(run: Run, state: TrainState, indices: jax.Array, steps: Any) -> tuple[TrainState, Any, jax.Array]:
    """Returns the state after all batches, the means of the terms, and the last gradient's norm."""
    is_last = jnp.arange(len(indices)) == steps - 1
    after, terms = jax.lax.scan(run, state, (indices, is_last), unroll=2)
    return after, *summarize(terms)


def summarize(terms: dict[str, jax.Array]) -> tuple[dict[str, jax.Array], jax.Array]:
    """Returns the means over steps of what `train_step` said of each, [steps], and the last gradient's norm."""
    means = {name: jnp.mean(term) for name, term in terms.items() if name != "gradient_norm"}
    return means, terms["gradient_norm"][-1]


def _run_some(run: Run, state: TrainState, indices: jax.Array, steps: Any) -> tuple[TrainState, Any, jax.Array]:
    """Returns the same after the first `steps` batches, a number that is traced."""
    run = jax.jit(run)  # Traced once.
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(run, state, (indices[0], True))[1])

    def body(step: jax.Array, carry: Any) -> Any:
        after, terms = run(carry[0], (indices[step], step == steps - 1))
        return after, jax.tree.map(jnp.add, carry[1], terms)

    after, sums = jax.lax.fori_loop(0, steps, body, (state, zeros))
    gradient_norm = sums.pop("gradient_norm")  # It is 0 but for the last.
    return after, {name: total / steps for name, total in sums.items()}, gradient_norm


def _decide(
    task: Task, state: TrainState, metrics: dict[str, jax.Array], errors: jax.Array | None, watched: str
) -> TrainState:
    """Returns the state with its status after an epoch of the last stage: the reasons to stop, the weightiest last.

    `errors` are those of the validation images, [images], without what a family adds to punish itself. `watched` is the
    metric that patience asks for.
    """
    training = task.training
    status = jnp.where(state.epoch >= task.epochs, Status.FINISHED, Status.RUNNING)
    past_minimum = state.past_minimum
    if errors is not None and state.lowest_errors is not None:
        is_lowest = jnp.mean(errors) < jnp.mean(state.lowest_errors)
        lowest = jnp.where(is_lowest, errors, state.lowest_errors)
        past_minimum = _standardized_rise(lowest, errors)
        state = state.replace(lowest_errors=lowest)
    if training.patience is not None:
        error = metrics[watched]
        better = error < state.best_error
        state = state.replace(
            best=jax.tree.map(lambda new, old: jnp.where(better, new, old), state.current_variables(), state.best),
            best_error=jnp.where(better, error, state.best_error),
            stale_epochs=jnp.where(better, 0, state.stale_epochs + 1),
        )
        # It is said of the variables that count.
        past_minimum = jnp.where(better, past_minimum, state.past_minimum)
        status = jnp.where(state.stale_epochs >= training.patience, Status.OUT_OF_PATIENCE, status)
    if training.target_error is not None:
        status = jnp.where(metrics["train_loss"] <= training.target_error, Status.REACHED_TARGET, status)
    return state.replace(status=status.astype(jnp.int32), past_minimum=past_minimum)


def _standardized_rise(before: jax.Array, after: jax.Array) -> jax.Array:
    """Returns the mean rise of the same images' errors, in standard errors of that mean; 0 where nothing rose."""
    rise = after - before
    error = jnp.std(rise) / jnp.sqrt(max(rise.size - 1, 1))
    return jnp.where(error > 0, jnp.mean(rise) / jnp.where(error > 0, error, 1.0), 0.0)
