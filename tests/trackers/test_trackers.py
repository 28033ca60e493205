"""A population shows as runs, grouped by setting, with the curves of the study, however often it was interrupted."""

import collections
import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import pytest

from aejax.cli import commands, request
from aejax.config import flatten, override
from aejax.errors import ConfigError, Interrupted, UserError
from aejax.experiment import Config
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.store.metrics import FILE, read_curves
from aejax.store.stop import StopRequest
from aejax.study.job import Options
from aejax.study.run import run
from aejax.sweep import expand, grid, product
from aejax.trackers import tracking
from aejax.trackers.base import Tracker
from aejax.trackers.zoo import TRACKERS, check_trackers
from aejax.training import loop
from tests.study.studies import ROOT

EPOCHS = 5
SEEDS = 3
NAMES = ("tensorboard", "wandb", "mlflow")
SMALL = {
    "autoencoder.encoder.widths": [4],
    "autoencoder.latent_size": 2,
    "training.epochs": EPOCHS,
    "training.batch_size": 50,
    "data.train_size": 100,
    "data.validation_size": 50,
    "evaluation.measures": ["reconstruction"],
    "evaluation.baselines": [],
}
SETTINGS = ["autoencoder · learning_rate 0.001", "autoencoder · learning_rate 0.01"]


class StopAtEpoch(StopRequest):
    """Ends a process once trackers were told of so many lines, whether or not they belong to a checkpoint yet."""

    def __init__(self, path, num_lines):
        super().__init__()
        self._path, self._num_lines = path, num_lines

    def __bool__(self):
        if num_lines(self._path) >= self._num_lines:
            while Counting.told < self._num_lines:
                time.sleep(0.01)
            raise Interrupted("killed", 137)
        return False


def num_lines(path):
    return sum(len(file.read_text().splitlines()) for file in path.glob(f"populations/*/{FILE}"))


class Counting(Tracker):
    """Counts epochs of all members; those before it in a list have been told of these."""

    kind = "counting"
    told = 0

    def begin(self, population):
        Counting.told = 0
        return [0] * len(population.members)

    def log(self, member, epochs):
        Counting.told += len(epochs)

    def finish(self, member, status, metrics):
        pass

    def close(self):
        pass


