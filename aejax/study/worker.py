"""What executes populations of one study in a process, which reads the data once."""

import contextlib
import functools
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from aejax.data.load import DataConfig, Dataset
from aejax.errors import Interrupted, InUse, UserError, in_one_line, is_out_of_memory
from aejax.methods.zoo import SUBJECT
from aejax.store.directory import StudyDirectory
from aejax.store.status import State, read_status, read_statuses, write_status
from aejax.study.execute import Arrays, evaluate, execute
from aejax.study.foresee import foresee
from aejax.study.job import Execution, Job, Learnt, Options, Source
from aejax.study.plan import Roster


class Worker:
    """Executes populations of a study in this process and on its devices."""

    def __init__(
        self, roster: Roster, datasets: Mapping[DataConfig, Dataset], directory: StudyDirectory, options: Options
    ):
        self.directory, self.options = directory, options
        self._foreseen: dict[Job, Execution] = {}
        self.take(roster, datasets)

        @functools.cache
        def source_of(data: DataConfig) -> Source:
            return Source.of(self.datasets[data], data.preprocessing)

        self.source_of = source_of

    def take(self, roster: Roster, datasets: Mapping[DataConfig, Dataset]) -> None:
        """Takes what the study consists of, which may have grown."""
        self.roster, self.datasets = roster, datasets

    def foresee(self, jobs: Sequence[Job]) -> None:
        """Begins to compile what populations need that are to be executed next, in the background.

        Not where several processes train together: they would have to look ahead alike.
        """
        for job in jobs if jax.process_count() == 1 else ():
            # What fails here will say so when it is executed.
            with contextlib.suppress(Exception):
                if job not in self._foreseen:
                    self._foreseen[job] = self._execution(job)
                    foresee(self._foreseen[job])

    def execute(self, job: Job) -> str | None:
        """Trains and evaluates a population; returns why that failed, or None. What is finished stays as it is.

        Raises:
          Interrupted: if a stop was asked for; what was done is saved.
          InUse: if another process executes it.
          OSError: if the operating system refuses what other populations will need as well, such as room on a disk.
        """
        try:
            self.foresee([job])
            execution = self._foreseen.pop(job) if job in self._foreseen else self._execution(job)
            execute(execution, self._parents(job))
        except (Interrupted, InUse):
            raise
        except Exception as error:
            # One population that cannot be trained must not take the others with it.
            if not isinstance(error, UserError | OSError) and not is_out_of_memory(error):
                traceback.print_exc()
            reason = str(error) if isinstance(error, UserError) else in_one_line(error)
            with contextlib.suppress(OSError, UserError):  # A full disk may have no room for that either.
                self.enter(job, "failed", reason)
            if isinstance(error, OSError):
                raise
            return reason
        return None

    def enter(self, job: Job, state: State, error: str | None = None) -> None:
        """Writes that a population is in another state, and perhaps why; one that nobody announced stays unknown."""
        path = self.directory.population(job.method.name, job.ids)
        status = read_status(path)
        if status is not None:
            write_status(path, status.enter(state)._replace(error=error))

    def evaluate(self, job: Job) -> tuple[dict[str, Any], Arrays, Arrays]:
        """Returns the results, pictures and codes of a finished population, evaluated again from its checkpoint."""
        return evaluate(job, self.source_of, self.directory, self.options)

    def _execution(self, job: Job) -> Execution:
        return Execution(job, self.source_of, self.directory, self.options)

    def _parents(self, job: Job) -> list[Learnt]:
        """Returns finished populations among whose members are those that the job's begin with, or go on from."""
        method = SUBJECT if job.continues else job.method.warm_start_from
        own = [
            Learnt(self.roster.job(status.method, status.members), self.directory)
            for status in read_statuses(self.directory).values()
            if (status.method, status.state) == (method, "finished") and self.roster.has(status)
        ]
        if self.roster.parent is None or not job.continues:
            return own
        original = self.roster.parent.seen_from(self.directory)
        others = self.roster.jobs_of_parent(read_statuses(original).values())
        return own + [Learnt(other, original) for other in others]
