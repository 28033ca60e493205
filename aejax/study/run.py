"""Running a study: what is still missing, and executing it population after population."""

import contextlib
import functools
import json
import traceback
from collections.abc import Collection, Sequence
from typing import Any

from aejax.config import config_id, departures, load, partition, to_tree
from aejax.data.load import DataConfig, Dataset
from aejax.data.load import load as load_dataset
from aejax.data.resident import make_resident
from aejax.errors import UserError
from aejax.evaluation.suite import available_baselines
from aejax.experiment import Config, check_data, load_recorded
from aejax.study.directory import StudyDirectory, write_json
from aejax.study.execute import evaluate, execute
from aejax.study.job import Job, Options, Place, Source
from aejax.study.methods import METHODS
from aejax.study.record import (
    Record,
    environment_changes,
    read_record,
    require_record,
    this_start,
    unite,
    write_record,
)
from aejax.study.results import FILE, Row, read_rows, to_rows
from aejax.study.status import PopulationStatus, read_status, write_status
from aejax.sweep import Population, group
from aejax.training.population import share


class PopulationsFailed(UserError):
    """Some populations could not be trained; all others are finished."""


def load_data(configs: Sequence[Config]) -> dict[DataConfig, Dataset]:
    """Returns the data set of every data config, evaluation's too, checked against every config that uses it."""
    wanted = [data for config in configs for data in (config.data, *config.evaluation.other_data().values())]
    datasets = {data: load_dataset(data) for data in dict.fromkeys(wanted)}
    for config in configs:
        others = {name: datasets[data] for name, data in config.evaluation.other_data().items()}
        check_data(config, datasets[config.data], others)
    return datasets


def members_of(configs: Sequence[Config], datasets: dict[DataConfig, Dataset]) -> dict[str, dict[str, Config]]:
    """Returns the members of every method by their id: the configs, reduced to what the method reads."""
    members: dict[str, dict[str, Config]] = {}
    for method in METHODS.values():
        wanted = [config for config in configs if method.name in ("autoencoder", *_baselines(config, datasets))]
        distinct = {method.inputs(config): config for config in wanted}.values()
        members[method.name] = {config_id(reduced): reduced for reduced in map(method.reduce, distinct)}
    return members


def _baselines(config: Config, datasets: dict[DataConfig, Dataset]) -> tuple[str, ...]:
    labelled = datasets[config.data].num_classes is not None
    fine_tuned = ("fine_tuned",) if labelled and config.fine_tuning.epochs else ()
    return (*available_baselines(config.evaluation, labelled=labelled), *fine_tuned)


def plan(
    configs: Sequence[Config],
    datasets: dict[DataConfig, Dataset],
    done: Collection[tuple[str, str]] = (),
    begun: Sequence[PopulationStatus] = (),
) -> list[Job]:
    """Returns the populations that the configs and their baselines fall into, without members that are done.

    Args:
      configs: the members of the study.
      datasets: as `load_data` returned them.
      done: (method, config id) of members whose results exist.
      begun: populations that were begun and not finished: they stay as they are.
    """
    jobs: list[Job] = []
    for name, members in members_of(configs, datasets).items():
        missing = {key: config for key, config in members.items() if (name, key) not in done}
        for status in begun:
            if status.method == name and set(status.members) <= set(missing):
                together = tuple(missing.pop(key) for key in status.members)
                jobs.append(Job(METHODS[name], Population(partition(together[0])[0], together)))
        jobs += [Job(METHODS[name], population) for population in group(list(missing.values()))]
    return jobs


def run(
    configs: Sequence[Config],
    directory: StudyDirectory,
    *,
    name: str = "study",
    question: str = "",
    options: Options = Options(),  # noqa: B008
) -> None:
    """Trains and evaluates all members of the study in a directory that have no results yet.

    Args:
      configs: the members. What the directory's study already has is kept: a study may grow, see `record.unite`.
      directory: where the study lies, or will.
      name: what to call a study that is begun.
      question: what it is to answer, a sentence.
      options: how to execute.

    Raises:
      ConfigError: if the directory holds a study of other configs.
      UserError: if the data are not there or do not fit; then nothing has been written.
      PopulationsFailed: if some could not be trained; then all others are finished.
      Interrupted: if a stop was asked for.
    """
    before = read_record(directory)
    record = before or Record(name=name, question=question, configs=(), data={})
    # Through the gate, which gives what an earlier version recorded the fields that it did not know.
    recorded = [to_tree(load_recorded(tree)) for tree in record.configs]
    trees = unite(directory, recorded, [to_tree(config) for config in configs])
    configs = [load(Config, tree) for tree in trees]
    datasets = load_data(configs)
    fingerprints = {_data_key(data): dataset.fingerprint for data, dataset in datasets.items()}
    for data, dataset in datasets.items():
        if record.data.get(_data_key(data), dataset.fingerprint) != dataset.fingerprint:
            raise UserError(
                f"{dataset.name} has changed since {directory.path} was begun (fingerprint "
                f"{record.data[_data_key(data)]} then, {dataset.fingerprint} now); choose another --workdir"
            )
    with directory.locked():
        if read_record(directory) != before:
            raise UserError(f"{directory.path} was changed by another process just now; run the same command again")
        start = this_start()
        for line in environment_changes(record.starts[-1].environment, start.environment) if record.starts else ():
            options.say(f"not the environment of the last start, so bits may differ: {line}")
        write_record(
            directory,
            Record(
                name=record.name,
                question=record.question,
                configs=tuple(trees),
                data=record.data | fingerprints,
                starts=(*record.starts, start),
            ),
        )
        _run_jobs(configs, datasets, directory, options)


