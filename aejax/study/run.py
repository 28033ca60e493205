"""Running a study: which populations are still missing, and training, evaluating and writing each of them."""

import functools
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Collection, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from aejax.config import config_id, flatten, to_tree
from aejax.data.load import Dataset, load
from aejax.data.resident import ResidentData, make_resident
from aejax.evaluation.suite import available_baselines, classify, describe
from aejax.experiment import Config, check_data
from aejax.study.directory import StudyDirectory, write_atomically
from aejax.study.methods import METHODS, Method, make_task, represent
from aejax.study.metrics import MetricsWriter
from aejax.study.results import Row, to_csv, to_markdown
from aejax.sweep import Population, group
from aejax.training.loop import train
from aejax.training.population import Members, share
from aejax.training.state import Status
from aejax.training.step import batch_size, init_variables

NUM_SAMPLES = 16  # Test images whose reconstructions are kept for the picture.
NUM_SAMPLED_MEMBERS = 8

Say = Callable[[str], None]


class Job(NamedTuple):
    """One population of one method: the unit of work."""

    method: Method
    population: Population


def load_data(configs: Sequence[Config]) -> dict[Any, Dataset]:
    """Returns the data set of every data config, checked against every config that uses it."""
    datasets = {data: load(data) for data in dict.fromkeys(config.data for config in configs)}
    for config in configs:
        check_data(config, datasets[config.data])
    return datasets


def plan(configs: Sequence[Config], datasets: dict[Any, Dataset], done: Collection[tuple[str, str]] = ()) -> list[Job]:
    """Returns the populations that the configs and their baselines fall into, without members that are done.

    Args:
      configs: the members of the study.
      datasets: as `load_data` returned them.
      done: (method, config id) of members whose results exist.
    """
    jobs: list[Job] = []
    for method in METHODS.values():
        wanted = [config for config in configs if method.name in ("autoencoder", *_baselines(config, datasets))]
        members = {config_id(reduced): reduced for reduced in map(method.reduce, wanted)}
        missing = [config for name, config in members.items() if (method.name, name) not in done]
        jobs += [Job(method, population) for population in group(missing)]
    return jobs


def _baselines(config: Config, datasets: dict[Any, Dataset]) -> tuple[str, ...]:
    return available_baselines(config.evaluation, labelled=datasets[config.data].num_classes is not None)


def run(
    configs: Sequence[Config], directory: StudyDirectory, *, tensorboard: bool = False, say: Say = print
) -> list[Row]:
    """Returns the results of all members that the directory now holds, after training those that were missing.

    Raises:
      UserError: if the data are not there or do not fit; then nothing has been written.
    """
    datasets = load_data(configs)
    directory.create()
    finished = directory.rows()
    jobs = plan(configs, datasets, {(row["method"], row["id"]) for row in finished})
    for name in sorted({dataset.name for dataset in datasets.values() if dataset.num_classes is None}):
        say(f"{name} has no labels: linear probe, k-NN, pixels and the supervised baseline are left out")
    if finished:
        missing = sum(len(job.population.members) for job in jobs)
        say(f"{directory.path} holds {len(finished)} finished results; {missing} missing")
    write_atomically(directory.path / "study.json", json.dumps(environment(), indent=1) + "\n")

    @functools.cache
    def resident(data: Any) -> ResidentData:
        return share(make_resident(datasets[data], data.preprocessing))

    for job in jobs:
        data = job.population.members[0].data
        run_population(job, datasets[data], resident(data), directory, tensorboard=tensorboard)
    rows = directory.rows()
    write_atomically(directory.path / "results.csv", to_csv(rows))
    write_atomically(directory.path / "results.md", to_markdown(rows))
    return rows


