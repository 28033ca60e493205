"""A study finds its data from wherever its commands are run, and where they were moved to, and takes no others."""

import json
import re

import numpy as np
import pytest

from aejax.cli import commands, compare
from aejax.data.load import DataConfig, load
from aejax.data.locate import FOLDERS
from aejax.errors import DataError
from aejax.report.publish import publish
from aejax.store.directory import StudyDirectory
from aejax.store.files import read_json
from aejax.study.executors import remote
from aejax.trained.opening import open_member

EXPERIMENT = '''"""Which is it?"""

import aejax


def get_config():
    return aejax.Config(
        data=aejax.DataConfig(name="data/photos.npz"),
        autoencoder=aejax.PlainConfig(encoder=aejax.Dense(widths=()), latent_size=2),
        training=aejax.TrainingConfig(epochs=1, batch_size=16),
        evaluation=aejax.EvaluationConfig(
            measures=("reconstruction",), baselines=("pca",), outliers=aejax.DataConfig(name="data/others.npz")
        ),
    )
'''


def save(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, image=np.random.default_rng(seed).integers(0, 256, (60, 4, 4), np.uint8))
    return load(DataConfig(name=str(path))).fingerprint


def call(command, *arguments):
    """Returns (exit status, what it said)."""
    said = []
    return command([str(argument) for argument in arguments], say=said.append), "\n".join(said)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with an experiment, its data, and the study that was trained from another working directory."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "experiment.py").write_text(EXPERIMENT)
    save(folder / "data" / "photos.npz", 0)
    save(folder / "data" / "others.npz", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        _, said = call(commands.train, folder / "experiment.py", "--seeds=1", f"--workdir={folder / 'study'}")
    assert f"data: read from {folder / 'data' / 'photos.npz'}" in said
    assert f"evaluation.outliers: read from {folder / 'data' / 'others.npz'}" in said
    return folder


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def moved(project, tmp_path):
    """The data in another folder, while a test runs."""
    folder = tmp_path / "moved"
    (project / "data").rename(folder)
    yield folder
    folder.rename(project / "data")


def test_the_config_keeps_its_words_and_the_record_has_the_places(project, tmp_path):
    tree = read_json(project / "study" / "study.json")
    assert {config["data"]["name"] for config in tree["configs"]} == {"data/photos.npz"}
    places = {json.loads(key)["name"]: place for key, place in tree["places"].items()}
    assert places == {f"data/{name}.npz": str(project / "data" / f"{name}.npz") for name in ("photos", "others")}
    publish(StudyDirectory(project / "study"), tmp_path / "published")
    assert "places" not in read_json(tmp_path / "published" / "study.json")


def test_the_study_is_evaluated_opened_and_goes_on_from_elsewhere(project, elsewhere):
    study, found = project / "study", f"read from {project / 'data' / 'photos.npz'}"
    other = save(elsewhere / "data" / "photos.npz", 7)  # Another's, of the same name.
    status, said = call(compare.evaluate, study)
    assert status == 0
    assert said.endswith("all metrics: bitwise equal")
    assert f"data data/photos.npz: {found}; {elsewhere / 'data' / 'photos.npz'} holds others ({other}" in re.sub(
        "fingerprint ", "", said
    )
    lines = []
    opener, member = open_member(StudyDirectory(study), "autoencoder", None, lines.append)
    assert opener.source(member).dataset.fingerprint == member.trained_on.fingerprint
    assert any(found in line for line in lines)
    worker = remote._worker(str(study), 60.0, (), (study / "study.json").stat().st_mtime_ns)
    assert {dataset.name for dataset in worker.datasets.values()} == {"data/photos.npz", "data/others.npz"}
    sizes = "--sweep=data.train_size=null,30"
    _, said = call(commands.train, project / "experiment.py", "--seeds=1", sizes, f"--workdir={study}", "--dry_run")
    assert "2 configs" in said  # What the study does not know yet is of the same images.
    assert other not in said.replace(f"fingerprint {other}", "")


def test_a_study_that_goes_on_from_it_finds_the_same_data(project, elsewhere):
    save(elsewhere / "data" / "photos.npz", 7)  # Another's, of the same name.
    asked = [f"--continue_from={project / 'study'}", "--set=training.epochs=2", "--dry_run"]
    _, said = call(commands.train, *asked, f"--workdir={elsewhere / 'longer'}")
    assert f"read from {project / 'data' / 'photos.npz'}" in said
    assert f"evaluation.outliers: read from {project / 'data' / 'others.npz'}" in said


@pytest.mark.slow
def test_the_study_is_reproduced_from_elsewhere(project, elsewhere):
    status, said = call(compare.reproduce, project / "study")
    assert status == 0
    assert said.endswith("all metrics: bitwise equal")


def test_data_that_were_moved_are_named_and_found(project, elsewhere, moved, monkeypatch):
    with pytest.raises(DataError, match=rf"data/photos.npz is not there \(looked for at .*; bring it .* set {FOLDERS}"):
        call(compare.evaluate, project / "study")
    monkeypatch.setenv(FOLDERS, str(moved))
    status, said = call(compare.evaluate, project / "study")
    assert status == 0
    assert f"data data/photos.npz: read from {moved / 'photos.npz'}" in said
    save(elsewhere / "wrong" / "photos.npz", 8)
    monkeypatch.setenv(FOLDERS, str(elsewhere / "wrong"))
    with pytest.raises(DataError, match=r"wrong/photos.npz holds others \(fingerprint"):
        call(compare.evaluate, project / "study")
    with pytest.raises(DataError, match=r"wrong/photos.npz holds others \(fingerprint"):
        call(commands.train, project / "experiment.py", "--seeds=2", f"--workdir={project / 'study'}")
