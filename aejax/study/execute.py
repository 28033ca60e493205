"""Executing a job: one population of one method, trained, evaluated, and written."""

import json
import pathlib
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from aejax.config import config_id, flatten, to_tree
from aejax.data.load import Dataset
from aejax.data.resident import ResidentData
from aejax.evaluation.suite import classify, describe
from aejax.experiment import Config
from aejax.study.directory import StudyDirectory, write_atomically
from aejax.study.methods import MakeTask, Method, make_task, represent
from aejax.study.metrics import MetricsWriter
from aejax.sweep import Population
from aejax.training.loop import train
from aejax.training.population import Members
from aejax.training.state import Status
from aejax.training.step import batch_size, init_variables

NUM_SAMPLES = 16  # Test images whose reconstructions are kept for the picture.
NUM_SAMPLED_MEMBERS = 8


class Job(NamedTuple):
    """One population of one method: the unit of work."""

    method: Method
    population: Population

    def __str__(self) -> str:
        count = len(self.population.members)
        return f"{self.method.name} ({count} member{'s' if count > 1 else ''})"


class _Fitted(NamedTuple):
    """What training brought: Flax variables (or nothing) for each round, a status for each member, and the cost."""

    variables: list[Any]
    statuses: list[str]
    cost: dict[str, float]


def execute(job: Job, dataset: Dataset, data: ResidentData, directory: StudyDirectory, *, tensorboard: bool) -> None:
    """Trains and evaluates one population and writes its results, which mark it as finished, last."""
    configs = job.population.members
    path = directory.population(job.method.name, job.population)
    path.mkdir(parents=True, exist_ok=True)
    members = Members(configs, configs[0].training.members_at_once)
    task = make_task(job.method.name, dataset.train.image.shape[1:], dataset.num_classes)

    fitted = _fit(job, members, task, data, path, tensorboard)
    metrics, samples, cost = _evaluate(job, members, task, fitted.variables, dataset.num_classes, data)
    if samples is not None:
        images = dataset.test.image[:NUM_SAMPLES]
        np.savez(path / "samples.npz", image=images, reconstruction=samples[:NUM_SAMPLED_MEMBERS])
    facts = {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "num_classes": dataset.num_classes,
        "train": len(dataset.train.image),
        "validation": len(dataset.validation.image),
        "test": len(dataset.test.image),
    }
    rows = [
        {
            "method": job.method.name,
            "id": config_id(config),
            "config": {name: value for name, value in flatten(to_tree(config)) if job.method.depends_on(name)},
            "metrics": {name: value[index].item() for name, value in metrics.items()},
            "status": fitted.statuses[index],
            "cost": fitted.cost | cost,
            "data": facts,
        }
        for index, config in enumerate(configs)
    ]
    write_atomically(path / "results.json", json.dumps(rows, indent=1) + "\n")


def _fit(
    job: Job, members: Members, task: MakeTask, data: ResidentData, path: pathlib.Path, tensorboard: bool
) -> _Fitted:
    configs, rounds = job.population.members, range(members.num_rounds)
    untrained = ["finished"] * len(configs)
    if not job.method.has_parameters:
        return _Fitted([()] * len(rounds), untrained, {})
    if not job.method.trains:
        init = members.compile(lambda config, _, data: init_variables(task(config), data), (), data)
        variables = [init(index, (), data) for index in rounds]
        return _Fitted(variables, untrained, {"parameters": _num_parameters(variables[0], members)})

    training = configs[0].training
    with MetricsWriter(path, configs, tensorboard=tensorboard) as write:
        trained = train(members, task, training, data, write=write, description=str(job))
    variables = [{"params": state.evaluated_params(), **state.collections} for state in trained.states]
    statuses = [Status(status).name.lower() for status in members.fetch([state.status for state in trained.states])]
    num_images = int(members.fetch([state.step for state in trained.states]).sum()) * batch_size(training, data)
    cost = {
        "parameters": _num_parameters(variables[0], members),
        "train_seconds": trained.train_seconds / len(configs),
        "images_per_second": num_images / trained.train_seconds if num_images else 0.0,
        "train_compile_seconds": trained.compile_seconds,
        "memory_mb": trained.memory_bytes / 1e6,
    }
    return _Fitted(variables, statuses, cost)


def _num_parameters(variables: Any, members: Members) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) // members.round_size


def _evaluate(
    job: Job, members: Members, task: MakeTask, variables: list[Any], num_classes: int | None, data: ResidentData
) -> tuple[dict[str, np.ndarray], np.ndarray | None, dict[str, float]]:
    """Returns metrics, arrays [members]; reconstructions of some test images, [members, ...], or None; and the cost."""

    def describe_member(config: Config, variables: Any, data: ResidentData) -> Any:
        representation = represent(job.method.name, task(config), variables, config, data)
        metrics, features = describe(representation, data, config.evaluation)
        if representation.reconstruct is None:
            return metrics, features, None
        return metrics, features, representation.reconstruct(jnp.asarray(data.image["test"][:NUM_SAMPLES]))

    def classify_member(config: Config, features: Any, label: Any) -> Any:
        assert num_classes is not None, "data without labels ask for no features"
        return classify(features, label, config.evaluation, num_classes)

    rounds = range(members.num_rounds)
    describing = members.compile(describe_member, variables[0], data)
    classifying = None
    compile_seconds = describing.compile_seconds
    results, samples = [], []
    started = time.perf_counter()
    for index in tqdm.tqdm(rounds, desc=f"{job}, evaluation", unit="round", disable=None):
        metrics, features, sample = describing(index, variables[index], data)
        if features:
            if classifying is None:
                # Features of one size are classified by one program, whatever method they come from.
                classifying = members.compile(classify_member, features, data.label)
                compile_seconds += classifying.compile_seconds
                started += classifying.compile_seconds
            metrics |= classifying(index, features, data.label)
        results.append(jax.device_get(metrics))
        samples.append(sample)
    cost = {
        "evaluation_seconds": (time.perf_counter() - started) / members.num,
        "evaluation_compile_seconds": compile_seconds,
    }
    return members.fetch(results), None if samples[0] is None else members.fetch(samples), cost
