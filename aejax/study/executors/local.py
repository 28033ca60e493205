"""This process executes one population after another."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from aejax.errors import InUse
from aejax.experiment import Config
from aejax.study.executors.base import Outcome
from aejax.study.job import Job
from aejax.study.worker import Worker
from aejax.training.population import device_mesh


class Local:
    """Executes populations in this process, on all of its devices."""

    HERE: ClassVar[bool] = True

    def check(self, configs: Sequence[Config]) -> None:
        """Raises UserError if the devices cannot be dealt out as the configs want."""
        for num in {config.training.devices_per_member for config in configs}:
            device_mesh(devices_per_member=num)

    def run(self, jobs: Sequence[Job], worker: Worker) -> Iterator[Outcome]:
        """Yields what came of each population, in their order."""
        for job in jobs:
            try:
                failure = worker.work(job)
            except InUse as error:
                failure = str(error)
            yield Outcome(job, failure)
            worker.options.obey_stop()
