"""Running a study: what is still missing, and executing it population after population."""

import collections
import contextlib
import dataclasses
import functools
import itertools
import pathlib
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from aejax import registry
from aejax.config import config_id, load, to_tree
from aejax.data.load import DataConfig, Dataset
from aejax.errors import Interrupted, UserError, in_one_line, refusal
from aejax.experiment import Config
from aejax.methods.base import find_method
from aejax.methods.roles import Role
from aejax.methods.zoo import SUBJECT
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_all, read_rows, rows_of
from aejax.store.files import lock
from aejax.store.progress import read_progress
from aejax.store.record import (
    Parent,
    Record,
    read_record,
    require_record,
    write_record,
)
from aejax.store.results import Results, Row, to_rows
from aejax.store.status import PopulationStatus
from aejax.study.across import Replicate, add_metrics, measure_across, renew_across, replicates_of, write_metrics
from aejax.study.environment import environment_changes, this_start
from aejax.study.execute import Arrays, clear, write_results
from aejax.study.executors.base import Executor
from aejax.study.executors.local import Local
from aejax.study.generation import check_features
from aejax.study.job import Job, Options
from aejax.study.plan import (
    NO_LINEAGE,
    Lineage,
    Roster,
    announce,
    clues_in,
    data_configs,
    data_key,
    labels_of_members,
    load_data,
    places_of,
    read_data,
    recorded_configs,
    recorded_labels,
)
from aejax.study.prepare import choose_feasible, prepare, to_do
from aejax.study.worker import Worker
from aejax.training.population import is_leader, wait_for_all


class Unfinished(UserError):
    """A study was begun, or gone on with, and does not have all its results; it has what was done."""


class PopulationsFailed(Unfinished):
    """Some populations could not be trained; all others are finished."""


class Growth(NamedTuple):
    """Further members of a study, and whose state those go on from that do not begin anew; see `plan.Lineage`."""

    configs: Sequence[Config]
    lineage: Lineage = NO_LINEAGE


Grow = Callable[[Sequence[Row]], Growth | None]


def run(
    configs: Sequence[Config],
    directory: StudyDirectory,
    *,
    name: str = "study",
    question: str = "",
    executor: Executor = Local(),  # noqa: B008
    options: Options = Options(),  # noqa: B008
    lineage: Lineage = NO_LINEAGE,
    parent: Parent | None = None,
    search: dict[str, Any] | None = None,
    labels: Mapping[Config, str] = types.MappingProxyType({}),
    grow: Grow = lambda rows: None,
    **how: Any,
) -> None:
    """Trains and evaluates all members of the study in a directory that have no results yet.

    Args:
      configs: the members. What the directory's study already has is kept: a study may grow, see `record.unite`.
      directory: where the study lies, or will.
      name: what to call a study that is begun.
      question: what it is to answer, a sentence.
      executor: what executes populations.
      options: how to execute.
      lineage: who of them goes on from whom.
      parent: the study from whose members these go on, if it is another.
      search: by what members are found, if it is a search, for the record; it is told their ids, in order.
      labels: what tables and reports call the settings of configs, for the record.
      grow: called with the results when all is done; returns further members, or None if that is all.
      **how: further arguments of `prepare`.

    Raises:
      ConfigError: if the directory holds a study of other configs.
      UserError: if the data are not there or do not fit, or the devices do not; then nothing has been written.
      Unfinished: if something went wrong later: PopulationsFailed, if some populations could not be trained; then all
        others are finished.
      Interrupted: if a stop was asked for.
    """
    how |= {"features": options.features, "lineage": lineage, "parent": parent, "beside": options.beside}
    prepared = prepare(configs, directory, executor=executor, **how)
    before, configs, datasets = prepared.record, prepared.configs, prepared.datasets
    record = before or Record(name=name, question=question, configs=(), data={})
    for line in prepared.lines:
        options.say(line)
    with directory.locked() if is_leader() else contextlib.nullcontext():
        start = this_start()
        plugins = record.plugins | registry.origins()
        record = dataclasses.replace(record, starts=(*record.starts, start), search=search, plugins=plugins)
        record = _with_members(dataclasses.replace(record, parent=parent), configs, datasets, lineage)
        # Of all members anew: what a label had to itself, further configs may share. Those recorded come first.
        recorded = recorded_labels(before, configs[: len(before.configs)]) if before else {}
        labels = recorded | {config: label for config, label in labels.items() if label}
        record = dataclasses.replace(record, labels=labels_of_members(labels, configs, datasets))
        if is_leader():
            if read_record(directory) != before:
                raise UserError(f"{directory.path} was changed by another process just now; run the same command again")
            then = before.starts[-1].environment if before and before.starts else start.environment
            for line in environment_changes(then, start.environment):
                options.say(f"not the environment of the last start, so bits may differ: {line}")
            write_record(directory, record)
        worker = Worker(prepared.roster, datasets, directory, options)
        left_out = prepared.feasible.left_out
        try:
            _run_jobs(worker, executor, left_out)
            while (growth := grow(read_rows(directory))) is not None:
                configs = [*configs, *growth.configs]
                datasets = load_data(configs, datasets, clues_in(record, directory, options.beside))
                record = _with_members(record, configs, datasets, growth.lineage)
                if is_leader():
                    write_record(directory, record)
                worker.take(Roster(configs, datasets, record.lineage, parent), datasets)
                feasible = choose_feasible(to_do(worker.roster, read_all(directory), left_out), datasets, executor)
                for line in feasible.lines:
                    options.say(line)
                left_out |= feasible.left_out
                _run_jobs(worker, executor, left_out)
        except (Interrupted, Unfinished):
            raise
        except UserError as error:
            raise Unfinished(str(error)) from error
        except OSError as error:
            raise Unfinished(refusal(error)) from error


