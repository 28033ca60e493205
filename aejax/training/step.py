"""Training ONE member: initialisation, a step, an epoch. Pure functions, neither jitted nor aware of other members."""

import functools
import itertools
import operator
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from aejax import rng
from aejax.data.augmentation import augment
from aejax.data.batches import epoch_indices, num_batches
from aejax.data.resident import EXAMPLES_AT_ONCE, Batch, ResidentData, map_examples
from aejax.data.subsets import Subset
from aejax.training.config import Precision, TrainingConfig
from aejax.training.fine_tuning import Rates, hold, only_trained, scale_updates
from aejax.training.optimizers import Optimizer, make_optimizer
from aejax.training.state import Status, TrainState

# A state, and the indices of a batch and whether it is the last -> the state after its step, and that step's metrics.
Run = Callable[[TrainState, Any], tuple[TrainState, dict[str, jax.Array]]]


class Stage(NamedTuple):
    """A part of training with a loss of its own: a method of the model, `method(batch, train=..., **arguments)`."""

    epochs: int
    method: str = "terms"
    arguments: tuple[tuple[str, Any], ...] = ()
    opponents: tuple[tuple[str, tuple[str, ...]], ...] = ()  # As `Family.OPPONENTS`.

    def terms(self, model: nn.Module, batch: Batch, train: bool) -> dict[str, jax.Array]:
        """Returns the terms of the stage's loss, each [batch]; `model` is bound to variables."""
        return getattr(model, self.method)(batch, train=train, **dict(self.arguments))

    def loss(self, terms: dict[str, jax.Array]) -> jax.Array:
        """Returns the sum of the terms that are not an opponent's."""
        foreign = [name for _, names in self.opponents for name in names]
        return _total([term for name, term in terms.items() if name not in foreign])

    def opponents_losses(self, terms: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Returns the losses of the opponents, by their names among the parameters."""
        return {network: _total([terms[name] for name in names]) for network, names in self.opponents}


class Task(NamedTuple):
    """What one member trains: a model, how, from which seed, and in which stages one after another."""

    model: nn.Module
    optimizer: Optimizer
    training: TrainingConfig
    seed: jax.typing.ArrayLike
    stages: tuple[Stage, ...]
    subset: Subset | None = None  # Which of the images it sees; None: all, with labels and without.
    rates: Rates = ()  # Of layers that do not learn as fast as the optimizer says.
    # Returns the variables to begin with, from drawn or given ones and what the task is trained on; None: these.
    prepare: Callable[[Any, ResidentData], Any] | None = None
    at_once: int = EXAMPLES_AT_ONCE  # The most images in a block that validation passes through the model.
    # Returns the data with what does not change while it trains, made of them once, from its variables; None: as is.
    prepare_data: Callable[[Any, ResidentData], ResidentData] | None = None

    def select(self, data: ResidentData) -> ResidentData:
        """Returns the images that it is trained and validated on."""
        return data if self.subset is None else self.subset.select(data)

    def see(self, variables: Any, data: ResidentData) -> ResidentData:
        """Returns the selected images, with what its variables make of them once."""
        data = self.select(data)
        return data if self.prepare_data is None else self.prepare_data(variables, data)

    @property
    def epochs(self) -> int:
        """The number of epochs of all stages."""
        return sum(stage.epochs for stage in self.stages)

    @property
    def last_epoch(self) -> int:
        """After which epoch it stops, or pauses, at the latest."""
        return min(self.epochs, self.training.until_epoch or self.epochs)


def batch_size(training: TrainingConfig, data: ResidentData) -> int:
    """Returns the number of examples in a batch."""
    size = data.size("train")
    return size if training.batch_size == "all" else min(training.batch_size, size)


def steps_per_epoch(training: TrainingConfig, data: ResidentData) -> int:
    """Returns the number of steps in an epoch; examples that do not fill a last batch wait for another epoch.

    Of data with `rows` it is the most that there is room for, see `num_steps`.
    """
    return num_batches(data.size("train"), batch_size(training, data))


def num_steps(training: TrainingConfig, data: ResidentData) -> jax.typing.ArrayLike:
    """Returns the number of steps in an epoch, which is traced where data have `rows`."""
    return steps_per_epoch(training, data) if data.rows is None else data.rows.num_batches


def stage_optimizer(task: Task, stage: Stage, data: ResidentData) -> optax.GradientTransformation:
    """Returns the optimizer of a stage, for what the task trains."""
    optimizer = make_optimizer(task.optimizer, stage.epochs, num_steps(task.training, data))
    return only_trained(task.rates, optimizer)


def init_variables(task: Task, data: ResidentData) -> dict[str, Any]:
    """Returns the Flax variables before the first step: `params`, and collections that are not parameters."""
    example = data.batch("train", jnp.zeros(1, jnp.int32))
    key = rng.stream(rng.root(task.seed), "init")

    def everything(model: nn.Module, batch: Batch) -> None:
        for stage in task.stages:
            stage.terms(model, batch, train=False)

    return dict(task.model.init({"params": key}, example, method=everything))


def adopt(own: Any, given: Any) -> Any:
    """Returns a tree with every leaf that a given tree has in the same place taken from there."""
    if not isinstance(own, Mapping):
        return given
    return {name: adopt(part, given[name]) if name in given else part for name, part in own.items()}


def init_state(task: Task, data: ResidentData, initial: Mapping[str, Any] = types.MappingProxyType({})) -> TrainState:
    """Returns the state before the first step; variables that `initial` has are taken from there."""
    variables = adopt(init_variables(task, task.select(data)), initial)
    data = task.see(variables, data)
    if task.prepare is not None:
        variables = dict(task.prepare(variables, data))
    params = variables.pop("params", {})
    status = jnp.asarray(Status.RUNNING, jnp.int32)
    if not task.epochs:  # What it is fitted to may have diverged.
        finite = jnp.isfinite(optax.tree.norm([params, variables]))
        status = jnp.where(finite, Status.FINISHED, Status.DIVERGED).astype(jnp.int32)
    num_validation = data.size("validation")
    copy = lambda tree, wanted: None if wanted is None else jax.tree.map(jnp.copy, tree)  # noqa: E731
    return TrainState(
        params=params,
        opt_state=stage_optimizer(task, task.stages[0], data).init(params),
        collections=variables,
        average=copy(params, task.optimizer.averaging),
        best=copy({"params": params, **variables}, task.training.patience),
        step=jnp.zeros((), jnp.int32),
        epoch=jnp.zeros((), jnp.int32),
        status=status,
        best_error=jnp.full((), jnp.inf, jnp.float32),
        stale_epochs=jnp.zeros((), jnp.int32),
        lowest_errors=jnp.full(num_validation, jnp.inf, jnp.float32) if num_validation else None,
        past_minimum=jnp.zeros((), jnp.float32),
    )


def train_step(
    task: Task,
    stage: Stage,
    optimizer: optax.GradientTransformation,
    state: TrainState,
    batch: Batch,
    want_norm: jax.typing.ArrayLike,
    first_step: jax.typing.ArrayLike = 0,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """Returns the state after one update, and the means over the batch of the loss and of every term of it.

    The loss is the sum of the stage's terms, averaged over the batch. The metrics also hold the gradient's norm, or 0
    where it is not wanted: reading all gradients once more in every step would cost a sixth of the speed on a CPU.

    With `precision` bfloat16 the networks see copies of their parameters in bfloat16, and compute in it (Micikevicius
    et al., 2018). The parameters, the optimizer's moments and the running statistics stay float32, and so do the terms
    of the loss. Evaluation always computes in float32.

    `first_step` is the step at which the stage began.
    """
    key = rng.at(rng.stream(rng.root(task.seed), "noise"), state.step)

    def loss(params: Any) -> Any:
        variables = {"params": _cast(hold(task.rates, params), task.training.precision), **state.collections}
        terms, collections = task.model.apply(
            variables, batch, True, method=stage.terms, rngs={"noise": key}, mutable=list(state.collections)
        )
        means = {name: jnp.mean(term) for name, term in terms.items()}
        return (stage.loss(means), stage.opponents_losses(means)), (means, collections)

    (total, others), pull_back, (terms, collections) = jax.vjp(loss, state.params, has_aux=True)
    gradient = _gradient(pull_back, total, others)
    updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
    if len(task.stages) > 1:
        # What a stage does not train stays as it is, where weight decay would shrink it.
        updates = jax.tree.map(lambda update, slope: jnp.where(jnp.any(slope != 0), update, 0.0), updates, gradient)
    updates = scale_updates(task.rates, updates)
    params = optax.apply_updates(state.params, updates)
    average, decay = state.average, task.optimizer.averaging
    if decay is not None:
        # Early on the average would mostly be the initial parameters: let it forget them faster.
        num_steps = state.step - first_step
        weight = jnp.minimum(decay, (1.0 + num_steps) / (10.0 + num_steps))
        average = optax.incremental_update(params, average, 1 - weight)
    state = state.replace(
        params=params, opt_state=opt_state, collections=collections, average=average, step=state.step + 1
    )
    norm = jax.lax.cond(want_norm, lambda: optax.tree.norm(gradient), lambda: jnp.zeros(()))
    return state, {"loss": total, **terms, "gradient_norm": norm}


def _gradient(pull_back: Callable[..., Any], loss: jax.Array, others: dict[str, jax.Array]) -> Any:
    """Returns the gradient of the loss, but for each opponent's parameters that of its own.

    One forward pass serves all losses. What a loss would do to networks that it does not train is multiplied by zero,
    which takes its time all the same: a family should stop such gradients where it can.
    """

    def of(name: str | None) -> Any:
        weights = {other: jnp.full_like(value, other == name) for other, value in others.items()}
        return pull_back((jnp.full_like(loss, name is None), weights))[0]

    return dict(of(None)) | {name: of(name)[name] for name in others}


def _cast(params: Any, precision: Precision) -> Any:
    return params if precision == "float32" else optax.tree.cast(params, jnp.dtype(precision))


def evaluate_terms(task: Task, stage: Stage, variables: Any, data: ResidentData, split: str) -> dict[str, jax.Array]:
    """Returns the loss of a stage and each of its terms for every example of a split, arrays [examples]."""

    def block(indices: jax.Array) -> Any:
        return task.model.apply(variables, data.batch(split, indices), False, method=stage.terms)

    terms = map_examples(block, data.size(split), task.at_once)
    return {"loss": stage.loss(terms), **terms}


def _total(terms: Sequence[jax.Array]) -> jax.Array:
    return functools.reduce(operator.add, terms)


def train_epoch(task: Task, state: TrainState, data: ResidentData) -> tuple[TrainState, dict[str, jax.Array]]:
    """Returns the state after one epoch and that epoch's metrics; a member that has stopped stays as it is.

    Metrics are means over the epoch's steps (`train_loss`, ...) and over the validation split (`validation_loss`, ...),
    and the norms of the gradient (of the last step) and of the parameters. `epoch` counts from 1 on; for a member that
    has stopped it is 0, and so are all others.
    """
    # Jitted, so that asking for its shapes and calling it trace it once.
    run = jax.jit(lambda state, data: _run_epoch(task, state, data))
    _, shapes = jax.eval_shape(run, state, data)

    def frozen(state: TrainState, _: ResidentData) -> tuple[TrainState, dict[str, jax.Array]]:
        return state, jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)

    return jax.lax.cond(state.status == Status.RUNNING, run, frozen, state, data)


def _training_batch(
    task: Task, data: ResidentData, first_step: jax.typing.ArrayLike, step: jax.Array, indices: jax.Array
) -> Batch:
    augmentation, root = task.training.augmentation, rng.root(task.seed)
    key = rng.at(rng.stream(root, "augmentation"), step)
    change = lambda image: augment(augmentation, key, image) if augmentation.is_on() else image  # noqa: E731
    batch = data.training_batch(indices, change, rng.at(rng.stream(root, "binarization"), step))
    return batch._replace(epoch=(step - first_step + 1) / num_steps(task.training, data))


def _run_epoch(task: Task, state: TrainState, data: ResidentData) -> tuple[TrainState, dict[str, jax.Array]]:
    """Returns the state after an epoch of the stage that it stands in; metrics that another stage has are NaN."""
    starts = list(itertools.accumulate((stage.epochs for stage in task.stages), initial=0))[:-1]
    runs = [
        jax.jit(functools.partial(_run_stage, task, stage, start))
        for stage, start in zip(task.stages, starts, strict=True)
    ]
    if len(runs) == 1:
        return runs[0](state, data)
    shapes: dict[str, Any] = {}
    for run in runs:
        shapes |= jax.eval_shape(run, state, data)[1]
    missing = {name: jnp.full(shape.shape, jnp.nan) for name, shape in shapes.items() if name != "epoch"}

    def filled(run: Any, state: TrainState, data: ResidentData) -> tuple[TrainState, dict[str, jax.Array]]:
        after, metrics = run(state, data)
        return after, missing | metrics

    index = jnp.sum(state.epoch >= jnp.asarray(starts[1:]))
    return jax.lax.switch(index, [functools.partial(filled, run) for run in runs], state, data)


def _run_stage(
    task: Task, stage: Stage, first_epoch: int, state: TrainState, data: ResidentData
) -> tuple[TrainState, dict[str, jax.Array]]:
    key = rng.at(rng.stream(rng.root(task.seed), "batches"), state.epoch)
    count = None if data.rows is None else data.rows.count
    indices = epoch_indices(key, data.size("train"), batch_size(task.training, data), count)
    optimizer = stage_optimizer(task, stage, data)
    before = state
    if first_epoch:
        # Another loss: moments, schedule and average begin anew.
        fresh = {"opt_state": optimizer.init(state.params)}
        if state.average is not None:
            fresh["average"] = state.params
        is_first = state.epoch == first_epoch
        old = {name: getattr(state, name) for name in fresh}
        before = state.replace(**jax.tree.map(lambda new, old: jnp.where(is_first, new, old), fresh, old))
    steps = num_steps(task.training, data)
    first_step = first_epoch * steps
    draw = functools.partial(_training_batch, task, data, first_step)

    def run(carry: TrainState, x: tuple[jax.Array, jax.Array]) -> tuple[TrainState, dict[str, jax.Array]]:
        return train_step(task, stage, optimizer, carry, draw(carry.step, x[0]), x[1], first_step)

    after, means, gradient_norm = (_run_all if data.rows is None else _run_some)(run, before, indices, steps)
    metrics = {"epoch": state.epoch + 1} | {f"train_{name}": mean for name, mean in means.items()}
    metrics["gradient_norm"] = gradient_norm
    metrics["parameter_norm"] = optax.tree.norm(after.params)
    after = after.replace(epoch=after.epoch + 1)
    errors = None
    if data.size("validation"):
        terms = evaluate_terms(task, stage, after.current_variables(), data, "validation")
        metrics |= {f"validation_{name}": jnp.mean(term) for name, term in terms.items()}
        errors = terms.get("reconstruction", terms["loss"])

    # The parameters' norm is asked too: the last step's loss may be finite and its update not.
    finite = jnp.isfinite(metrics["train_loss"]) & jnp.isfinite(metrics["parameter_norm"])
    if stage is task.stages[-1]:
        after = _decide(task, after, metrics, errors)
    if task.training.until_epoch is not None:
        pauses = (after.status == Status.RUNNING) & (after.epoch >= task.training.until_epoch)
        after = after.replace(status=jnp.where(pauses, Status.PAUSED, after.status).astype(jnp.int32))
    diverged = state.replace(status=jnp.asarray(Status.DIVERGED, jnp.int32))
    return jax.tree.map(lambda new, old: jnp.where(finite, new, old), after, diverged), metrics


def _run_all(run: Run, state: TrainState, indices: jax.Array, steps: Any) -> tuple[TrainState, Any, jax.Array]:
    """Returns the state after all batches, the means of the terms, and the last gradient's norm."""
    is_last = jnp.arange(len(indices)) == steps - 1
    after, terms = jax.lax.scan(run, state, (indices, is_last), unroll=2)
    gradient_norm = terms.pop("gradient_norm")[-1]
    return after, {name: jnp.mean(term) for name, term in terms.items()}, gradient_norm


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


def _decide(task: Task, state: TrainState, metrics: dict[str, jax.Array], errors: jax.Array | None) -> TrainState:
    """Returns the state with its status after an epoch of the last stage: the reasons to stop, the weightiest last.

    `errors` are those of the validation images, [images], without what a family adds to punish itself.
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
        error = metrics["validation_loss"]
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
