"""Executing populations in other processes, perhaps on other machines, that see the study's directory.

What is sent is a population's name: the other process reads the study, and goes on from the population's checkpoint.
"""

import abc
import collections
import contextlib
import functools
import os
import pathlib
import platform
import time
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

from aejax.errors import ConfigError, Interrupted, InUse, UserError, in_one_line
from aejax.experiment import Config
from aejax.samplers.zoo import CLASSIFIER
from aejax.store.directory import StudyDirectory
from aejax.store.files import exists
from aejax.store.record import require_record
from aejax.store.status import PopulationStatus, read_status
from aejax.store.stop import StopFile, passed_on
from aejax.study.executors.base import Outcome
from aejax.study.job import Job, Options
from aejax.study.plan import Roster, clues_in, data_key, read_data, recorded_configs
from aejax.study.worker import Worker
from aejax.training.setup import add_xla_options, set_up_jax
from aejax.user_files import load_plugins, loaded_plugins

POLL_SECONDS = 0.5
RETRIES = 5  # How often a population is begun again at a checkpoint where its process died.


class Answer(NamedTuple):
    """What another process says of a population."""

    failure: str | None = None  # Why it failed, in one line.
    in_use: bool = False  # Whether that is because a third process is at it, which the first may not know of.


class Ticket(NamedTuple):
    """A population by its name: all that is sent to another process."""

    path: str  # Of the study's directory, absolute; there it is the same.
    method: str
    members: tuple[str, ...]
    checkpoint_seconds: float
    trackers: tuple[str, ...]
    xla_flags: str  # Bits depend on them.
    plugins: tuple[str, ...] = ()  # Files of the user's, by their absolute paths.

    def __call__(self) -> Answer:
        """Executes the population."""
        if StopFile(pathlib.Path(self.path)):
            return Answer()  # Who asked for it knows.
        add_xla_options(self.xla_flags.split())
        try:
            load_plugins(self.plugins)
            record = StudyDirectory(self.path).record
            changed = record.stat().st_mtime_ns if record.exists() else 0
            worker = _worker(self.path, self.checkpoint_seconds, self.trackers, changed)
            return Answer(worker.execute(worker.roster.job(self.method, self.members)))
        except Interrupted:
            return Answer()
        except InUse as error:
            return Answer(str(error), in_use=True)
        except (UserError, OSError) as error:
            return Answer(f"on {platform.node()}: {error}")
        except Exception as error:
            traceback.print_exc()
            return Answer(f"on {platform.node()}: {in_one_line(error)}")


def make_ticket(job: Job, worker: Worker) -> Ticket:
    """Returns the name of a population of the study that a worker works on."""
    options = worker.options
    return Ticket(
        path=str(worker.directory.path.resolve()),
        method=job.method.name,
        members=job.ids,
        checkpoint_seconds=options.checkpoint_seconds,
        trackers=options.trackers,
        xla_flags=os.environ.get("XLA_FLAGS", ""),
        plugins=tuple(loaded_plugins()),
    )


class Died(Exception):
    """The process that executed a population is gone, with nothing said."""


