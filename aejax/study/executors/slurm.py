"""Slurm executes populations, as the jobs of arrays, through submitit: https://github.com/facebookincubator/submitit."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from aejax.errors import UserError
from aejax.study.executors.remote import Answer, Died, Remote, Ticket
from aejax.study.worker import Worker

LOGS = ".slurm"  # Of a study's directory: what the jobs print.
TIMEOUTS = 20  # How often a job that reaches its time limit queues again.


class Slurm(Remote):
    """Executes populations as Slurm jobs.

    Those that are preempted, or reach their time limit, queue again and go on from their checkpoint.
    """

    def __init__(
        self,
        num_workers: int | None = None,
        parameters: Mapping[str, Any] | None = None,
        cluster: Literal["slurm", "local"] = "slurm",
    ):
        """Takes what jobs ask for, by submitit's names (`timeout_min`, `slurm_partition`, ...).

        `cluster` may be "local": processes of this machine take the place of Slurm's.

        Raises:
          UserError: if submitit is not installed, or if there is no Slurm.
        """
        super().__init__(num_workers)
        try:
            import submitit
        except ImportError:
            raise UserError(
                "--executor=slurm needs a package that is missing; run pip install 'aejax[cluster]'"
            ) from None
        if cluster == "slurm" and not shutil.which("sbatch"):
            raise UserError("--executor=slurm: there is no sbatch here; run this where jobs are submitted to Slurm")
        self._submitit, self._cluster, self._parameters = submitit, cluster, dict(parameters or {})
        self._executor: Any = None

    @contextlib.contextmanager
    def engine(self, worker: Worker) -> Iterator[None]:
        """Finds Slurm, and checks what jobs ask for."""
        path = worker.directory.path
        try:
            self._executor = self._submitit.AutoExecutor(
                folder=path / LOGS, cluster=self._cluster, slurm_max_num_timeout=TIMEOUTS
            )
            self._executor.update_parameters(**{"name": f"aejax-{path.name}"} | self._parameters)
        except (RuntimeError, NameError, TypeError, ValueError, AssertionError) as error:
            raise UserError(f"--executor=slurm: {str(error).splitlines()[0]}") from None
        yield

    def submit(self, tickets: Sequence[Ticket]) -> Sequence[Any]:
        """Asks for populations, as the jobs of an array."""
        try:
            return self._executor.submit_array([_Task(ticket) for ticket in tickets])
        except RuntimeError as error:
            raise UserError(f"--executor=slurm: the job is refused: {' '.join(str(error).split())[:500]}") from None

    def withdraw(self, handle: Any) -> None:
        """Cancels the job."""
        handle.cancel(check=False)

    def has_ended(self, handle: Any) -> bool:
        """Returns whether the job has ended and does not queue again."""
        return handle.done()

    def result(self, handle: Any) -> Answer:
        """The answer of the population's process."""
        try:
            return handle.result()
        except self._submitit.core.utils.FailedJobError:
            return Answer(f"job {handle.job_id} could not begin; see {handle.paths.stderr}")
        except self._submitit.core.utils.UncompletedJobError as error:
            raise Died(f"job {handle.job_id}, {handle.state.lower()}; see {handle.paths.stderr}") from error


class _Task:
    """A ticket that submitit may send again when its job is preempted."""

    def __init__(self, ticket: Ticket):
        self._ticket = ticket

    def __call__(self) -> Answer:
        return self._ticket()

    def checkpoint(self) -> Any:
        """The job that takes the place of a preempted one: the population is saved already."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)
