"""A job: one population of one method, with everything that stays the same while it is executed."""

import functools
import pathlib
import signal
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from aejax.config import config_id
from aejax.data.load import DataConfig, Dataset
from aejax.data.preprocessing import Kind
from aejax.data.resident import ResidentData, make_resident
from aejax.evaluation.suite import Representation
from aejax.experiment import Config
from aejax.methods.base import Method
from aejax.progress import progress_bar
from aejax.store.directory import StudyDirectory
from aejax.store.stop import StopRequest
from aejax.study.checkpoint import Checkpoints
from aejax.sweep import Population
from aejax.training.loop import compile_training, epochs_per_chunk
from aejax.training.population import Members, agree, fit_members, is_leader, share
from aejax.training.step import Task

Say = Callable[[str], None]
FeatureFunction = Callable[[np.ndarray], np.ndarray]  # Images in [0, 1], float32 [n, h, w, channels] -> [n, features].


class Job(NamedTuple):
    """One population of one method: the unit of work.

    `continues` are the configs of the members from whose states these go on, in their order; none: they begin anew.
    """

    method: Method
    population: Population
    continues: tuple[Config, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the members' configs."""
        return tuple(config_id(config) for config in self.population.members)

    def __str__(self) -> str:
        count = len(self.population.members)
        return f"{self.method.name} ({count} member{'s' if count > 1 else ''})"


class Learnt(NamedTuple):
    """A finished population, and the directory of the study that it is of."""

    job: Job
    directory: StudyDirectory


class Source(NamedTuple):
    """A data set in host memory, and on the devices; `judges` are what generated images were compared by so far."""

    dataset: Dataset
    data: ResidentData
    judges: dict[Any, Any]

    @staticmethod
    def of(dataset: Dataset, kind: Kind) -> "Source":
        """Places a data set on the devices, with its preprocessing fitted to the training images."""
        return Source(dataset, share(make_resident(dataset, kind)), {})


SourceOf = Callable[[DataConfig], Source]


class Options(NamedTuple):
    """How to execute, none of which changes a result."""

    trackers: tuple[str, ...] = ()  # By name; see `aejax.trackers.zoo`.
    checkpoint_seconds: float = 60.0  # Between checkpoints, at least; less often where saving takes long.
    stop: StopRequest = StopRequest()
    say: Say = print
    features: FeatureFunction | None = None  # The user's, by which generated images are compared.
    beside: pathlib.Path | None = None  # The folder of the experiment's file, in which its data may lie.

    def obey_stop(self) -> None:
        """Raises Interrupted if a stop was asked for: of several processes that train together, of the leader."""
        if agree(bool(self.stop)):
            self.stop.signal = self.stop.signal or signal.SIGTERM
        self.stop.obey()


class Execution:
    """A job with everything that stays the same while it is executed."""

    def __init__(self, job: Job, source_of: SourceOf, directory: StudyDirectory, options: Options):
        self.job, self.source_of, self.directory, self.options = job, source_of, directory, options
        self.configs = job.population.members
        config = self.configs[0]
        self.evaluation = job.method.evaluation(config)
        others = self.evaluation.other_data(config.data)
        self.sources = {name: source_of(data) for name, data in ({"own": config.data} | others).items()}
        self.dataset, self.data = self.sources["own"].dataset, self.sources["own"].data
        self.path = directory.population(job.method.name, job.ids)
        self.checkpoints = Checkpoints(self.path, job.ids)

    def task_or_none(self, config: Config) -> Task | None:
        """What a member trains, or is; None where its method has no parameters."""
        return self.job.method.task(config, self.dataset.train.image.shape[1:], self.dataset.num_classes)

    def task(self, config: Config) -> Task:
        """What a member trains, or is, of a method that has parameters."""
        task = self.task_or_none(config)
        assert task is not None, f"{self.job.method.name} has no parameters"
        return task

    def represent(self, config: Config, variables: Any, data: ResidentData) -> Representation:
        """What a member offers for evaluation, with these variables."""
        return self.job.method.represent(self.task_or_none(config), variables, config, data)

    def source(self, origin: str) -> Source:
        """Returns the data of features by their origin: the name of other data, or a layer of the study's own data."""
        return self.sources.get(origin, self.sources["own"])

    @functools.cached_property
    def members(self) -> Members:
        """The members, dealt out in rounds that fit into the devices' memory; on GPU and TPU that takes compiling."""
        at_once = self.configs[0].training.members_at_once
        if not self.job.method.trains:
            return Members(self.configs, at_once)
        program = lambda members: compile_training(members, self.task, self.data, self.chunk_epochs(members))  # noqa: E731
        return fit_members(self.configs, at_once, lambda members: program(members).memory_bytes)

    def chunk_epochs(self, members: Members) -> int:
        """Returns how many epochs the device runs before the host hears of them."""
        most = epochs_per_chunk(self.task(self.configs[0]), self.data)
        if members.at_once == 1:  # The same program, however soon they pause: those who have, cost nothing.
            return most
        left = [self.task(config).last_epoch - epoch for config, epoch in zip(self.configs, self.begun, strict=True)]
        return max(1, min(most, *left))

    @property
    def begun(self) -> list[int]:
        """How many epochs each member has behind it when it begins: those of the member that it goes on from."""
        return [self.task(config).last_epoch for config in self.job.continues] or [0] * len(self.configs)

    def rounds(self, members: Members) -> Iterator[int]:
        """Yields the index of each round of members that are evaluated, with a progress bar, until a stop is asked."""
        with progress_bar(members.num, f"{self.job}, evaluation", "member", shown=is_leader()) as bar:
            for index in range(members.num_rounds):
                yield index
                first, after = members.span(index)
                bar.update(after - first)
                self.options.obey_stop()

    def halve_members(self) -> None:
        """Deals the members out in smaller rounds, of half as many on each device."""
        self.members = Members(self.configs, self.members.at_once // 2)
