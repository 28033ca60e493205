"""The same study on other engines: it comes out the same, and loses nothing when one of them dies."""

import os
import platform
import signal
import subprocess
import sys
import threading
import time

import pytest
import submitit

from aejax.cli.commands import train
from aejax.cli.request import parse
from aejax.errors import ConfigError, UserError
from aejax.report.write import write_report
from aejax.store.directory import StudyDirectory
from aejax.store.progress import read_progress
from aejax.store.status import read_statuses
from aejax.store.stop import STOP_FILE
from aejax.study.executors.ray_cluster import ON_ALL_NETWORKS
from aejax.study.executors.remote import make_ticket
from aejax.study.executors.slurm import Slurm
from aejax.study.job import Options
from aejax.study.plan import Roster, load_data
from aejax.study.run import run
from aejax.study.worker import Worker
from tests.study import studies
from tests.study.studies import assert_same_study, finish, script

# Two of those populations: each is trained by a process of its own, which begins with what it imports.
ARGUMENTS = tuple(argument.replace("=1,2,3", "=1,2") for argument in studies.ARGUMENTS)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    path = tmp_path_factory.mktemp("local") / "study"
    train([*ARGUMENTS, f"--workdir={path}"], say=lambda _: None)
    return path


def wait_for(condition, seconds=240):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def states(path):
    return [status.state for status in read_statuses(StudyDirectory(path)).values()]


def test_a_ray_cluster_of_ones_own_gives_the_same(local, tmp_path):
    path = tmp_path / "study"
    status, out, err = finish(script("train", *ARGUMENTS, "--executor=ray", "--workers=1", f"--workdir={path}"))
    assert status == 0, err
    assert "2 of 2 populations finished" in out
    assert_same_study(path, local)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:os.fork")  # By Ray, which then begins another program at once.
def test_a_ray_cluster_that_loses_a_node_gives_the_same(local, tmp_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    path = tmp_path / "study"
    try:
        process = script("train", *ARGUMENTS, "--executor=ray", f"--ray_address={cluster.address}", f"--workdir={path}")
        wait_for(lambda: states(path).count("running") == 2)
        cluster.remove_node(nodes[1], allow_graceful=False)
        status, out, err = finish(process)
    finally:
        cluster.shutdown()
    assert status == 0, err
    assert "2 of 2 populations finished" in out
    assert_same_study(path, local)


def train_on_ray(path):
    """Returns a study that a cluster of its own trains, when it has begun, and the processes of that."""
    pytest.importorskip("ray")  # With which psutil comes.
    import psutil

    process = script("train", *ARGUMENTS, "--executor=ray", "--workers=1", f"--workdir={path}")
    wait_for(lambda: "finished" in states(path) and "running" in states(path))
    return process, psutil.Process(process.pid).children(recursive=True)


@pytest.mark.slow
def test_a_stopped_ray_cluster_has_saved_and_says_75(tmp_path):
    path = tmp_path / "study"
    process, started = train_on_ray(path)
    process.send_signal(signal.SIGTERM)
    status, _, err = finish(process)
    assert status == 75, err
    assert err.splitlines()[-1] == "error: stopped by SIGTERM; run the same command again to go on from here"
    assert set(states(path)) == {"finished", "waiting"}
    assert not (path / STOP_FILE).exists()
    assert not any(one.is_running() for one in started)


@pytest.mark.slow
def test_a_ray_cluster_of_ones_own_listens_on_the_loopback_and_ends_with_a_driver_that_is_killed(tmp_path):
    process, started = train_on_ray(tmp_path / "study")
    names = {one.name() for one in started}
    assert {"gcs_server", "raylet"} <= names, names
    listening = {
        connection.laddr.ip
        for one in started
        for connection in one.net_connections("inet")
        if connection.status == "LISTEN"
    }
    assert listening
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    process.kill()
    process.communicate()
    wait_for(lambda: not any(one.is_running() for one in started), seconds=20)  # Its agents alone would take a minute.


def jobs_of(path):
    """Returns the processes that execute populations of a study for submitit."""
    found = subprocess.run(["pgrep", "-f", f"submitit.core._submit {path}"], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def test_slurms_jobs_that_are_killed_and_preempted_give_the_same(local, tmp_path, monkeypatch):
    monkeypatch.setattr(submitit.Job, "_results_timeout_s", 1)  # How long it waits for slow file servers.
    path = (tmp_path / "study").resolve()
    said, killed = [], []

    def kill_one():
        wait_for(lambda: states(path).count("running") == 2)  # Both have most of their work to do.
        killed.extend(jobs_of(path))
        os.kill(killed[0], signal.SIGKILL)
        os.kill(killed[1], signal.SIGUSR2)  # What submitit has Slurm send before it takes a node away.

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
    assert len(killed) == 2
    assert sum("it goes on from its checkpoint" in line for line in said) == 1, said
    logs = "".join(file.read_text() for file in path.glob(".slurm/*.out"))
    assert logs.count("Requeued job") == 1, logs
    write_report([StudyDirectory(path)], path)
    assert_same_study(path, local)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers=0"], "workers"),
        (["--workers=2"], "--workers goes with --executor=ray or slurm"),
        (["--executor=dask"], "executor"),
        (["--executor=slurm", "--ray_address=auto"], "--ray_address goes with --executor=ray"),
        (["--executor=slurm", "--slurm=memory"], "--slurm"),
        (["--executor=slurm", "--cpus=0.5"], "--cpus=0.5: Slurm gives whole ones"),
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


@pytest.mark.parametrize(
    ("engine", "missing", "message"),
    [
        ("ray", "ray", "pip install 'aejax[cluster]'"),
        ("slurm", "submitit", "pip install 'aejax[cluster]'"),
        ("slurm", None, "there is no sbatch here"),
    ],
)
def test_an_engine_that_is_not_there_is_one_line(engine, missing, message, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing or "no_such_module", None)  # Importing it fails.
    monkeypatch.setenv("PATH", str(tmp_path))  # No sbatch, even where there is Slurm.
    monkeypatch.setenv(ON_ALL_NETWORKS, "0")  # It would be set, and stay.
    path = tmp_path / "study"
    with pytest.raises(UserError) as error:
        train(["--config=experiments/quickstart.py", f"--executor={engine}", f"--workdir={path}"])
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.exit_status == 1
    assert not path.exists()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"timeout_min": "long"}, "timeout_min"),
        ({"slurm_memory": 3}, "slurm_memory"),
        ({"memory": 3}, "memory"),
    ],
)
def test_what_slurms_jobs_cannot_ask_for_is_one_line(parameters, message, tmp_path):
    worker = Worker(Roster([], {}), {}, StudyDirectory(tmp_path), Options())
    with (
        pytest.raises(UserError, match=rf"--executor=slurm: .*{message}") as error,
        Slurm(1, parameters, cluster="local").engine(worker),
    ):
        pass
    assert "\n" not in str(error.value)


