"""A tracker: what shows the members of a population as runs, and is fed from finished chunks of epochs."""

import abc
import importlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aejax.errors import UserError

Metrics = Mapping[str, float]


class TrackedMember(NamedTuple):
    """A member as trackers know it; members that differ in the seed alone share `setting`."""

    id: str
    setting: str
    seed: int
    config: Mapping[str, Any]  # As a plain tree.


class TrackedPopulation(NamedTuple):
    """The members of a population that is trained, and where they belong."""

    study: str  # Its name.
    start: str  # Tells the study from others of this name: all starts of one share it.
    folder: pathlib.Path  # Where to write what nobody wants elsewhere.
    path: pathlib.Path  # Of the population's own directory.
    method: str
    members: tuple[TrackedMember, ...]

    def key(self, member: TrackedMember) -> str:
        """A name for a member's run that is the same whenever the study goes on, and no other study's."""
        return f"{self.method}-{member.id}-{self.start}"


class Tracker(abc.ABC):
    """Shows the members of one population, a run for each.

    A subclass has a field `kind: Literal["name"] = "name"`. Whatever its methods raise after `check` turns the tracker
    off with a warning: training goes on.
    """

    kind: str

    def check(self) -> None:
        """Checks that the tracker works here, before anything is trained.

        Raises:
          UserError: if it does not, saying what is missing.
        """
        return

    @abc.abstractmethod
    def begin(self, population: TrackedPopulation) -> Sequence[int]:
        """Opens the run of each member, or goes on with it; returns the last epoch that each holds already.

        All later epochs are logged next, also those that an earlier start of the study has trained.
        """

    @abc.abstractmethod
    def log(self, member: int, epochs: Sequence[Metrics]) -> None:
        """Writes the metrics of further epochs of the member at an index; `epoch` is among them, counted from 1."""

    @abc.abstractmethod
    def finish(self, member: int, status: str, metrics: Metrics) -> None:
        """Ends the run of a member that was evaluated, with what came of it; see `aejax.store.results`."""

    @abc.abstractmethod
    def close(self) -> None:
        """Ends the runs that `finish` has not: the study stops here and may go on later, or the tracker has failed."""


def require_package(package: str, kind: str) -> None:
    """Raises UserError where a tracker's package is missing."""
    try:
        importlib.import_module(package)
    except ImportError:
        raise UserError(f"tracker {kind} needs a package that is missing; run pip install 'aejax[{kind}]'") from None
