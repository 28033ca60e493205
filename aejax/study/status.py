"""status.json: who the members of a population are, and how far they are. Written often, so kept small."""

import pathlib
import time
from typing import Any, Literal, NamedTuple

from aejax.errors import UserError
from aejax.study.directory import StudyDirectory, exists, read_json, write_json

FILE = "status.json"

State = Literal["waiting", "running", "finished", "failed"]


class PopulationStatus(NamedTuple):
    """Where a population stands. It is only finished once its results are there."""

    method: str
    members: tuple[str, ...]  # Ids of configs, in the order of the checkpoint's arrays.
    state: State
    checkpoint: int | None = None  # The newest that was saved.
    error: str | None = None  # Why it failed.
    work: float = 0.0  # About how much training there is to do: epochs of all members.
    wave: int = 0  # Populations of a wave begin when those of the waves before it have ended.
    since: float | None = None  # When it got into this state, in seconds since 1970.
    seconds: float = 0.0  # What it took to finish, without what killed processes lost.
    training: float = 0.0  # How much of that was training; of one that runs, in the processes before this one.

    def enter(self, state: State) -> "PopulationStatus":
        """Returns the status as of now, in another state."""
        return self._replace(state=state, since=time.time(), error=None)

    @property
    def begun(self) -> bool:
        """Whether something was done that is not finished."""
        return self.state in ("running", "failed") or (self.state == "waiting" and self.checkpoint is not None)


def read_status(path: pathlib.Path) -> PopulationStatus | None:
    """Returns the status of the population in a directory, or None where none was begun there.

    Raises:
      UserError: if the file holds something else.
    """
    if not exists(path / FILE):
        return None
    tree: Any = read_json(path / FILE)
    try:
        status = PopulationStatus(**tree)
        return status._replace(members=tuple(status.members))
    except TypeError:
        raise UserError(f"{path / FILE} is no status of a population; delete {path} and train again") from None


def write_status(path: pathlib.Path, status: PopulationStatus) -> None:
    """Writes the status of the population in a directory."""
    write_json(path / FILE, status._asdict())


def read_statuses(directory: StudyDirectory) -> dict[pathlib.Path, PopulationStatus]:
    """Returns the status of every population of a study by its directory."""
    found = {path: read_status(path) for path in directory.populations()}
    return {path: status for path, status in found.items() if status is not None}
