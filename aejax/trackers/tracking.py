"""The trackers of one population while it trains, fed from its curves."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from aejax.errors import in_one_line
from aejax.trackers.base import Metrics, TrackedPopulation, Tracker
from aejax.trackers.zoo import TRACKERS


class Tracking:
    """Tells trackers of every epoch once; one that fails is left out from there on. A context manager.

    Training gives the same bits whenever it is done again, so an epoch that a tracker holds is as it would be.
    """

    def __init__(self, say: Callable[[str], None]):
        """Takes who is told, in a line, of a tracker that fails."""
        self._say = say
        self._held: dict[Tracker, list[int]] = {}  # The last epoch of each member.

    def begin(self, names: Iterable[str], population: TrackedPopulation) -> None:
        """Opens the runs of a population's members at trackers."""
        for name in names:
            tracker = TRACKERS[name]()
            self._held[tracker] = [0] * len(population.members)
            held = self._attempt(tracker, functools.partial(tracker.begin, population))
            if held is not None:
                self._held[tracker] = list(held)

    def __enter__(self) -> "Tracking":
        return self

    def __exit__(self, *_: Any) -> None:
        for tracker in list(self._held):
            self._attempt(tracker, tracker.close)

    def log(self, member: int, epochs: Sequence[Metrics]) -> None:
        """Tells of epochs of the member at an index, in order; those that a tracker holds are left out."""
        for tracker, held in list(self._held.items()):
            new = [metrics for metrics in epochs if metrics["epoch"] > held[member]]
            if new:
                self._attempt(tracker, functools.partial(tracker.log, member, new))
                held[member] = int(new[-1]["epoch"])

    def finish(self, results: Sequence[Mapping[str, Any]]) -> None:
        """Tells what came of all members, as results.json has it, in their order."""
        for index, member in enumerate(results):
            for tracker in list(self._held):
                self._attempt(tracker, functools.partial(tracker.finish, index, member["status"], member["metrics"]))

    def _attempt(self, tracker: Tracker, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            self._say(f"--tracker={tracker.kind}: {in_one_line(error)}; training goes on without it")
            del self._held[tracker]
            return None
