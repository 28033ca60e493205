"""What every executor does: it has populations executed, wherever that is, and says what came of each."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple, Protocol

from aejax.experiment import Config
from aejax.study.job import Job
from aejax.study.worker import Worker


class Outcome(NamedTuple):
    """A population that is finished, or failed."""

    job: Job
    failure: str | None  # Why, in one line; None: it is finished.


class Executor(Protocol):
    """Executes populations that do not need each other.

    The unit is a population, which goes on from its checkpoint: an executor may begin one as often as it likes, on
    any machine that sees the study's directory.
    """

    HERE: ClassVar[bool]  # Whether this machine alone executes them: others may have more memory.

    def check(self, configs: Sequence[Config]) -> None:
        """Raises UserError if populations of these configs cannot be executed, as far as this process knows."""

    def run(self, jobs: Sequence[Job], worker: Worker) -> Iterator[Outcome]:
        """Yields what came of each population, in the order in which they end.

        Args:
          jobs: to execute.
          worker: what can execute them here, and knows the study's directory and options.

        Raises:
          Interrupted: if a stop was asked for; what was done is saved.
        """
