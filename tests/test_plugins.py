"""A user's own file adds a part of every sort, from a family to a tracker, which work in a study like ours."""

import dataclasses
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
from typing import Literal

import pytest

from aejax.errors import ConfigError
from aejax.registry import Registry
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.user_files import load_plugins

ROOT = pathlib.Path(__file__).parent.parent
PLUGIN = pathlib.Path(__file__).parent / "plugins" / "small.py"


def script(name, *arguments, cwd):
    """In a process of its own: what a file registers stays registered."""
    command = [sys.executable, ROOT / "scripts" / f"{name}.py", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, encoding="utf-8")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copy(PLUGIN, folder / "small.py")
    fields = {
        "autoencoder": "small",
        "autoencoder.encoder": "wide",
        "autoencoder.likelihood": "fourth_powers",
        "training.epochs": 1,
        "data.train_size": 300,
        "evaluation.measures": '["reconstruction", "squared_norm"]',
        "evaluation.baselines": '["random_projection"]',
    }
    sets = [f"--set={path}={value}" for path, value in fields.items()]
    sweep = "--sweep=autoencoder.weight=0.01,0.1"
    more = [sweep, "--seeds=2", "--workdir=study", "--tracker=lines"]
    done = script("train", "--plugin=small.py", *sets, *more, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_parts_from_outside_train_as_one_population_and_are_reported(study):
    record = json.loads((study / "study" / "study.json").read_text())
    assert record["plugins"] == {"small.py": hashlib.sha256(PLUGIN.read_bytes()).hexdigest()}
    assert {config["autoencoder"]["kind"] for config in record["configs"]} == {"small"}
    rows = read_rows(StudyDirectory(study / "study"))
    assert [row["method"] for row in rows] == [*["autoencoder"] * 4, *["random_projection"] * 2]
    assert all(row["metrics"]["test_squared_norm"] > 0 for row in rows)
    assert len(list((study / "study").rglob("status.json"))) == 2  # One program for both weights and seeds.
    told = [json.loads(line) for line in (study / "study" / "trackers" / "lines.jsonl").read_text().splitlines()]
    assert [(line["member"], line.get("epoch", line.get("status"))) for line in told] == [
        *((member, 1) for member in range(4)),
        *((member, "finished") for member in range(4)),
    ]
    table = (study / "study" / "results.md").read_text()
    for text in ("weight 0.01", "random_projection", "squared norm", "The squared norm is that of the features."):
        assert text in table
    assert "random_projection" in (study / "study" / "report.html").read_text()


def test_a_study_goes_on_with_the_same_file_only(study):
    without = script("evaluate", "study", cwd=study)
    assert without.returncode == 1
    assert without.stderr == "error: study was trained with a file of yours; name it: --plugin=small.py\n"
    changed = study / "changed" / "small.py"
    changed.parent.mkdir()
    changed.write_text(PLUGIN.read_text() + "\n")
    with_another = script("evaluate", "study", "--plugin=changed/small.py", cwd=study)
    assert with_another.returncode == 1
    assert "small.py is another than the one that study was trained with" in with_another.stderr
    assert with_another.stderr.count("\n") == 1


def test_the_same_file_again_is_read_once_and_a_kind_that_is_taken_is_refused(study):
    shutil.copy(PLUGIN, study / "second.py")
    twice = script("train", "--plugin=small.py", "--plugin=./small.py", "--set=autoencoder=small", "--help", cwd=study)
    assert twice.returncode == 0
    taken = script("train", "--plugin=small.py", "--plugin=second.py", "--dry_run", cwd=study)
    assert taken.returncode == 2
    assert taken.stderr == (
        "error: second.py: there is a likelihood 'fourth_powers' already, of small.py; choose another kind, and "
        "register each once\n"
    )


@pytest.mark.slow
def test_a_prior_from_outside_is_learned_and_measured_like_ours(tmp_path):
    fields = {
        "autoencoder": "vae",
        "autoencoder.prior": "scaled",
        "training.epochs": 1,
        "data.train_size": 300,
        "evaluation.measures": '["posterior","likelihood"]',
        "evaluation.likelihood_samples": 5,
        "evaluation.baselines": "[]",
    }
    sets = [f"--set={path}={value}" for path, value in fields.items()]
    plugin = f"--plugin={PLUGIN.parent / 'scaled.py'}"
    done = script("train", plugin, *sets, "--seeds=1", "--workdir=study", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "study" / "study.json").read_text())
    assert record["configs"][0]["autoencoder"]["prior"] == {"kind": "scaled"}
    assert "test_nll" in (tmp_path / "study" / "results.csv").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ("", "it adds nothing; register"),
        ("1 / 0", "line 1: ZeroDivisionError"),
    ],
)
def test_a_file_that_is_no_plugin_is_one_line(tmp_path, text, said):
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_plugins([str(path)])


def test_a_part_without_a_kind_is_refused():
    @dataclasses.dataclass(frozen=True)
    class Nameless:
        size: int = 1

    @dataclasses.dataclass(frozen=True)
    class Named:
        kind: Literal["named"] = "named"

    registry = Registry("thing", [Named])
    assert list(registry) == ["named"]
    with pytest.raises(ConfigError, match="Nameless is no thing: its config class needs the field kind"):
        registry.register(Nameless)
    with pytest.raises(ConfigError, match="there is a thing 'named' already"):
        registry.register(Named)
