"""Running a study: which populations are still missing, and training, evaluating and writing each of them."""

import functools
import json
import os
import platform
import sys
from collections.abc import Callable, Collection, Sequence
from importlib.metadata import version
from typing import Any

import jax

from aejax.config import config_id
from aejax.data.load import Dataset, load
from aejax.data.resident import ResidentData, make_resident
from aejax.evaluation.suite import available_baselines
from aejax.experiment import Config, check_data
from aejax.study.directory import StudyDirectory, write_atomically
from aejax.study.execute import Job, execute
from aejax.study.methods import METHODS
from aejax.study.results import Row, to_csv, to_markdown
from aejax.sweep import group
from aejax.training.population import share

Say = Callable[[str], None]


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
        execute(job, datasets[data], resident(data), directory, tensorboard=tensorboard)
    rows = directory.rows()
    write_atomically(directory.path / "results.csv", to_csv(rows))
    write_atomically(directory.path / "results.md", to_markdown(rows))
    return rows


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
        "arguments": [argument for argument in sys.argv[1:] if not argument.startswith("--workdir")],
    }