def _run_jobs(
    configs: Sequence[Config], datasets: dict[DataConfig, Dataset], directory: StudyDirectory, options: Options
) -> None:
    finished = read_rows(directory)
    statuses = [status for path in directory.populations() if (status := read_status(path)) is not None]
    begun = [status for status in statuses if status.state != "finished"]
    jobs = plan(configs, datasets, {(row["method"], row["id"]) for row in finished}, begun)
    members = members_of(configs, datasets)
    for name in sorted({dataset.name for dataset in datasets.values() if dataset.num_classes is None}):
        options.say(
            f"{name} has no labels: linear probe, k-NN, pixels, the supervised baseline and fine-tuning are left out"
        )
    if finished or begun:
        missing = sum(len(job.population.members) for job in jobs)
        options.say(f"{directory.path} holds {len(finished)} finished results; {missing} missing")

    place = place_once(datasets)
    failed = []
    for job in jobs:
        try:
            execute(job, place, directory, options, _trained(job.method.begins_with, members, directory))
        except (UserError, OSError):
            raise
        except Exception as error:
            # One population that cannot be trained must not take the others with it.
            traceback.print_exc()
            path = directory.population(job.method.name, job.ids)
            status = read_status(path)
            if status is not None:
                reason = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
                write_status(path, status._replace(state="failed", error=reason))
            failed.append(str(job))
        options.stop.obey()
    if failed:
        raise PopulationsFailed(
            f"{len(failed)} of {len(jobs)} populations failed (see above): {', '.join(failed)}; all others are "
            "finished, and running the same command again tries these once more"
        )


def _trained(method: str | None, members: dict[str, dict[str, Config]], directory: StudyDirectory) -> list[Job]:
    """Returns the finished populations of a method; none of None."""
    statuses = [status for path in directory.populations() if (status := read_status(path)) is not None]
    return [_job_of(status, members) for status in statuses if (status.method, status.state) == (method, "finished")]


def _job_of(status: PopulationStatus, members: dict[str, dict[str, Config]]) -> Job:
    together = tuple(members[status.method][name] for name in status.members)
    return Job(METHODS[status.method], Population(partition(together[0])[0], together))


def place_once(datasets: dict[DataConfig, Dataset]) -> Place:
    """Returns the function that places a data set on the devices, once."""

    @functools.cache
    def place(data: DataConfig) -> Source:
        return Source(datasets[data], share(make_resident(datasets[data], data.preprocessing)))

    return place


def _data_key(data: Any) -> str:
    return json.dumps({"name": data.name} | departures(data), sort_keys=True)


def evaluate_again(directory: StudyDirectory, *, update: bool, options: Options = Options()) -> list[Row]:  # noqa: B008
    """Returns the rows of all finished populations of a study, evaluated again from their checkpoints.

    Args:
      directory: where the study lies.
      update: whether to write them in the place of the old ones.
      options: how to execute.

    Raises:
      UserError: if there is no study, or if a checkpoint is missing or damaged.
    """
    record = require_record(directory)
    with directory.locked() if update else contextlib.nullcontext():
        configs = [load_recorded(tree) for tree in record.configs]
        datasets = load_data(configs)
        for line in changes_since(record, datasets):
            options.say(line)
        members, place = members_of(configs, datasets), place_once(datasets)
        rows: list[Row] = []
        for path in directory.populations():
            status = read_status(path)
            if status is None or status.state != "finished":
                continue
            results = evaluate(_job_of(status, members), place, directory, options)
            rows += to_rows(results)
            if update:
                write_json(path / FILE, results)
    return rows


def changes_since(record: Record, datasets: dict[DataConfig, Dataset]) -> list[str]:
    """Returns a line for everything that is not as it was when a study was last started: environment and data."""
    environment = this_start().environment
    then = record.starts[-1].environment if record.starts else {}
    data = [
        f"data {dataset.name}: fingerprint {record.data.get(_data_key(config))} then, {dataset.fingerprint} now"
        for config, dataset in datasets.items()
        if record.data.get(_data_key(config)) != dataset.fingerprint
    ]
    return [f"changed: {line}" for line in (*environment_changes(then, environment), *data)]
