"""This process executes one population after another."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from aejax.errors import InUse
from aejax.experiment import Config
from aejax.study.executors.base import Outcome
from aejax.study.job import Job
from aejax.study.worker import Worker
from aejax.training.compilation import cancel_compilations, wait_for_compilations
from aejax.training.population import device_mesh

AHEAD = 3  # Populations whose programs are compiled together: the one that is executed, and those that come next.


class Local:
    """Executes populations in this process, on all of its devices."""

    HERE: ClassVar[bool] = True

    def check(self, configs: Sequence[Config]) -> None:
        """Raises UserError if the devices cannot be dealt out as the configs want."""
        for num in {config.training.devices_per_member for config in configs}:
            device_mesh(devices_per_member=num)

    def run(self, jobs: Sequence[Job], worker: Worker) -> Iterator[Outcome]:
        """Yields what came of each population, in their order."""
        try:
            for index, job in enumerate(jobs):
                worker.foresee(jobs[index : index + AHEAD])
                wait_for_compilations(worker.options.obey_stop)
                try:
                    failure = worker.execute(job)
                except InUse as error:
                    failure = str(error)
                yield Outcome(job, failure)
                worker.options.obey_stop()
        finally:
            cancel_compilations()
