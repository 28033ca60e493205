"""The trackers of one population while it trains, fed from its curves."""

import contextlib
import functools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aejax.errors import in_one_line
from aejax.trackers.base import Metrics, TrackedPopulation, Tracker
from aejax.trackers.zoo import TRACKERS


class Tracking:
    """Tells trackers of every epoch once; one that fails is left out from there on. A context manager.

    A thread of its own does so: training waits for no tracker, only its end does. Training gives the same bits whenever
    it is done again, so an epoch that a tracker holds already is as it would be.
    """

    def __init__(self, say: Callable[[str], None]):
        """Calls `say` with a line where a tracker fails."""
        self._say = say
        self._held: dict[Tracker, list[int]] = {}  # The last epoch of each member.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="trackers")

    def begin(self, names: Iterable[str], population: TrackedPopulation) -> None:
        """Opens the runs of a population's members at trackers."""
        self._held = {TRACKERS[name](): [] for name in names}
        self._tell(functools.partial(self._begin, population))

    def __enter__(self) -> "Tracking":
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        """Ends all runs, after telling the rest; where training was stopped, its next start does that."""
        if kind is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = ThreadPoolExecutor(max_workers=1)
        self._tell(operator.methodcaller("close"))
        self._thread.shutdown()

    def log(self, member: int, epochs: Sequence[Metrics]) -> None:
        """Tells of epochs of the member at an index, in order; those that a tracker holds are left out."""
        self._tell(functools.partial(self._log, member, epochs))

    def finish(self, results: Sequence[Mapping[str, Any]]) -> None:
        """Tells what came of all members, as results.json has it, in their order."""
        for index, member in enumerate(results):
            self._tell(operator.methodcaller("finish", index, member["status"], member["metrics"]))

    def _begin(self, population: TrackedPopulation, tracker: Tracker) -> None:
        self._held[tracker] = list(tracker.begin(population))

    def _log(self, member: int, epochs: Sequence[Metrics], tracker: Tracker) -> None:
        held = self._held[tracker]
        new = [metrics for metrics in epochs if metrics["epoch"] > held[member]]
        if new:
            tracker.log(member, new)
            held[member] = int(new[-1]["epoch"])

    def _tell(self, call: Callable[[Tracker], None]) -> None:
        if self._held:
            self._thread.submit(self._attempt, call)

    def _attempt(self, call: Callable[[Tracker], None]) -> None:
        for tracker in list(self._held):
            try:
                call(tracker)
            except Exception as error:
                self._say(f"tracker {tracker.kind}: {in_one_line(error)}; training goes on without it")
                del self._held[tracker]
                with contextlib.suppress(Exception):  # It has failed, so it may not be able to.
                    tracker.close()
