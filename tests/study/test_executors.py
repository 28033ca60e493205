"""The same study on other engines: it comes out the same, and loses nothing when one of them dies."""

import os
import signal
import subprocess
import threading
import time

import pytest

from aejax.cli.request import parse
from aejax.errors import ConfigError
from aejax.report.write import write_report
from aejax.study.directory import StudyDirectory
from aejax.study.executors.slurm import Slurm
from aejax.study.job import Options
from aejax.study.progress import progress
from aejax.study.run import run
from aejax.study.status import PopulationStatus, read_statuses
from tests.study.studies import assert_same_study, finish, script

# Eight populations of two members, each trained in four chunks with a checkpoint after each.
ARGUMENTS = (
    "--config=experiments/quickstart.py",
    "--seeds=2",
    "--set=training.epochs=300",
    "--set=autoencoder.encoder.widths=[8]",
    "--sweep=autoencoder.latent_size=2,3,4,5,6,7,8,9",
    '--set=evaluation.measures=["reconstruction"]',
    "--set=evaluation.baselines=[]",
    "--checkpoint_seconds=0",
)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    path = tmp_path_factory.mktemp("local") / "study"
    status, _, err = finish(script("train", *ARGUMENTS, f"--workdir={path}"))
    assert status == 0, err
    return path


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def states(path):
    return [status.state for status in read_statuses(StudyDirectory(path)).values()]


def test_a_ray_cluster_that_loses_a_node_gives_the_same(local, tmp_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    path = tmp_path / "study"
    try:
        process = script("train", *ARGUMENTS, "--executor=ray", f"--ray_address={cluster.address}", f"--workdir={path}")
        wait_for(lambda: states(path).count("running") == 2 and "finished" in states(path))
        cluster.remove_node(nodes[1], allow_graceful=False)
        status, out, err = finish(process)
    finally:
        cluster.shutdown()
    assert status == 0, err
    assert "8 of 8 populations finished" in out
    assert_same_study(path, local)


def jobs_of(path):
    """Returns the processes that execute populations of a study for submitit."""
    found = subprocess.run(["pgrep", "-f", f"submitit.core._submit {path}"], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def test_slurms_jobs_that_are_killed_give_the_same(local, tmp_path):
    path = (tmp_path / "study").resolve()
    said, killed = [], []

    def kill_one():
        wait_for(lambda: states(path).count("running") == 2 and "finished" in states(path))
        killed.extend(jobs_of(path)[:1])
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    request = parse([*ARGUMENTS, f"--workdir={path}"], "")
    run(
        request.configs,
        StudyDirectory(path),
        executor=Slurm(2, {"timeout_min": 10}, cluster="local"),
        options=Options(checkpoint_seconds=0, say=said.append),
    )
    killer.join()
    assert killed
    assert any("it goes on from its checkpoint" in line for line in said), said
    write_report([StudyDirectory(path)], path)
    assert_same_study(path, local)


def test_the_time_left_is_that_of_equal_populations_on_as_many_workers_as_run():
    """Twenty populations of a minute on two workers, of whom one begins half a minute late."""

    def at(now):
        statuses = []
        for index in range(20):
            begin = 60.0 * (index // 2) + 30 * (index % 2)
            waiting = PopulationStatus("autoencoder", (str(index),), "waiting", work=10.0)
            status = waiting if now < begin else waiting._replace(state="running", since=begin)
            if now >= begin + 60:
                status = waiting._replace(state="finished", seconds=60.0)
            statuses.append(status)
        return progress(statuses, now)

    assert at(40.0).seconds_left is None
    for now in range(65, 600, 7):
        assert at(now).seconds_left == pytest.approx(630 - now, rel=0.1, abs=6)
    assert str(at(95.0)) == "2 of 20 populations finished, 2 running, 16 waiting, about 9 min left"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers=0"], "workers"),
        (["--workers=2"], "--workers goes with --executor=ray or slurm"),
        (["--executor=dask"], "executor"),
        (["--executor=slurm", "--ray_address=auto"], "--ray_address goes with --executor=ray"),
        (["--executor=slurm", "--slurm=memory"], "--slurm"),
    ],
)
def test_what_an_executor_does_not_know_is_one_line_before_anything_is_read(arguments, message):
    with pytest.raises(ConfigError, match=message) as error:
        parse(["--config=experiments/quickstart.py", *arguments], "")
    assert "\n" not in str(error.value)


def test_a_cluster_that_does_not_answer_is_one_line(tmp_path):
    status, _, err = finish(
        script(
            "train",
            "--config=experiments/quickstart.py",
            "--executor=ray",
            "--ray_address=127.0.0.1:1",
            f"--workdir={tmp_path / 'study'}",
        )
    )
    assert status == 1
    assert err.splitlines()[-1].startswith("error: --ray_address=127.0.0.1:1: no Ray cluster answers there"), err
