"""Executing populations in other processes, perhaps on other machines, that see the study's directory.

What is sent is a population's name: the other process reads the study, and goes on from the population's checkpoint.
"""

import abc
import collections
import contextlib
import functools
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from aejax.errors import Interrupted, UserError
from aejax.experiment import Config, load_recorded
from aejax.study.directory import StudyDirectory
from aejax.study.executors.base import Outcome
from aejax.study.job import Job, Options
from aejax.study.plan import data_key, job_of, load_data
from aejax.study.record import require_record
from aejax.study.stop import StopFile, passed_on
from aejax.study.worker import Worker
from aejax.training.setup import set_up_jax

POLL_SECONDS = 0.5
RETRIES = 5  # How often a population is begun again whose process died.


class Ticket(NamedTuple):
    """A population by its name: all that is sent to another process."""

    path: str  # Of the study's directory, absolute; there it is the same.
    method: str
    members: tuple[str, ...]
    checkpoint_seconds: float
    tensorboard: bool

    def __call__(self) -> str | None:
        """Executes the population; returns why that failed, in one line, or None."""
        try:
            worker = _worker(self.path, self.checkpoint_seconds, self.tensorboard)
            return worker.work(job_of(self.method, self.members, worker.members))
        except Interrupted:
            return None  # Who asked for it knows.
        except (UserError, OSError) as error:
            return str(error)


def make_ticket(job: Job, worker: Worker) -> Ticket:
    """Returns the name of a population of the study that a worker works on."""
    options = worker.options
    path = str(worker.directory.path.resolve())
    return Ticket(path, job.method.name, job.ids, options.checkpoint_seconds, options.tensorboard)


class Died(Exception):
    """The process that executed a population is gone, with nothing said."""


class Remote(abc.ABC):
    """An executor whose populations are executed elsewhere, several at a time; see `Executor`."""

    def __init__(self, num_workers: int | None):
        """Takes how many populations are executed at a time, at most; None: as many as the engine likes."""
        self._num_workers = num_workers

    def check(self, configs: Sequence[Config]) -> None:
        """Raises nothing: which devices there are only the other processes know."""
        del configs

    def run(self, jobs: Sequence[Job], worker: Worker) -> Iterator[Outcome]:
        """Yields what came of each population, in the order in which they end."""
        stop, path = worker.options.stop, worker.directory.path
        waiting, running, deaths = list(jobs), dict[Any, Job](), collections.Counter[Job]()
        with passed_on(stop, path) as pass_on, self.engine(path):
            while running or (waiting and not stop):
                while waiting and not stop and len(running) < (self._num_workers or len(jobs)):
                    job = waiting.pop(0)
                    running[self.submit(make_ticket(job, worker))] = job
                time.sleep(POLL_SECONDS)
                pass_on()
                for handle in [handle for handle in running if self.has_ended(handle)]:
                    job = running.pop(handle)
                    try:
                        yield Outcome(job, self.result(handle))
                    except Died as death:
                        deaths[job] += 1
                        if deaths[job] > RETRIES:
                            yield Outcome(job, f"its process died {deaths[job]} times; the last time {death}")
                        elif not stop:
                            worker.options.say(f"{job}: {death}; it goes on from its checkpoint")
                            waiting.insert(0, job)
        stop.obey()

    @abc.abstractmethod
    def engine(self, path: pathlib.Path) -> contextlib.AbstractContextManager[Any]:
        """Returns what connects to the engine for as long as populations are executed.

        Args:
          path: of the study's directory.

        Raises:
          UserError: if it cannot be reached.
        """

    @abc.abstractmethod
    def submit(self, ticket: Ticket) -> Any:
        """Asks for a population; returns something hashable to know it by."""

    @abc.abstractmethod
    def has_ended(self, handle: Any) -> bool:
        """Returns whether its process has ended, in whatever way."""

    @abc.abstractmethod
    def result(self, handle: Any) -> str | None:
        """Returns what the ticket gave, of one that has ended.

        Raises:
          Died: if it gave nothing.
        """


@functools.lru_cache(maxsize=1)
def _worker(path: str, checkpoint_seconds: float, tensorboard: bool) -> Worker:
    """Returns what executes populations of a study in this process; it reads the data once.

    Raises:
      UserError: if there is no such study here, or the data are not those that it was begun with.
    """
    set_up_jax()
    directory = StudyDirectory(path)
    record = require_record(directory)
    configs = [load_recorded(tree) for tree in record.configs]
    datasets = load_data(configs)
    for data, dataset in datasets.items():
        then = record.data[data_key(data)]
        if dataset.fingerprint != then:
            raise UserError(
                f"{dataset.name} is another here (fingerprint {dataset.fingerprint}) than where the study was begun "
                f"({then}); give this machine the same data"
            )
    stop = StopFile(pathlib.Path(path))
    return Worker(configs, datasets, directory, Options(tensorboard, checkpoint_seconds, stop))