class Remote(abc.ABC):
    """An executor whose populations are executed elsewhere, several at a time; see `Executor`."""

    HERE: ClassVar[bool] = False

    def __init__(self, num_workers: int | None):
        """Takes how many populations are executed at a time, at most; None: as many as the engine likes."""
        self._num_workers = num_workers

    def check(self, configs: Sequence[Config]) -> None:
        """Raises ConfigError if images are compared by a function: only this process was given it."""
        for config in configs:
            if config.generation.sampler.kind != "none" and config.generation.features != CLASSIFIER:
                raise ConfigError(
                    f"generation.features={config.generation.features} is code of yours, which runs in this process "
                    "alone; use --executor=local, or generation.features=classifier"
                )

    def run(self, jobs: Sequence[Job], worker: Worker) -> Iterator[Outcome]:
        """Yields what came of each population, in the order in which they end."""
        stop, directory, say = worker.options.stop, worker.directory, worker.options.say
        waiting, running = collections.deque(jobs), dict[Any, Job]()
        deaths = collections.Counter[tuple[Job, int | None]]()  # By the checkpoint that was the newest.
        with passed_on(stop, directory.path) as pass_on, self.engine(worker):
            while running or (waiting and not stop):
                room = (self._num_workers or len(jobs)) - len(running)
                next_jobs = [] if stop else [waiting.popleft() for _ in range(min(room, len(waiting)))]
                if next_jobs:
                    handles = self.submit([make_ticket(job, worker) for job in next_jobs])
                    running |= dict(zip(handles, next_jobs, strict=True))
                time.sleep(POLL_SECONDS)
                if pass_on():
                    for handle in [handle for handle in running if not _has_begun(running[handle], directory)]:
                        self.withdraw(handle)
                        del running[handle]
                for handle in [handle for handle in running if self.has_ended(handle)]:
                    job = running.pop(handle)
                    try:
                        failure, in_use = self.result(handle)
                    except Died as death:
                        status = _status(job, directory)
                        key = job, status and status.checkpoint
                        deaths[key] += 1
                        if deaths[key] <= RETRIES:
                            say(f"{job}: its process died ({death}); it goes on from its checkpoint")
                            worker.enter(job, "waiting")
                            waiting.appendleft(job)
                            continue
                        failure, in_use = f"its process died {deaths[key]} times at one checkpoint ({death})", False
                    if in_use:
                        # Perhaps of a process that outlived the one that asked for it; it will end as well.
                        say(f"{job} has to wait: {failure}")
                        waiting.append(job)
                        continue
                    if failure is not None:
                        worker.enter(job, "failed", failure)
                    if failure is not None or not stop:  # A population that has stopped is not finished.
                        yield Outcome(job, failure)
        stop.obey()

    @abc.abstractmethod
    def engine(self, worker: Worker) -> contextlib.AbstractContextManager[Any]:
        """Connects to the engine for as long as populations of a worker's study are executed.

        Raises:
          UserError: if it cannot be reached.
        """

    @abc.abstractmethod
    def submit(self, tickets: Sequence[Ticket]) -> Sequence[Any]:
        """Asks for populations; returns something hashable to know each by.

        Raises:
          UserError: if the engine refuses.
        """

    @abc.abstractmethod
    def withdraw(self, handle: Any) -> None:
        """Asks no longer for a population that has not begun."""

    @abc.abstractmethod
    def has_ended(self, handle: Any) -> bool:
        """Returns whether its process has ended, in whatever way."""

    @abc.abstractmethod
    def result(self, handle: Any) -> Answer:
        """The answer of a population's process that has ended.

        Raises:
          Died: if it gave nothing.
        """


def _status(job: Job, directory: StudyDirectory) -> PopulationStatus | None:
    return read_status(directory.population(job.method.name, job.ids))


def _has_begun(job: Job, directory: StudyDirectory) -> bool:
    status = _status(job, directory)
    return status is not None and status.state != "waiting"


@functools.lru_cache(maxsize=1)
def _worker(path: str, checkpoint_seconds: float, trackers: tuple[str, ...], changed: int) -> Worker:
    """The worker of this process for a study; it reads the data once, unless the study grows.

    Raises:
      UserError: if there is no such study here, or the data are not those that it was begun with.
    """
    set_up_jax()
    directory = StudyDirectory(path)
    if not exists(directory.record):
        raise UserError(f"{path} is not there; put --workdir where every machine sees it under the same name")
    record = require_record(directory)
    configs = recorded_configs(directory, record)
    datasets = read_data(configs, clues_of=clues_in(record, directory))
    for data, dataset in datasets.items():
        then = record.data[data_key(data)]
        if dataset.fingerprint != then:
            raise UserError(
                f"{dataset.name} is another here (fingerprint {dataset.fingerprint}) than where the study was begun "
                f"({then}); give this machine the same data"
            )
    stop = StopFile(pathlib.Path(path))
    options = Options(trackers, checkpoint_seconds, stop)
    return Worker(Roster(configs, datasets, record.lineage, record.parent), datasets, directory, options)
