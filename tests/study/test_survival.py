"""A study outlives whatever ends its process, and ends bitwise as if nothing had happened."""

import contextlib
import dataclasses
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from aejax.errors import UserError
from aejax.report.write import write_report
from aejax.store.directory import StudyDirectory
from aejax.store.status import read_status
from aejax.study import execute
from aejax.study.run import PopulationsFailed
from tests.study.studies import ARGUMENTS, CONFIG, ROOT, assert_same_study, finish, script, train


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The study of `ARGUMENTS`, never disturbed, and the seconds that it takes: less, once its programs are cached."""
    path = tmp_path_factory.mktemp("undisturbed") / "study"
    started = time.monotonic()
    status, _, err = finish(script("train", *ARGUMENTS, f"--workdir={path}"))
    assert status == 0, err
    return path, time.monotonic() - started


@pytest.mark.parametrize(
    ("number", "num_times"),
    [
        (signal.SIGKILL, 1),
        pytest.param(signal.SIGKILL, 100, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 30, marks=pytest.mark.slow),
    ],
)
def test_a_study_killed_again_and_again_ends_as_if_it_had_not_been(undisturbed, tmp_path, number, num_times):
    reference, seconds = undisturbed
    chance, done, finished = random.Random(number), 0, 0
    while done < num_times:
        path = tmp_path / str(finished)
        process = script("train", *ARGUMENTS, f"--workdir={path}")
        if chance.random() < 0.5:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.2, 0.7) * seconds)
        else:
            _wait_for_writing(process, path, chance.randint(1, 30))
        if process.poll() is None:
            process.send_signal(number)
            done += 1
        status, _, err = finish(process)
        if status == 0:
            assert_same_study(path, reference)
            finished += 1
        else:
            # A signal that comes before Python listens, or after it has stopped listening, has its usual effect.
            assert status in (-number, 75 if number == signal.SIGTERM else -number), err
            assert status != 75 or "stopped by SIGTERM; run the same command again" in err
    path = tmp_path / str(finished)
    status, _, err = finish(script("train", *ARGUMENTS, f"--workdir={path}"))
    assert status == 0, err
    assert_same_study(path, reference)
    assert not list(path.rglob(".tmp-*"))


SEARCH = (
    "--config=experiments/quickstart.py",
    "--search=sobol",
    "--search=trials=6",
    "--space=optimizer.learning_rate=log:1e-4:1e-2",
    "--space=autoencoder.latent_size=2:3",
    "--seeds=2",
    "--set=training.epochs=300",
    "--set=autoencoder.encoder.widths=[8]",
    '--set=evaluation.measures=["reconstruction"]',
    "--set=evaluation.baselines=[]",
    "--checkpoint_seconds=0",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments", "num_times"),
    [
        ("evaluate", ["--update"], 40),
        ("generate", ["--kind=reconstructions", "--num=50"], 40),
        ("report", [], 40),
        ("train", SEARCH, 80),
    ],
)
def test_whatever_is_killed_again_and_again_leaves_what_it_would_have(
    undisturbed, tmp_path, name, arguments, num_times
):
    """Evaluation, generation and the report of a finished study, and a search from its beginning."""
    chance, path, reference = random.Random(name), tmp_path / "killed", tmp_path / "reference"

    def begin(study):
        return script(name, *(arguments if name == "train" else [study, *arguments]), *workdir(study))

    def workdir(study):
        return [f"--workdir={study}"] if name == "train" else []

    for study in (path, reference):
        if name != "train":
            shutil.copytree(undisturbed[0], study)
    started = time.monotonic()
    status, _, err = finish(begin(reference))
    assert status == 0, err
    seconds, num_killed = time.monotonic() - started, 0
    while num_killed < num_times:
        process = begin(path)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.3, 1.0) * seconds)
        if process.poll() is None:
            process.kill()
            num_killed += 1
        status, _, err = finish(process)
        assert status in (0, -signal.SIGKILL), err
        if status == 0 and name == "train":
            assert_same_study(path, reference)
            shutil.rmtree(path)
    status, _, err = finish(begin(path))
    assert status == 0, err
    assert_same_study(path, reference)
    if name == "train":
        assert_same_study(path / "search", reference / "search")
    for file in reference.glob("generated/*"):
        assert (path / "generated" / file.name).read_bytes() == file.read_bytes()
    assert not list(path.rglob("*.damaged*"))


def _wait_for_writing(process, path, num):
    """Waits until the process writes its `num`-th file or checkpoint since it was started, or ends."""
    seen = set()
    while process.poll() is None and len(seen) < num:
        for folder, folders, files in os.walk(path):
            seen.update(os.path.join(folder, name) for name in (*folders, *files) if name.startswith(".tmp-"))


@pytest.mark.slow
def test_a_population_that_fails_does_not_take_the_others_with_it(tmp_path, monkeypatch, capsys):
    fit = execute._fit

    errors = {3: RuntimeError("a bug"), 4: MemoryError("Unable to allocate 95. GiB")}

    def fail_above_two(work, *arguments):
        error = errors.get(work.configs[0].autoencoder.latent_size)
        if error is not None:
            raise error
        return fit(work, *arguments)

    configs = [
        dataclasses.replace(CONFIG, autoencoder=dataclasses.replace(CONFIG.autoencoder, latent_size=size))
        for size in (3, 4, 2)
    ]
    monkeypatch.setattr(execute, "_fit", fail_above_two)
    with pytest.raises(PopulationsFailed, match="2 of 3 populations failed"):
        train(configs, tmp_path / "study")
    states = sorted(read_status(path).state for path in (tmp_path / "study").glob("populations/*"))
    assert states == ["failed", "failed", "finished"]
    printed = capsys.readouterr().err
    assert printed.count("Traceback") == printed.count("RuntimeError: a bug") == 1
    assert "MemoryError" not in printed  # No place in the code is to blame, so none is shown.
    page = write_and_read_report(tmp_path / "study")
    assert "RuntimeError: a bug" in page
    assert "MemoryError: Unable to allocate 95. GiB" in page
    monkeypatch.setattr(execute, "_fit", fit)
    train(configs, tmp_path / "study")
    states = sorted(read_status(path).state for path in (tmp_path / "study").glob("populations/*"))
    assert states == ["finished", "finished", "finished"]


def write_and_read_report(path):
    write_report([StudyDirectory(path)], path)
    return (path / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.mount
def test_a_full_disk_and_one_that_is_read_only_are_one_line_and_lose_nothing(undisturbed, tmp_path):
    """On a file system of its own, in a mount namespace of its own, so no privilege is needed."""
    reference, _ = undisturbed
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    command = f"{sys.executable} scripts/train.py {' '.join(repr(argument) for argument in ARGUMENTS)}"
    steps = f"""
    mount -t tmpfs -o size=6m tmpfs {disk}
    {command} --workdir={disk}/study & sleep 4; kill -TERM $!; wait $!
    dd if=/dev/zero of={disk}/filler bs=1k 2>/dev/null
    {command} --workdir={disk}/study 2>{tmp_path}/full; echo full $?
    rm {disk}/filler
    {command} --workdir={disk}/study; echo freed $?
    cp -r {disk}/study {copy}
    mount -o remount,ro {disk}
    {command} --workdir={disk}/other 2>{tmp_path}/read_only; echo read-only $?
    """
    result = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", steps],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "full 1" in result.stdout, result
    assert "freed 0" in result.stdout, result
    assert "read-only 1" in result.stdout, result
    full, read_only = (tmp_path / "full").read_text(), (tmp_path / "read_only").read_text()
    assert full.startswith("error: No space left on device"), full
    assert read_only.startswith("error: Read-only file system"), read_only
    assert full.count("\n") == read_only.count("\n") == 1, (full, read_only)
    assert_same_study(copy, reference)


SAVE = """
import pathlib, subprocess, sys
import numpy as np
from aejax.study.checkpoint import Checkpoints