class Failing(Counting):
    """Fails at the second epoch, as where a disk is full."""

    kind = "failing"
    num_closed = 0

    def begin(self, population):
        return [0] * len(population.members)

    def log(self, member, epochs):
        if epochs[-1]["epoch"] > 1:
            raise OSError(28, "No space left on device")

    def close(self):
        Failing.num_closed += 1
        raise OSError(28, "No space left on device")


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Trackers that are told nothing by the environment, but that W&B is offline."""
    import wandb

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("WANDB_", "MLFLOW_"))]:
            patch.delenv(name)
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        wandb.teardown()  # It reads these once.
        yield patch
        wandb.teardown()


@pytest.fixture(scope="module")
def study(environment, tmp_path_factory):
    """The directory of a study of one population of six members that was interrupted twice, and what was said."""
    path, said = tmp_path_factory.mktemp("trackers") / "study", []
    environment.setattr(loop, "STEPS_PER_CHUNK", 2)  # A chunk is an epoch.
    environment.setattr(tracking, "TRACKERS", {**TRACKERS, "counting": Counting, "failing": Failing})
    settings = product(grid("optimizer.learning_rate", [1e-3, 1e-2]), grid("seed", range(SEEDS)))
    configs = expand(override(Config(), SMALL), settings)
    done = []
    # The first saves every epoch, and the second none.
    for seconds, epochs in ((0, 2), (1e9, 4), (1e9, EPOCHS + 1)):
        options = Options(
            (*NAMES, "failing", "counting"), seconds, StopAtEpoch(path, epochs * len(configs)), said.append
        )
        with contextlib.suppress(Interrupted):
            run(configs, StudyDirectory(path), name="digits", options=options)
        done.append(num_lines(path) / len(configs))
    assert done == [2, 4, EPOCHS]  # The second had told of two epochs that the third did again.
    return path, said


def read_tensorboard(path):
    """The scalars of each member: (step, value) in the order in which they were written."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for folder in path.glob("populations/*/tensorboard/*"):
        scalars = collections.defaultdict(list)
        for file in sorted(folder.iterdir()):
            content, at = file.read_bytes(), 0
            while at < len(content):
                (size,) = struct.unpack_from("<Q", content, at)
                event = Event.FromString(content[at + 12 : at + 12 + size])
                at += size + 16
                for value in event.summary.value:
                    scalars[value.tag].append((event.step, value.simple_value))
        found[folder.name] = scalars
    return found


def records_of(content):
    """The records of an offline file of W&B: https://github.com/google/leveldb/blob/main/doc/log_format.md."""
    from wandb.proto.wandb_internal_pb2 import Record

    assert content[:4] == b":W&B"
    block, whole, at = 2**15, b"", 7
    while at + 7 <= len(content):
        _, size, kind = struct.unpack_from("<IHB", content, at)
        if block - at % block < 7 or kind == 0:
            at += block - at % block
            continue
        whole += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # A whole one, or the last part of one.
            yield Record.FromString(whole)
            whole = b""


def read_wandb(path):
    """The run's record, the curves and the summary of each member."""
    runs, found, summaries = {}, {}, {}
    for file in path.glob("trackers/wandb/offline-run-*/*.wandb"):
        records = list(records_of(file.read_bytes()))
        (record,) = (record.run for record in records if record.WhichOneof("record_type") == "run")
        assert record.display_name not in runs
        runs[record.display_name] = record
        scalars = found[record.display_name] = collections.defaultdict(list)
        summary = summaries[record.display_name] = {}
        for record in records:
            for item in record.summary.update:
                summary["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
            for item in record.history.item:
                name = "/".join(item.nested_key) or item.key
                scalars[name].append((record.history.step.num, json.loads(item.value_json)))
    return runs, found, summaries


def mlflow_runs(path):
    from mlflow import MlflowClient

    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    client = MlflowClient(tracking_uri=(path / "trackers" / "mlruns").as_uri())
    (experiment,) = (found for found in client.search_experiments() if found.name != "Default")
    return client, client.search_runs([experiment.experiment_id])


def read_mlflow(path):
    client, runs = mlflow_runs(path)
    return {
        found.info.run_name: {
            name: [(metric.step, metric.value) for metric in client.get_metric_history(found.info.run_id, name)]
            for name in found.data.metrics
        }
        for found in runs
    }


READ = {"tensorboard": read_tensorboard, "wandb": lambda path: read_wandb(path)[1], "mlflow": read_mlflow}


@pytest.mark.parametrize("name", NAMES)
def test_the_curves_of_each_run_are_those_of_the_study_and_no_epoch_is_in_them_twice(study, name):
    path, _ = study
    (population,) = path.glob("populations/*")
    curves, problem = read_curves(population)
    assert problem is None
    assert len(curves) == 2 * SEEDS
    found = READ[name](path)
    assert set(found) == set(curves)
    number = np.float32 if name == "tensorboard" else float
    for member, metrics in curves.items():
        assert metrics["epoch"].tolist() == list(range(1, EPOCHS + 1))
        for metric, values in metrics.items():
            if metric != "seed":
                wanted = list(zip(range(1, EPOCHS + 1), map(number, values), strict=True))
                assert found[member][metric] == wanted, (member, metric)


def test_runs_of_wandb_are_grouped_by_setting_and_have_config_and_final_metrics(study):
    path, _ = study
    configs = json.loads((path / "study.json").read_text())["configs"]
    rows = {row["id"]: row for row in read_rows(StudyDirectory(path))}
    runs, _, summaries = read_wandb(path)
    assert collections.Counter(run.run_group for run in runs.values()) == {name: SEEDS for name in SETTINGS}
    for member, found in runs.items():
        config = {item.key: json.loads(item.value_json) for item in found.config.update if item.key != "_wandb"}
        assert config in configs
        assert SETTINGS.index(found.run_group) == [1e-3, 1e-2].index(config["optimizer"]["learning_rate"])
        assert (found.project, found.job_type) == ("digits", "autoencoder")
        assert summaries[member]["status"] == "finished"
        final = {f"final/{metric}": value for metric, value in rows[member]["metrics"].items()}
        assert final.items() <= summaries[member].items()


def test_runs_of_mlflow_say_their_setting_config_and_final_metrics(study):
    path, _ = study
    rows = {row["id"]: row for row in read_rows(StudyDirectory(path))}
    configs = [dict(flatten(tree)) for tree in json.loads((path / "study.json").read_text())["configs"]]
    params = [{name: str(value) for name, value in config.items()} for config in configs]
    _, runs = mlflow_runs(path)
    assert collections.Counter(run.data.tags["setting"] for run in runs) == {name: SEEDS for name in SETTINGS}
    for found in runs:
        assert found.data.params in params
        assert (found.info.status, found.data.tags["status"]) == ("FINISHED", "finished")
        final = {f"final/{metric}": value for metric, value in rows[found.info.run_name]["metrics"].items()}
        assert final.items() <= found.data.metrics.items()


def test_tensorboard_has_the_final_metrics_at_the_last_epoch(study):
    path, _ = study
    found = read_tensorboard(path)
    for row in read_rows(StudyDirectory(path)):
        for metric, value in row["metrics"].items():
            assert found[row["id"]][f"final/{metric}"] == [(EPOCHS, np.float32(value))]


def test_a_tracker_that_fails_is_left_out_with_one_line_and_training_goes_on(study):
    _, said = study
    lines = [line for line in said if line.startswith("tracker ")]
    assert lines == ["tracker failing: OSError: [Errno 28] No space left on device; training goes on without it"] * 3
    assert Failing.num_closed == 3  # Once each: what it had open is not left so.


@pytest.mark.parametrize(
    ("flag", "package", "extra"),
    [
        ("--tensorboard", "tensorboardX", "tensorboard"),
        ("--tracker=tensorboard", "tensorboardX", "tensorboard"),
        ("--tracker=wandb", "wandb", "wandb"),
        ("--tracker=mlflow", "mlflow", "mlflow"),
    ],
)
def test_a_missing_package_is_one_line_before_anything_is_trained(flag, package, extra, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)  # Importing it fails.
    with pytest.raises(UserError) as error:
        commands.train([flag, f"--workdir={tmp_path / 'study'}"])
    expected = f"tracker {extra} needs a package that is missing; run pip install 'aejax[{extra}]'"
    assert (str(error.value), error.value.exit_status) == (expected, 1)
    assert not (tmp_path / "study").exists()


def test_an_unknown_tracker_is_a_wrong_flag():
    with pytest.raises(ConfigError, match=r"tracker wandbb: unknown choice \(choices: tensorboard, wandb, mlflow\)"):
        commands.train(["--tracker=wandbb"])


def test_tensorboards_own_flag_is_a_trackers():
    assert request.parse(["--tensorboard"], "").trackers == ("tensorboard",)
    assert request.parse(["--tracker=wandb", "--tensorboard", "--tracker=tensorboard"], "").trackers == (
        "wandb",
        "tensorboard",
    )


def test_where_a_tracker_writes_to_is_tried_before_anything_is_trained(environment, monkeypatch):
    import wandb

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match="tracker mlflow: no MLflow server answers at") as error:
        check_trackers(["mlflow"])
    assert str(error.value).isprintable()
    check_trackers(["wandb"])
    monkeypatch.setenv("WANDB_MODE", "online")
    wandb.teardown()
    with pytest.raises(UserError, match=r"tracker wandb: W&B does not let us in .*; run wandb login") as error:
        check_trackers(["wandb"])
    assert str(error.value).isprintable()


@pytest.mark.slow
def test_a_study_that_is_killed_goes_on_with_the_same_runs(environment, tmp_path):
    sets = [f"--set={name}={json.dumps(value)}" for name, value in (SMALL | {"training.epochs": 3000}).items()]
    path = tmp_path / "study"
    command = [sys.executable, "scripts/train.py", *sets, "--seeds=2", "--checkpoint_seconds=1", f"--workdir={path}"]
    command += [f"--tracker={name}" for name in NAMES]
    ends = []
    for _ in range(3):
        before = num_lines(path)
        process = subprocess.Popen(command, cwd=ROOT)
        while process.poll() is None and num_lines(path) <= before:
            time.sleep(0.05)
        process.kill()
        ends.append(process.wait())
    assert ends[0] == -signal.SIGKILL
    subprocess.run(command, cwd=ROOT, check=True)
    (population,) = path.glob("populations/autoencoder-*")
    curves, _ = read_curves(population)
    for name in NAMES:
        found = READ[name](path)
        assert set(found) == set(curves), name
        for member, metrics in found.items():
            assert [step for step, _ in metrics["train_loss"]] == curves[member]["epoch"].tolist(), name
