"""status.json: who the members of a population are, and how far they are. Written often, so kept small."""

import pathlib
import time
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from aejax.config import NonNegativeFloat, NonNegativeInt, PositiveInt
from aejax.store.directory import StudyDirectory, population_name
from aejax.store.files import Damaged, exists, read, write_json

FILE = "status.json"

State = Literal["waiting", "running", "finished", "failed"]
MemberId = Annotated[str, Field(pattern="^[0-9a-f]{12}$")]


class PopulationStatus(NamedTuple):
    """Where a population stands. It is only finished once its results are there."""

    method: str
    members: Annotated[tuple[MemberId, ...], Field(min_length=1)]  # In the order of the checkpoint's arrays.
    state: State
    checkpoint: PositiveInt | None = None  # The newest that was saved.
    error: str | None = None  # Why it failed.
    work: float = 0.0  # About how much training there is to do: epochs of all members.
    wave: NonNegativeInt = 0  # Populations of a wave begin when those of the waves before it have ended.
    since: NonNegativeFloat | None = None  # When it got into this state, in seconds since 1970.
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
    """The status of the population in a directory, or None where it has none.

    Raises:
      OSError: if it cannot be read now.
      Damaged: if the file holds something else, or the status of other members.
    """
    if not exists(path / FILE):
        return None
    status = read(PopulationStatus, path / FILE)
    if population_name(status.method, status.members) != path.name:
        raise Damaged(path / FILE, "it is another population's")
    return status


def write_status(path: pathlib.Path, status: PopulationStatus) -> None:
    """Writes the status of the population in a directory."""
    write_json(path / FILE, status._asdict())


def read_statuses(directory: StudyDirectory) -> dict[pathlib.Path, PopulationStatus]:
    """The status of every population of a study by its directory, but for those whose status is missing or damaged.

    `aejax.store.evidence` says which these are.
    """
    statuses: dict[pathlib.Path, PopulationStatus] = {}
    for path in directory.populations():
        try:
            status = read_status(path)
        except Damaged:
            continue
        if status is not None:
            statuses[path] = status
    return statuses