def run_population(
    job: Job, dataset: Dataset, data: ResidentData, directory: StudyDirectory, *, tensorboard: bool
) -> None:
    """Trains and evaluates one population and writes its results, which mark it as finished, last."""
    method, (first, *_) = job.method, job.population.members
    path = directory.population(method.name, job.population)
    path.mkdir(parents=True, exist_ok=True)
    members = Members(job.population.members, first.training.members_at_once)
    task = make_task(method.name, dataset.train.image.shape[1:], dataset.num_classes)
    count = len(job.population.members)
    description = f"{method.name} ({count} member{'s' if count > 1 else ''})"

    rounds = range(members.num_rounds)
    cost: dict[str, float] = {}
    variables: list[Any] = [()] * len(rounds)
    statuses = ["finished"] * count
    if method.trains:
        with MetricsWriter(path, job.population.members, tensorboard=tensorboard) as write:
            trained = train(members, task, first.training, data, write=write, description=description)
        states = trained.states
        variables = [{"params": state.evaluated_params(), **state.collections} for state in states]
        statuses = [Status(status).name.lower() for status in members.fetch([state.status for state in states])]
        images = int(members.fetch([state.step for state in states]).sum()) * batch_size(first.training, data)
        cost = {
            "train_seconds": trained.train_seconds / count,
            "images_per_second": images / trained.train_seconds if trained.train_seconds else 0.0,
            "train_compile_seconds": trained.compile_seconds,
            "memory_mb": trained.memory_bytes / 1e6,
        }
    elif method.has_parameters:
        init = members.compile(lambda config, _, data: init_variables(task(config), data), (), data)
        variables = [init(index, (), data) for index in rounds]
    if method.has_parameters:
        leaves = jax.tree.leaves(variables[0]["params"])
        cost["parameters"] = sum(leaf.size for leaf in leaves) // members.round_size

    def describe_member(config: Config, variables: Any, data: ResidentData) -> Any:
        representation = represent(method.name, task(config), variables, config, data)
        metrics, features = describe(representation, data, config.evaluation)
        if representation.reconstruct is None:
            return metrics, features, None
        return metrics, features, representation.reconstruct(jnp.asarray(data.image["test"][:NUM_SAMPLES]))

    def classify_member(config: Config, features: Any, label: Any) -> Any:
        assert dataset.num_classes is not None, "data without labels ask for no features"
        return classify(features, label, config.evaluation, dataset.num_classes)

    describing, classifying = members.compile(describe_member, variables[0], data), None
    cost["evaluation_compile_seconds"] = describing.compile_seconds
    results, samples = [], []
    started = time.perf_counter()
    for index in tqdm.tqdm(rounds, desc=f"{description}, evaluation", unit="round", disable=None):
        metrics, features, sample = describing(index, variables[index], data)
        if features:
            if classifying is None:
                # Features of the same size are classified by the same program, whatever method they come from.
                classifying = members.compile(classify_member, features, data.label)
                cost["evaluation_compile_seconds"] += classifying.compile_seconds
                started += classifying.compile_seconds
            metrics |= classifying(index, features, data.label)
        results.append(jax.device_get(metrics))
        samples.append(sample)
    cost["evaluation_seconds"] = (time.perf_counter() - started) / count
    metrics = members.fetch(results)
    if samples[0] is not None:
        reconstruction = members.fetch(samples)[:NUM_SAMPLED_MEMBERS]
        np.savez(path / "samples.npz", image=dataset.test.image[:NUM_SAMPLES], reconstruction=reconstruction)

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
            "method": method.name,
            "id": config_id(config),
            "config": {name: value for name, value in flatten(to_tree(config)) if method.depends_on(name)},
            "metrics": {name: value[index].item() for name, value in metrics.items()},
            "status": statuses[index],
            "cost": cost,
            "data": facts,
        }
        for index, config in enumerate(job.population.members)
    ]
    write_atomically(path / "results.json", json.dumps(rows, indent=1) + "\n")


def environment() -> dict[str, Any]:
    """Returns what the numbers may depend on beside the configs: versions, devices and cores."""
    packages = ("aejax", "jax", "jaxlib", "flax", "optax", "numpy")
    devices = jax.devices()
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "backend": jax.default_backend(),
        "device": devices[0].device_kind,
        "num_devices": len(devices),
        "num_cores": os.cpu_count(),
        "arguments": sys.argv[1:],
    }
