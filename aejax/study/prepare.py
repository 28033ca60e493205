"""The checks before a study is begun or gone on with: what can be refused is refused here, before anything is written.

A run and a dry run are prepared alike, so that the one says what the other would.
"""

import itertools
import os
import pathlib
import shutil
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from aejax.config import load, share_parts, to_tree
from aejax.data.load import DataConfig, Dataset
from aejax.errors import ConfigError, DataError, in_one_line
from aejax.experiment import Config, warnings
from aejax.methods.roles import Role
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import Evidence, read_all, rows_of
from aejax.store.record import Parent, Record, read_record, require_record, unite
from aejax.study.continuing import cautions, check_parent
from aejax.study.demand import Needs, needs_of
from aejax.study.executors.base import Executor
from aejax.study.generation import check_features, try_features
from aejax.study.job import FeatureFunction, Job
from aejax.study.plan import (
    NO_LINEAGE,
    CluesOf,
    Lineage,
    Roster,
    check_unchanged,
    clues_in,
    describe_data,
    load_data,
    recorded_configs,
)


class Feasible(NamedTuple):
    """Which populations can be executed."""

    jobs: list[tuple[Job, Needs | None]]  # None: what it needs is not known, because it cannot be built.
    left_out: set[tuple[str, str]]  # The method and id of members of baselines that cannot.
    lines: list[str]  # Why, one for each population.


class Prepared(NamedTuple):
    """A study that may be begun, or gone on with."""

    record: Record | None  # Of the directory's study; None: there is none.
    configs: list[Config]  # Its members, and those that are asked for.
    datasets: dict[DataConfig, Dataset]
    roster: Roster
    feasible: Feasible
    lines: list[str]  # What a person should know of the data, of what is left out, and of the room there is.


def prepare(
    configs: Sequence[Config],
    directory: StudyDirectory,
    *,
    executor: Executor,
    features: FeatureFunction | None = None,
    lineage: Lineage = NO_LINEAGE,
    parent: Parent | None = None,
    later: Sequence[Config] = (),
    check: Callable[[Mapping[DataConfig, Dataset]], None] = lambda datasets: None,
    loaded: Mapping[DataConfig, Dataset] = types.MappingProxyType({}),
    beside: pathlib.Path | None = None,
) -> Prepared:
    """Prepares a study: the work that is left to do in its directory.

    Args:
      configs: the members that are asked for.
      directory: where the study lies, or will.
      executor: what is to execute populations.
      features: the user's function, by which generated images are compared.
      lineage: who of the members goes on from whom.
      parent: the study from whose members these go on, if it is another.
      later: configs like those of members that may join once the first have results.
      check: called with the data; it may refuse them as well.
      loaded: data that need not be read.
      beside: the folder of the experiment's file, in which data may lie.

    Raises:
      ConfigError: if the directory holds a study of other configs, or fields do not go together.
      UserError: if the data are not there or do not fit, or the machine does not.
    """
    directory.check()
    record = read_record(directory)
    if record is not None and record.parent != parent:
        raise ConfigError(f"{directory.path} {_other_parent(record.parent)}, or choose another workdir")
    # Through the gate, which gives what an earlier version recorded the fields that it did not know.
    recorded = [] if record is None else recorded_configs(directory, record)
    wanted = share_parts(load(Config, to_tree(config)) for config in configs)
    configs = unite(directory, recorded, wanted)
    both = [*configs, *later]
    executor.check(both)
    check_features(both, features)
    datasets = load_data(both, loaded, _clues(record, directory, parent, beside))
    if record is not None:
        check_unchanged(record, datasets, f"{directory.path} was begun", "choose another workdir")
    if parent is not None:
        check_parent(directory, parent, lineage, datasets)
    check(datasets)
    try_features(both, datasets, features)
    roster = Roster(configs, datasets, dict(lineage) | (record.lineage if record else {}), parent)
    feasible = choose_feasible(to_do(roster, read_all(directory)), datasets, executor)
    choose_feasible(Roster(later, datasets).plan(), datasets, executor)
    doubts = [*warnings(wanted), *([] if parent is None else cautions(wanted, parent))]
    lines = [*(f"warning: {line}" for line in doubts), *describe_data(configs, datasets)]
    lines += [*feasible.lines, *_describe_room(directory, feasible.jobs)]
    return Prepared(record, configs, datasets, roster, feasible, lines)


def _clues(
    record: Record | None, directory: StudyDirectory, parent: Parent | None, beside: pathlib.Path | None
) -> CluesOf:
    """The clues to where the data lie: those of the study, or before it begins those of the one it goes on from."""
    if record is None and parent is not None:
        directory = parent.seen_from(directory)
        record = require_record(directory)
    return clues_in(record, directory, beside)


def to_do(
    roster: Roster, evidence: Sequence[Evidence], left_out: Collection[tuple[str, str]] = frozenset()
) -> list[list[Job]]:
    """The populations that a study still needs, in waves, given what lies in its directory."""
    done = {(row["method"], row["id"]) for row in rows_of(evidence)}
    begun = [status for one in evidence if (status := one.to_do) is not None]
    return roster.plan(done.union(left_out), begun)


def choose_feasible(
    waves: Sequence[Sequence[Job]], datasets: Mapping[DataConfig, Dataset], executor: Executor
) -> Feasible:
    """Returns which populations can be executed, as far as shapes tell; all, where another machine may execute them.

    Raises:
      DataError: if it cannot execute one that is no baseline.
    """
    feasible = Feasible([], set(), [])
    for job in itertools.chain(*waves):
        try:
            needs = needs_of(job, datasets)
        except Exception as error:  # It fails by itself, and does not take the others with it.
            feasible.jobs.append((job, None))
            feasible.lines.append(f"{job} will fail: {in_one_line(error)}")
            continue
        if needs.problem is None or not executor.HERE:
            feasible.jobs.append((job, needs))
        elif Role.BASELINE in job.method.role:
            feasible.left_out.update((job.method.name, name) for name in job.ids)
            feasible.lines.append(f"{job} is left out: {needs.problem}")
        else:
            raise DataError(f"{job} cannot be executed on this machine: {needs.problem}")
    return feasible


def _other_parent(parent: Parent | None) -> str:
    """Returns why a study's record does not go with what is asked for, and what to ask for, to be read after its path.

    `parent` is the one recorded.
    """
    if parent is None:
        return "was begun anew, and not from another study: leave out --continue_from"
    return f"goes on from {parent}: name that by --continue_from"


def _describe_room(directory: StudyDirectory, jobs: Sequence[tuple[Job, Needs | None]]) -> list[str]:
    """Returns lines that say if the directory cannot be written, or its disk seems to have no room for checkpoints."""
    existing = directory.path.absolute()
    while not existing.exists():
        existing = existing.parent
    if not os.access(existing, os.W_OK):
        return [f"{existing} cannot be written; choose another workdir"]
    needed = sum(needs.state_bytes for job, needs in jobs if needs is not None and job.method.trains)
    free = shutil.disk_usage(existing).free
    if needed <= free:
        return []
    return [
        f"checkpoints take {needed / 1e9:.3g} GB, and where {directory.path} lies {free / 1e9:.3g} GB are free; make "
        "room, or choose another workdir"
    ]