def _with_members(
    record: Record, configs: Sequence[Config], datasets: dict[DataConfig, Dataset], lineage: Lineage
) -> Record:
    used = dict.fromkeys(data for config in configs for data in data_configs(config).values())
    fingerprints = {data_key(data): datasets[data].fingerprint for data in used}
    notes = {data_key(data): datasets[data].notes for data in used if datasets[data].notes}
    named = {data_key(data): datasets[data].classes.names for data in used}
    classes = {key: names for key, names in named.items() if not all(map(str.isdecimal, names))}
    search = record.search
    if search is not None:
        reduce = find_method(SUBJECT).reduce
        search = search | {"trials": [config_id(reduce(config)) for config in configs]}
    return dataclasses.replace(
        record,
        configs=tuple(map(to_tree, configs)),
        search=search,
        data=record.data | fingerprints,
        places=record.places | places_of(datasets),
        notes=record.notes | notes,
        classes=record.classes | classes,
        lineage=record.lineage | dict(lineage),
    )


def _run_jobs(worker: Worker, executor: Executor, left_out: Collection[tuple[str, str]]) -> None:
    directory, options = worker.directory, worker.options
    evidence = read_all(directory)
    finished = rows_of(evidence)
    waves = to_do(worker.roster, evidence, left_out)
    jobs = list(itertools.chain(*waves))
    if finished or any(one.to_do for one in evidence):
        missing = sum(len(job.population.members) for job in jobs)
        options.say(f"{directory.path} holds {len(finished)} finished results; {missing} missing")
    wait_for_all("what is missing is known")  # Before the leader changes it.
    if is_leader():
        announce(directory, waves)

    failed = []
    for wave in waves:
        for job, failure in executor.run(wave, worker):
            if failure is not None:
                options.say(f"{job} failed: {failure}")
                failed.append(f"{job}: {failure}")
            if len(jobs) > 1:
                options.say(str(read_progress(directory)))
        options.obey_stop()
    if is_leader():
        renew_across(directory, worker.roster, options.say)
    wait_for_all("members are measured beside each other")
    if failed:
        raise PopulationsFailed(
            f"{len(failed)} of {len(jobs)} populations failed ({failed[0]}{'; ...' if len(failed) > 1 else ''}); all "
            "others are finished, and running the same command again tries these once more (another setting, if that "
            "is to blame, is another study: choose another workdir)"
        )