def test_a_machine_that_does_not_see_the_study_says_so(tmp_path):
    configs = parse(["--config=experiments/quickstart.py", "--seeds=1"], "").configs
    datasets = load_data(configs)
    worker = Worker(Roster(configs, datasets), datasets, StudyDirectory(tmp_path / "elsewhere"), Options())
    answer = make_ticket(worker.roster.plan()[0][0], worker)()
    assert f"on {platform.node()}: {tmp_path / 'elsewhere'} is not there" in answer.failure


@pytest.mark.slow
def test_the_time_left_of_a_study_on_two_workers_is_true_within_a_factor_of_one_and_a_half(tmp_path):
    """From a third of its populations on, until five seconds are left. Let nothing else run."""
    path, seen = tmp_path / "study", []
    sweep = f"--sweep=autoencoder.latent_size={','.join(map(str, range(2, 22)))}"
    arguments = [argument for argument in ARGUMENTS if not argument.startswith(("--sweep", "--set=training"))]
    process = script(
        "train", *arguments, sweep, "--set=training.epochs=400", "--executor=ray", "--workers=2", f"--workdir={path}"
    )
    while process.poll() is None:
        seen.append((time.monotonic(), read_progress(StudyDirectory(path))))
        time.sleep(0.5)
    status, _, err = finish(process)
    assert status == 0, err
    end = min(moment for moment, now in seen if now.finished == 20)
    asked = [(end - moment, now.seconds_left) for moment, now in seen if now.finished >= 7 and end - moment > 5]
    assert len(asked) > 10
    wrong = [max(true / told, told / true) for true, told in asked]
    print(f"\nwrong by a factor of {max(wrong):.2f} at most, {sorted(wrong)[len(wrong) // 2]:.2f} in the middle")
    assert max(wrong) < 1.5, asked
