"""How far a study is: which populations are finished, running, waiting or failed, and how long the rest will take."""

import datetime
import heapq
import math
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_all
from aejax.store.record import Record, read_record
from aejax.store.status import PopulationStatus, State, read_statuses

LATE = 0.1  # Of what a population was expected to take, or has taken, it is expected to take more when it is late.
RECENT = 10  # So many populations that finished last say how long others take: machines and sweeps change.
ORDER: tuple[State, ...] = ("finished", "waiting", "failed", "running")  # Of lines: what one looks for comes last.


class Progress(NamedTuple):
    """How many populations stand where, and how many seconds are left; None while nothing can be said of it."""

    finished: int
    running: int
    waiting: int
    failed: int
    seconds_left: float | None

    def __str__(self) -> str:
        total = self.finished + self.running + self.waiting + self.failed
        parts = [f"{self.finished} of {total} populations finished"]
        parts += [f"{self.running} running"] if self.running else []
        parts += [f"{self.waiting} waiting"] if self.waiting else []
        parts += [f"{self.failed} failed"] if self.failed else []
        if self.running + self.waiting:
            parts.append(
                "time left unknown" if self.seconds_left is None else f"about {_in_words(self.seconds_left)} left"
            )
        return ", ".join(parts)


def read_progress(directory: StudyDirectory) -> Progress:
    """Returns how far the study in a directory is."""
    return progress(list(read_statuses(directory).values()), time.time(), _start(read_record(directory)))


def _start(record: Record | None) -> float:
    """Returns when a study was last started, in seconds since 1970."""
    return datetime.datetime.fromisoformat(record.starts[-1].time).timestamp() if record and record.starts else 0.0


def describe(directory: StudyDirectory, width: int | None = None) -> str:
    """Returns how far the study in a directory is, as text: a line for each population, and one for all.

    `width` is that of the terminal, to which the reasons of failures are cut; None: as long as they are.
    """
    now = time.time()
    record = read_record(directory)
    evidence = read_all(directory, record)
    populations = [(one.path.name, one.to_do or one.status) for one in evidence if one.status is not None]
    populations.sort(key=lambda item: (ORDER.index(item[1].state), item[1].since or 0.0))
    names = max((len(name) for name, _ in populations), default=0)
    counts = max((len(_members(status)) for _, status in populations), default=0)
    lines = []
    for name, status in populations:
        seconds = {"finished": status.seconds, "running": now - (status.since or now)}.get(status.state)
        duration = "" if seconds is None else _in_words(seconds)
        line = f"{name:{names}}  {_members(status):>{counts}}  {status.state:8}  {duration:>9}  {status.error or ''}"
        lines.append(line.rstrip() if width is None or len(line) <= width else line[: width - 1] + "…")
    broken = [f"{fault}; {fault.advice}" for one in evidence for fault in one.faults]
    total = progress([status for _, status in populations], now, _start(record))
    origin = [] if record is None or record.parent is None else [f"goes on from {record.parent}"]
    return "\n".join([*origin, *lines, *broken, str(total)])


def _members(status: PopulationStatus) -> str:
    return f"{len(status.members)} member{'s' if len(status.members) > 1 else ' '}"


def progress(statuses: Sequence[PopulationStatus], now: float, start: float = 0.0) -> Progress:
    """Returns how far populations are at a moment, in seconds since 1970.

    A population takes the time of training that its work takes at the pace of those that finished last, and beside it
    (to begin, compile, evaluate) what those took; of the same method, if there are any. As many go on at a time as
    did lately, the longest first, with as long a pause before each as was seen: a worker may have to begin.

    Args:
      statuses: of all populations.
      now: the moment.
      start: when the study was last started.
    """
    by_state = {state: [status for status in statuses if status.state == state] for state in ORDER}
    finished = [status for status in by_state["finished"] if status.seconds]
    seconds_left = None
    spans = [(max((s.since or now) - s.seconds, start), s.since or now) for s in finished if (s.since or now) > start]
    spans += [(status.since or now, math.inf) for status in by_state["running"]]
    if finished and spans:
        starts, ends = (sorted(moments) for moments in zip(*spans, strict=True))
        lanes = max(sum(begin <= moment < end for begin, end in spans) for moment in starts[-RECENT:])
        # So many begin with nothing before them, and each of the others after one that ended.
        pauses = [max(begin - end, 0.0) for begin, end in zip(starts[lanes:], ends, strict=False)]
        pause = statistics.median(pauses[-RECENT:] or [0.0])
        expected = _Expected(finished)
        seconds_left = 0.0
        for wave in {status.wave for status in (*by_state["running"], *by_state["waiting"])}:
            running = [expected.left(status, now) for status in by_state["running"] if status.wave == wave]
            waiting = [expected.left(status, now) + pause for status in by_state["waiting"] if status.wave == wave]
            seconds_left += _makespan(running + waiting, lanes)
    return Progress(
        len(by_state["finished"]),
        len(by_state["running"]),
        len(by_state["waiting"]),
        len(by_state["failed"]),
        seconds_left,
    )


def _makespan(durations: Sequence[float], lanes: int) -> float:
    """Returns how long it takes to do what takes so long on so many lanes, the longest first."""
    ends = [0.0] * lanes
    for seconds in sorted(durations, reverse=True):
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)


class _Expected:
    """What populations are expected to take, after those that are finished."""

    def __init__(self, finished: Sequence[PopulationStatus]):
        self._finished = sorted(finished, key=lambda status: status.since or 0.0)

    def left(self, status: PopulationStatus, now: float) -> float:
        alike = [other for other in self._finished if other.method == status.method] or self._finished
        # Medians: the first population of a process takes far longer than the others, which find programs compiled.
        beside = statistics.median(other.seconds - other.training for other in alike[-RECENT:])
        paces = [other.training / other.work for other in alike if other.work] or [0.0]
        expected = max(beside + statistics.median(paces[-RECENT:]) * status.work - status.training, 0.0)
        elapsed = now - (status.since or now) if status.state == "running" else 0.0
        return max(expected - elapsed, LATE * max(expected, elapsed))


def _in_words(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
