"""Training ONE member: initialisation, a step, an epoch. Pure functions, neither jitted nor aware of other members."""

import functools
import operator
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from aejax import rng
from aejax.data.augmentation import Augmentation, augment
from aejax.data.batches import epoch_indices, num_batches
from aejax.data.resident import EXAMPLES_AT_ONCE, Batch, ResidentData, map_examples
from aejax.data.subsets import Subset
from aejax.training.config import Precision, TrainingConfig
from aejax.training.fine_tuning import Rates, hold, only_trained, scale_updates
from aejax.training.optimizers import Optimizer, make_optimizer
from aejax.training.state import Status, TrainState

# A state, and the indices of a batch and whether it is the last -> the state after its step, and that step's metrics.


class Stage(NamedTuple):
    """A part of training with a loss of its own: a method of the model, `method(batch, train=..., **arguments)`."""

    epochs: int
    method: str = "terms"
    arguments: tuple[tuple[str, Any], ...] = ()
    opponents: tuple[tuple[str, tuple[str, ...]], ...] = ()  # As `Family.opponents` gives them.
    # Returns the variables that a later stage begins with, of those that the stage before left; None: these.
    prepare: Callable[[Any, ResidentData], Any] | None = None
    # Returns the variables with which an epoch begins, every so many epochs of the stage, its first among them.
    refresh: Callable[[Any, ResidentData], Any] | None = None
    refresh_epochs: int = 1
    watched: str | None = None  # The term of validation images by which training ends early; None: the loss.

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


class Labelled(NamedTuple):
    """The images with a label that a step is given beside its batch."""

    batch_size: int | None = None  # None: as many as the batch has; never more than there are.
    augmentation: Augmentation = Augmentation()


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
    labelled: Labelled | None = None  # What a step learns labels by, where its batch is of all images; None: nothing.

    def select(self, data: ResidentData) -> ResidentData:
        """Returns the images that it is trained and validated on."""
        return data if self.subset is None else self.subset.select(data)

    def measured_on(self, data: ResidentData) -> ResidentData:
        """Returns the images that it is measured on: the selected ones, those with a label if it learns it beside."""
        data = self.select(data)
        return data if self.labelled is None else data.with_labels()

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


def first_variables(
    task: Task, data: ResidentData, initial: Mapping[str, Any] = types.MappingProxyType({})
) -> tuple[dict[str, Any], ResidentData]:
    """Returns the variables before the first step, prepared, and the data as the task sees them.

    Variables that `initial` has are taken from there.
    """
    variables = adopt(init_variables(task, task.select(data)), initial)
    data = task.see(variables, data)
    return variables if task.prepare is None else dict(task.prepare(variables, data)), data


def init_state(task: Task, data: ResidentData, initial: Mapping[str, Any] = types.MappingProxyType({})) -> TrainState:
    """Returns the state before the first step; variables that `initial` has are taken from there."""
    variables, data = first_variables(task, data, initial)
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

    return functools.reduce(lambda gradient, name: _graft(gradient, of(name), name), others, of(None))


def _graft(own: Any, other: Any, path: str) -> dict[str, Any]:
    """Returns a tree with the part at a path, `network` or `autoencoder/network`, taken from another tree."""
    name, _, rest = path.partition("/")
    return dict(own) | {name: _graft(own[name], other[name], rest) if rest else other[name]}


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


def training_batch(
    task: Task,
    data: ResidentData,
    first_step: jax.typing.ArrayLike,
    step: jax.Array,
    indices: jax.Array,
    stored: jax.Array | None = None,
    labelled: jax.Array | None = None,
) -> Batch:
    """Returns the batch of a step: the training images at `indices`, or these as they are stored, augmented.

    `first_step` is the step at which the stage began. `labelled` are the indices of what it is given beside the batch.
    """
    root = rng.root(task.seed)

    def draw(
        indices: jax.Array, augmentation: Augmentation, stored: jax.Array | None = None, suffix: str = ""
    ) -> Batch:
        key = rng.at(rng.stream(root, f"augmentation{suffix}"), step)
        change = lambda image: augment(augmentation, key, image) if augmentation.is_on() else image  # noqa: E731
        binarization_key = rng.at(rng.stream(root, f"binarization{suffix}"), step)
        batch = data.training_batch(indices, change, binarization_key, stored)
        if not augmentation.is_on() or batch.image is None:
            return batch
        unchanged = data.training_batch(indices, lambda image: image, binarization_key, stored).image
        return batch._replace(unchanged=unchanged)  # Not computed where the model does not ask for it.

    batch = draw(indices, task.training.augmentation, stored)
    if task.labelled is not None and labelled is not None:
        batch = batch._replace(labelled=draw(labelled, task.labelled.augmentation, suffix=" of labelled images"))
    return batch._replace(epoch=(step - first_step + 1) / num_steps(task.training, data))


def labelled_batch_size(task: Task, data: ResidentData) -> int | None:
    """Returns how many images with a label a step is given beside its batch; None: there are none beside it."""
    if task.labelled is None:
        return None
    return min(_num_labelled(data), task.labelled.batch_size or batch_size(task.training, data))


def labelled_batches(task: Task, epoch: jax.Array, data: ResidentData, num: int) -> jax.Array | None:
    """Returns the images with a label beside the batches of an epoch, int32 [num, size], or None; see `Task.labelled`.

    They are passed through again and again, each time in another order, however many images there are without a label.
    Those that do not fill a last batch wait for another pass.
    """
    size = labelled_batch_size(task, data)
    if size is None:
        return None
    count = _num_labelled(data)
    key = rng.at(rng.stream(rng.root(task.seed), "batches of labelled images"), epoch)
    passes = jnp.arange(-(-num // num_batches(count, size)))
    drawn = jax.lax.map(lambda index: epoch_indices(rng.at(key, index), count, size), passes)
    indices = drawn.reshape(-1, size)[:num]
    return jnp.asarray(data.labelled["train"])[indices] if data.labelled else indices


def _num_labelled(data: ResidentData) -> int:
    return int(data.labelled["train"].shape[0]) if data.labelled else data.size("train")
