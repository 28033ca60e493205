"""How far a study is: which populations are finished, running, waiting or failed, and how long the rest will take."""

import heapq
import time
from collections.abc import Sequence
from typing import NamedTuple

from aejax.study.directory import StudyDirectory
from aejax.study.status import PopulationStatus, read_statuses

LATE = 0.1  # Of what was expected of a population is still expected when it has taken all of that.


class Progress(NamedTuple):
    """How many populations stand where, and how many seconds are left; None while nothing can be said of it."""

    finished: int
    running: int
    waiting: int
    failed: int
    seconds_left: float | None

    def __str__(self) -> str:
        total = self.finished + self.running + self.waiting + self.failed
        parts = [f"{self.finished} of {total} populations finished", f"{self.running} running"]
        parts += [f"{self.waiting} waiting"] if self.waiting else []
        parts += [f"{self.failed} failed"] if self.failed else []
        if self.running + self.waiting:
            parts.append(
                "time left unknown" if self.seconds_left is None else f"about {_in_words(self.seconds_left)} left"
            )
        return ", ".join(parts)


def read_progress(directory: StudyDirectory) -> Progress:
    """Returns how far the study in a directory is."""
    return progress(list(read_statuses(directory).values()), time.time())


def describe(directory: StudyDirectory) -> str:
    """Returns how far the study in a directory is, as text: a line for each population, and one for all."""
    now = time.time()
    lines = []
    for path, status in sorted(read_statuses(directory).items(), key=lambda item: item[1].since or 0.0):
        seconds = status.seconds if status.state == "finished" else now - (status.since or now)
        members = f"{len(status.members)} member{'s' if len(status.members) > 1 else ' '}"
        lines.append(
            f"{path.name:28} {members:>12}  {status.state:8} {_in_words(seconds):>9}  {status.error or ''}".rstrip()
        )
    return "\n".join([*lines, str(read_progress(directory))])


def progress(statuses: Sequence[PopulationStatus], now: float) -> Progress:
    """Returns how far populations are at a moment, in seconds since 1970.

    What is not finished takes as long, for its work, as what is: populations of the same method if there are any. As
    many as run now are taken to run until the end, the longest first.
    """
    count = {state: sum(status.state == state for status in statuses) for state in ("finished", "running", "waiting")}
    running = [status for status in statuses if status.state == "running"]
    pace = _paces(statuses)
    seconds_left = None
    if pace and running:
        left = [_left(_expected(status, pace), now - (status.since or now)) for status in running]
        waiting = [_expected(status, pace) for status in statuses if status.state == "waiting"]
        heapq.heapify(left)
        for seconds in sorted(waiting, reverse=True):
            heapq.heappush(left, heapq.heappop(left) + seconds)
        seconds_left = max(left)
    failed = len(statuses) - sum(count.values())
    return Progress(count["finished"], count["running"], count["waiting"], failed, seconds_left)


def _paces(statuses: Sequence[PopulationStatus]) -> dict[str, float]:
    """Returns seconds for a unit of work, by method, and of all methods by the empty name; nothing if none is known."""
    sums: dict[str, tuple[float, float]] = {}
    for status in statuses:
        if status.state == "finished" and status.seconds and status.work:
            for name in ("", status.method):
                seconds, work = sums.get(name, (0.0, 0.0))
                sums[name] = seconds + status.seconds, work + status.work
    return {name: seconds / work for name, (seconds, work) in sums.items()}


def _expected(status: PopulationStatus, pace: dict[str, float]) -> float:
    return status.work * pace.get(status.method, pace[""])


def _left(expected: float, elapsed: float) -> float:
    return max(expected - elapsed, LATE * expected)


def _in_words(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
