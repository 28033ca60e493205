"""What populations take of memory and arithmetic, estimated before any is trained, and what is left out for it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from aejax.cache import memory_bytes
from aejax.data.demand import Demand
from aejax.data.load import DataConfig, Dataset
from aejax.data.on_demand import OnDemand
from aejax.data.resident import ResidentData, outline
from aejax.data.streamed import MEMORY_SHARE, device_memory
from aejax.evaluation import demand as evaluation_demand
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.base import FITTED, Measure
from aejax.measures.other_data import OUTLIERS
from aejax.methods.base import Method
from aejax.study.job import Job
from aejax.training.step import init_state, init_variables

MOST_FLOP = 1e15  # That evaluating a member may take on a CPU: hours.
ACCELERATION = 30  # A GPU or TPU may be given so many times more.


class Needs(NamedTuple):
    """What a population takes, estimated; see `needs_of`."""

    parameters: int  # Of one member.
    state_bytes: int  # Of all members: parameters, and what the optimizer keeps. So much a checkpoint takes.
    num_bytes: float  # Of `memory`, in use at once: data, states, and what is measured. Less than XLA will use.
    memory: float  # That programs may use: a device's, or the host's where devices are its cores.
    flop: float  # Of evaluating one member.
    most_flop: float  # That are done for it.
    is_too_large: bool = False  # Whether its features would be as many bytes as images that are streamed.

    @property
    def problem(self) -> str | None:
        """Why this machine cannot execute the population, and what would do; None if it can."""
        if self.is_too_large:
            return "its features take as much memory as the images, more than data.memory is; raise that"
        if self.num_bytes > self.memory:
            return (
                f"it takes about {self.num_bytes / 1e9:.3g} GB, and there are {self.memory / 1e9:.3g} GB of memory; "
                "use fewer (data.train_size) or smaller images, fewer features or seeds, or a machine with more"
            )
        if self.state_bytes > MEMORY_SHARE * memory_bytes():
            return (
                f"its members' states take {self.state_bytes / 1e9:.3g} GB, and this machine has "
                f"{memory_bytes() / 1e9:.3g} GB of memory; use fewer seeds, or a machine with more"
            )
        if self.flop > self.most_flop:
            return (
                f"evaluating a member takes about {self.flop / 1e12:,.0f} TFLOP, which is hours; use fewer "
                "(data.train_size) or smaller images"
            )
        return None


def needs_of(job: Job, datasets: Mapping[DataConfig, Dataset]) -> Needs:
    """The needs of a population, from shapes alone: nothing is computed."""
    method, config, count = job.method, job.population.members[0], len(job.population.members)
    dataset = datasets[config.data]
    data = outline(dataset, config.data.preprocessing)
    state, variables, num_features = _shapes(method, config, dataset, data)
    evaluation, each, holds = method.evaluation(config), Demand(), False
    others = {} if method.makes_images else evaluation.other_data(config.data)
    all_data = [data, *(outline(datasets[other], other.preprocessing) for other in others.values())]
    if data.labelled:  # What is trained by labels, or measured by them, has a copy of the labelled images.
        all_data.append(jax.eval_shape(ResidentData.with_labels, data))
    if not method.makes_images:
        wanted = evaluation.wanted(labelled=dataset.num_classes is not None)
        for use, other in {"own": config.data, **others}.items():
            sizes = {split: len(part.image) for split, part in datasets[other].splits.items()}
            if use == OUTLIERS.name:  # Nothing is fitted to outliers.
                each = each.then(evaluation_demand.of_features(sizes | {"train": 0}, num_features, [OUTLIERS]))
                holds = True
            else:
                held, in_blocks = _of_features(evaluation, wanted, sizes, datasets[other], num_features)
                each = each.then(held).then(in_blocks)
                holds = holds or held.num_bytes > 0 or not in_blocks.num_bytes
    train = dataset.train.image
    each = each.then(method.demand(len(train), math.prod(train.shape[1:]), num_features))
    image_bytes = math.prod(train.shape[1:]) * train.dtype.itemsize
    is_large = isinstance(train, OnDemand) and holds and 4 * num_features >= image_bytes
    device = device_memory()
    # Where devices are the host's cores, its memory holds what each has of the data, and all members' states.
    rows, members = (jax.local_device_count(), count) if device is None else (1, 1)
    member_bytes = num_bytes(state)
    return Needs(
        parameters=sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables.get("params", {}))),
        state_bytes=count * member_bytes,
        num_bytes=rows * num_bytes(all_data) + min(rows, members) * each.num_bytes + members * member_bytes,
        memory=MEMORY_SHARE * memory_bytes() if device is None else device,
        flop=each.flop,
        most_flop=MOST_FLOP if device is None else ACCELERATION * MOST_FLOP,
        is_too_large=is_large,
    )


def _of_features(
    evaluation: EvaluationConfig, wanted: Sequence[Measure], sizes: Mapping[str, int], dataset: Dataset, size: int
) -> tuple[Demand, Demand]:
    """Returns the demand of the measures that features are held for, and of those that read them in blocks."""
    labelled = {**sizes, **dataset.num_labelled}
    fitted = sum(labelled[split] for split in FITTED)
    held = [measure for measure in wanted if not measure.in_blocks(evaluation, fitted, size)]
    strengths = evaluation.linear_strengths([measure.name for measure in wanted if measure not in held])
    in_blocks = evaluation_demand.in_blocks(labelled, size, strengths, dataset.num_classes or 0)
    return evaluation_demand.of_features(sizes, size, held), in_blocks


def _shapes(method: Method, config: Config, dataset: Dataset, data: ResidentData) -> tuple[Any, dict[str, Any], int]:
    """Returns the shapes of a member's state (its variables, if it is not trained), of its variables, and how many
    features it has.
    """
    image_shape = dataset.train.image.shape[1:]
    # Traced fields have their numbers here: no shape depends on them.
    task = method.task(config, image_shape, dataset.num_classes)
    state: Any = {}
    variables: Any = {}
    if task is not None and method.trains:
        state = jax.eval_shape(lambda data: init_state(task, data), data)
        variables = state.evaluated_variables()
    elif task is not None:
        state = variables = jax.eval_shape(lambda data: init_variables(task, data), data)
    if method.makes_images:
        return state, variables, 0

    def encode(variables: Any, data: ResidentData) -> jax.Array:
        stored = jnp.zeros((1, *image_shape), data.image["train"].dtype)
        return method.represent(task, variables, config, data).encode(stored)

    return state, variables, jax.eval_shape(encode, variables, data).shape[1]


def num_bytes(tree: Any) -> int:
    """The bytes of the arrays of a tree, of which only shapes and types matter."""
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
