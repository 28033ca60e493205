"""Slurm executes populations, as the jobs of an array, through submitit: https://github.com/facebookincubator/submitit."""

import contextlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from aejax.errors import UserError
from aejax.study.executors.remote import Died, Remote, Ticket

LOGS = ".slurm"  # Of a study's directory: what the jobs print.


class Slurm(Remote):
    """Executes populations as Slurm jobs; those that are preempted queue again, and go on from their checkpoint."""

    def __init__(
        self,
        num_workers: int | None = None,
        parameters: Mapping[str, Any] | None = None,
        cluster: Literal["slurm", "local"] = "slurm",
    ):
        """Takes what jobs ask for, by submitit's names (`timeout_min`, `slurm_partition`, ...).

        `cluster` may be "local": processes of this machine take the place of Slurm's.

        Raises:
          UserError: if submitit is not installed.
        """
        super().__init__(num_workers)
        try:
            import submitit
        except ImportError:
            raise UserError(
                "--executor=slurm needs a package that is missing; run pip install 'aejax[cluster]'"
            ) from None
        self._submitit, self._cluster, self._parameters = submitit, cluster, dict(parameters or {})
        self._executor: Any = None

    @contextlib.contextmanager
    def engine(self, path: pathlib.Path) -> Iterator[None]:
        """Finds Slurm."""
        try:
            self._executor = self._submitit.AutoExecutor(folder=path / LOGS, cluster=self._cluster)
            self._executor.update_parameters(name=f"aejax-{path.name}", **self._parameters)
        except (RuntimeError, NameError, TypeError, ValueError) as error:
            raise UserError(f"--executor=slurm: {' '.join(str(error).split())}") from None
        yield

    def submit(self, ticket: Ticket) -> Any:
        """Asks for a population."""
        return self._executor.submit(_Task(ticket))

    def has_ended(self, handle: Any) -> bool:
        """Returns whether the job has ended and does not queue again."""
        return handle.done()

    def result(self, handle: Any) -> str | None:
        """Returns what the ticket gave."""
        try:
            return handle.result()
        except self._submitit.core.utils.FailedJobError as error:
            return " ".join(str(error).strip().splitlines()[-1].split())[:500]
        except self._submitit.core.utils.UncompletedJobError as error:
            raise Died(f"job {handle.job_id} ended with nothing said") from error


class _Task:
    """A ticket that submitit may send again when its job is preempted."""

    def __init__(self, ticket: Ticket):
        self._ticket = ticket

    def __call__(self) -> str | None:
        return self._ticket()

    def checkpoint(self) -> Any:
        """Returns what takes the place of a job that is preempted: the population is saved already."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)