def evaluate_again(
    directory: StudyDirectory,
    *,
    update: bool,
    options: Options = Options(),  # noqa: B008
) -> tuple[list[Row], list[str]]:
    """Returns the rows of all finished populations of a study, evaluated again from their checkpoints.

    Beside them a line for each population that could not be, and each method with members that were never evaluated.

    Args:
      directory: where the study lies.
      update: whether to write them in the place of the old ones.
      options: how to execute.

    Raises:
      UserError: if there is no study, or its data do not fit.
    """
    record = require_record(directory)
    with directory.locked() if update else contextlib.nullcontext():
        configs = recorded_configs(directory, record)
        check_features(configs, options.features)
        datasets = read_data(configs, clues_of=clues_in(record, directory))
        for line in changes_since(record, datasets):
            options.say(line)
        changed = {data for data, now in datasets.items() if record.data.get(data_key(data)) != now.fingerprint}
        worker = Worker(Roster(configs, datasets, record.lineage, record.parent), datasets, directory, options)
        # Baselines that this machine cannot hold are not missed.
        baselines = [
            [job for job in wave if Role.BASELINE in job.method.role]
            for wave in to_do(worker.roster, read_all(directory))
        ]
        left_out = choose_feasible(baselines, datasets, Local()).left_out
        measured: dict[pathlib.Path, dict[str, Any]] = {}
        members: list[Replicate] = []
        problems: list[str] = []
        for evidence in read_all(directory):
            problems += map(str, evidence.faults)
            if evidence.status is None or evidence.status.state != "finished":
                continue
            try:
                job, (results, pictures, codes) = _evaluate(worker, evidence.path, evidence.status, changed)
            except Interrupted:
                raise
            except UserError as error:
                problems.append(str(error))
                continue
            measured[evidence.path] = results
            members += replicates_of(job, results, functools.partial(dict, codes), evidence.path)
            if update:
                with lock(evidence.path):
                    clear(evidence, options)
                    write_results(evidence.path, results, pictures, codes)
        for path, metrics in measure_across(members, options.say).items():
            add_metrics(measured[path], metrics)
            if update:
                with lock(path):
                    write_metrics(path, metrics)
        rows = [row for results in measured.values() for row in to_rows(load(Results, results))]
    evaluated = {(row["method"], row["id"]) for row in rows}
    missing = collections.Counter(
        method for method, name in worker.roster.members if (method, name) not in evaluated | left_out
    )
    problems += [f"{directory.path}: {num} members of {method} were not evaluated" for method, num in missing.items()]
    return rows, problems


def _evaluate(
    worker: Worker, path: pathlib.Path, status: PopulationStatus, changed: set[DataConfig]
) -> tuple[Job, tuple[dict[str, Any], Arrays, Arrays]]:
    """Evaluates the finished population in a directory; returns its job and what `Worker.evaluate` does.

    Raises:
      UserError: if it is not the study's, or cannot be evaluated with data that changed.
      Interrupted: if a stop was asked for.
    """
    if not worker.roster.has(status):
        why = "its data are others now" if changed else "so it is another study's"
        raise UserError(f"{path}: its members are not those of study.json, {why}")
    job = worker.roster.job(status.method, status.members)
    try:
        return job, worker.evaluate(job)
    except (Interrupted, UserError):
        raise
    except Exception as error:
        if changed.isdisjoint(config.data for config in job.population.members):
            raise
        why = f"its data are others now, and it cannot read them: {in_one_line(error)}"
        raise UserError(f"{path}: {why}") from error


def changes_since(record: Record, datasets: dict[DataConfig, Dataset]) -> list[str]:
    """Returns a line for everything that is not as it was when a study was last started: environment and data.

    Data that were read from elsewhere than their config says have one, too.
    """
    environment = this_start().environment
    then = record.starts[-1].environment if record.starts else {}
    data = [
        f"data {dataset.name}: fingerprint {record.data.get(data_key(config))} then, {dataset.fingerprint} now"
        for config, dataset in datasets.items()
        if record.data.get(data_key(config)) != dataset.fingerprint
    ]
    found = [f"data {dataset.name}: {dataset.found}" for dataset in datasets.values() if dataset.found]
    return [*found, *(f"changed: {line}" for line in (*environment_changes(then, environment), *data))]
