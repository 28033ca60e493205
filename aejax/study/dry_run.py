"""What a study would train and cost, or why it would be refused, without training anything."""

from collections.abc import Sequence
from typing import Any

import jax

from aejax.data.load import Dataset
from aejax.data.resident import outline
from aejax.experiment import Config
from aejax.methods.roles import Role
from aejax.store.directory import StudyDirectory
from aejax.study.demand import Needs, num_bytes
from aejax.study.executors.base import Executor
from aejax.study.executors.local import Local
from aejax.study.job import Job
from aejax.study.prepare import prepare
from aejax.training.flops import training_flops
from aejax.training.step import steps_per_epoch


def describe(
    configs: Sequence[Config],
    directory: StudyDirectory,
    *,
    executor: Executor = Local(),  # noqa: B008
    **others: Any,
) -> str:
    """Describes the work that a run would do: members, populations, compilations, parameters, FLOPs, memory.

    The arguments are those of `prepare`, which raises all that a run would raise before it trains.
    """
    prepared = prepare(configs, directory, executor=executor, **others)
    datasets, jobs = prepared.datasets, prepared.feasible.jobs
    lines, programs = prepared.lines, 0
    for job, needs in jobs:
        first = job.population.members[0]
        dataset = datasets[first.data]
        count = len(job.population.members)
        programs += job.method.has_parameters + job.method.trains  # Initialisation, training.
        programs += 1 + (dataset.num_classes is not None)  # Describing, and classifying features.
        programs += first.evaluation.transfer is not None  # Classifying those of other data.
        line = f"{job.method.name:12} {count:5} member{'s' if count > 1 else ' '} on {dataset.name}"
        lines.append(line if needs is None else line + _costs(job, needs, dataset))
    members = sum(len(job.population.members) for job, _ in jobs if Role.SUBJECT in job.method.role)
    data_bytes = sum(num_bytes(outline(dataset, data.preprocessing)) for data, dataset in datasets.items())
    lines.append(
        f"{len(prepared.configs)} configs: {members} autoencoders, {len(jobs)} populations with their baselines, at "
        f"most {programs} compilations (equal programs are compiled once); "
        f"data {data_bytes / 1e6:.1f} MB on each of {jax.device_count()} devices"
    )
    return "\n".join(lines)


def _costs(job: Job, needs: Needs, dataset: Dataset) -> str:
    text = ""
    if job.method.has_parameters:
        text += f", {needs.parameters:,} parameters, {needs.state_bytes / 1e6:.1f} MB of state"
    if job.method.trains:
        first = job.population.members[0]
        task = job.method.task(first, dataset.train.image.shape[1:], dataset.num_classes)
        assert task is not None, "what is trained has a task"
        data = outline(dataset, first.data.preprocessing)
        begun = next((job.method.epochs(config) for config in job.continues), 0)
        num_steps = (task.epochs - begun) * steps_per_epoch(task.training, jax.eval_shape(task.select, data))
        flops = training_flops(task, data, num_steps)
        total = flops * len(job.population.members) / 1e12
        text += f", {num_steps:,} steps of {flops / max(num_steps, 1) / 1e6:.1f} MFLOP: {total:.3g} TFLOP in all"
    return text + f"; to evaluate about {needs.flop / 1e12:.2g} TFLOP, in about {needs.num_bytes / 1e9:.2g} GB"
