"""What a study would train and cost, without training anything."""

import itertools
import math
from collections.abc import Sequence

import jax

from aejax.data.resident import ResidentData, make_resident
from aejax.experiment import Config
from aejax.study.job import Job
from aejax.study.methods import make_task
from aejax.study.plan import Roster, describe_data, load_data
from aejax.training.flops import training_flops
from aejax.training.step import Task, init_state, steps_per_epoch


def describe(configs: Sequence[Config]) -> str:
    """Returns the members, populations, compilations, parameters, FLOPs and memory of a study, as text."""
    datasets = load_data(configs)
    jobs = list(itertools.chain(*Roster(configs, datasets).plan()))
    lines, programs = describe_data(configs, datasets), 0
    for job in jobs:
        first = job.population.members[0]
        dataset = datasets[first.data]
        data = make_resident(dataset, first.data.preprocessing)
        count = len(job.population.members)
        programs += job.method.has_parameters + job.method.trains  # Initialisation, training.
        programs += 1 + (dataset.num_classes is not None)  # Describing, and classifying features.
        programs += first.evaluation.transfer is not None  # Classifying those of other data.
        line = f"{job.method.name:12} {count:5} member{'s' if count > 1 else ' '} on {dataset.name}"
        if job.method.has_parameters:
            task = make_task(job.method.name, dataset.train.image.shape[1:], dataset.num_classes)(first)
            line += _costs(job, task, data)
        lines.append(line)
    members = sum(len(job.population.members) for job in jobs if job.method.name == "autoencoder")
    data_bytes = {name: _num_bytes(make_resident(dataset, name.preprocessing)) for name, dataset in datasets.items()}
    lines.append(
        f"{len(configs)} configs: {members} autoencoders, {len(jobs)} populations with their baselines, at most "
        f"{programs} compilations (equal programs are compiled once); "
        f"data {sum(data_bytes.values()) / 1e6:.1f} MB on each of {jax.device_count()} devices"
    )
    return "\n".join(lines)


def _costs(job: Job, task: Task, data: ResidentData) -> str:
    # Traced fields have their numbers here: shapes and FLOPs do not depend on them.
    state = jax.eval_shape(lambda data: init_state(task, data), data)
    parameters = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state.params))
    count = len(job.population.members)
    text = f", {parameters:,} parameters, {_num_bytes(state) * count / 1e6:.1f} MB of state"
    if not job.method.trains:
        return text
    num_steps = task.epochs * steps_per_epoch(task.training, jax.eval_shape(task.select, data))
    flops = training_flops(task, data, num_steps)
    return text + (
        f", {num_steps:,} steps of {flops / max(num_steps, 1) / 1e6:.1f} MFLOP: {flops * count / 1e12:.3g} TFLOP in all"
    )


def _num_bytes(tree: object) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
