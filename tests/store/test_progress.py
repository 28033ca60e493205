"""How far a study is: the time that is left, and a line for each population."""

import time

import pytest

from aejax.store.directory import StudyDirectory
from aejax.store.files import write_json
from aejax.store.progress import describe, progress
from aejax.store.record import Record, write_record
from aejax.store.status import PopulationStatus, write_status


def test_the_time_left_is_that_of_as_many_workers_as_run():
    """On two workers, of whom one begins half a minute late and each rests a while between two populations.

    First ten populations of a minute, of which ten seconds are not training; then, not before, ten that do not train
    but evaluate alike, and of which none is known when the first ten end.
    """
    ends, begins = [100.0, 130.0], []
    for index in range(20):
        if index == 10:
            ends = [max(ends)] * 2
        seconds, lane = 60.0 if index < 10 else 10.0, index % 2
        begins.append((ends[lane], seconds))
        ends[lane] += seconds + 6.0
    total = max(ends) - 6.0

    def at(now):
        statuses = []
        for index, (begin, seconds) in enumerate(begins):
            trains = index < 10
            status = PopulationStatus("autoencoder" if trains else "untrained", (str(index),), "waiting")
            status = status._replace(work=5.0 * trains, wave=1 - trains)
            end = begin + seconds
            if end <= now:
                status = status._replace(state="finished", since=end, seconds=seconds, training=seconds - 10.0)
            elif begin <= now:
                status = status._replace(state="running", since=begin)
            statuses.append(status)
        return progress(statuses, now, start=50.0)

    assert at(140.0).seconds_left is None
    for now in range(170, int(total), 7):
        assert at(now).seconds_left == pytest.approx(total - now, rel=0.2, abs=10), now
    assert str(at(195.0)) == "2 of 20 populations finished, 1 running, 17 waiting, about 6 min left"


def test_lines_of_a_study_are_aligned_and_cut_to_the_terminal_with_what_runs_last(tmp_path):
    directory = StudyDirectory(tmp_path)
    write_record(directory, Record(name="study", question="", configs=(), data={}))
    reason = "RESOURCE_EXHAUSTED: " + "out of memory, " * 20
    for method, members, state, error in (
        ("pca", ("aaaaaaaaaaaa", "bbbbbbbbbbbb"), "running", None),
        ("autoencoder", ("cccccccccccc",), "failed", reason),
        ("pca", ("dddddddddddd", "eeeeeeeeeeee"), "finished", None),
    ):
        path = directory.population(method, members)
        path.mkdir(parents=True)
        write_status(path, PopulationStatus(method, members, state, since=time.time(), seconds=100.0, error=error))
    assert "it is missing" in describe(directory)
    assert "1 waiting" in describe(directory)  # It is finished only with its results.
    data = {"name": "digits", "fingerprint": "f", "num_classes": 10, "train": 1, "validation": 0, "test": 1}
    found = [{"id": name, "config": {}, "metrics": {}, "status": "finished"} for name in members]
    results = {"method": method, "data": data, "config": {}, "cost": {}, "members": found}
    write_json(path / "results.json", results)
    write_record(directory, Record(name="study", question="", configs=({"seed": 0},), data={}))
    *lines, last = describe(directory, 80).splitlines()
    assert [line.split()[3] for line in lines] == ["finished", "failed", "running"]
    assert len({line.index(line.split()[3]) for line in lines}) == 1
    assert "2 min" in lines[0]
    assert lines[1].endswith("…")
    assert len(lines[1]) == 80
    assert reason.strip() in describe(directory)
    assert last == "1 of 3 populations finished, 1 running, 1 failed, about 2 min left"
