"""This process executes one population after another."""

from collections.abc import Iterator, Sequence

from aejax.study.executors.base import Outcome
from aejax.study.job import Job
from aejax.study.worker import Worker


class Local:
    """Executes populations in this process, on all of its devices."""

    def run(self, jobs: Sequence[Job], worker: Worker) -> Iterator[Outcome]:
        """Yields what came of each population, in their order."""
        for job in jobs:
            yield Outcome(job, worker.work(job))
            worker.options.obey_stop()
