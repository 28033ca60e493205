"""status.json: who the members of a population are, and how far they are. Written often, so kept small."""

import pathlib
from typing import Any, Literal, NamedTuple

from aejax.errors import UserError
from aejax.study.directory import exists, read_json, write_json

FILE = "status.json"


class PopulationStatus(NamedTuple):
    """Where a population stands. It is only finished once its results are there."""

    method: str
    members: tuple[str, ...]  # Ids of configs, in the order of the checkpoint's arrays.
    state: Literal["training", "finished", "failed"]
    checkpoint: int | None = None  # The newest that was saved.
    error: str | None = None  # Why it failed.


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