state = {f"array_{index}": np.random.default_rng(index).random((50, 50)) for index in range(12)}
for option in (*(f"nr_inodes={number}" for number in range(4, 24, 3)), "size=16k", "size=100k", "size=200k", "size=1m"):
    subprocess.run(["mount", "-t", "tmpfs", "-o", option, "tmpfs", sys.argv[1]], check=True)
    try:
        print(option, Checkpoints(pathlib.Path(sys.argv[1]), ["member"]).save(state, {}))
    except OSError as error:
        print(option, error.strerror)
    subprocess.run(["umount", "--lazy", sys.argv[1]], check=True)  # A thread may have a file open still.
"""


@pytest.mark.mount
def test_a_checkpoint_that_finds_no_room_is_an_error_and_nothing_that_libraries_print(tmp_path):
    """At whatever file it fails: Orbax logs each thread's traceback, TensorStore one for each file that is open."""
    result = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", SAVE, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout.count("No space left on device") >= 7
    assert result.stdout.splitlines()[-1] == "size=1m 1", result.stdout


def test_a_directory_in_use_is_refused(tmp_path):
    directory = StudyDirectory(tmp_path)
    with directory.locked(), pytest.raises(UserError, match=r"is in use by process \d+ on "):
        train([CONFIG], tmp_path)
    assert not directory.record.exists()
