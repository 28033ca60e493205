"""Evaluating again and reproducing: bitwise equal where nothing changed, and what changed is named."""

import json
import shutil

import numpy as np
import pytest

from aejax.cli import commands, compare
from aejax.errors import ConfigError, UserError
from aejax.report import publish as publishing
from aejax.store.contents import read_study
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from tests.study.studies import ROOT, edit_json

CONFIG = [
    f"--config={ROOT / 'experiments' / 'quickstart.py'}",
    "--seeds=2",
    "--set=training.epochs=3",
    "--set=autoencoder.encoder.widths=[8]",
    '--set=evaluation.measures=["reconstruction"]',
    '--set=evaluation.baselines=["pca","untrained"]',
]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A data file that tests may change."""
    path = tmp_path_factory.mktemp("images") / "images.npz"
    np.savez(path, image=np.random.default_rng(0).integers(0, 256, (200, 6, 6), np.uint8))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory, images):
    path = tmp_path_factory.mktemp("finished") / "study"
    commands.train([*CONFIG, f"--set=data.name={images}", f"--workdir={path}"], say=lambda _: None)
    return path


@pytest.fixture
def study(finished, tmp_path):
    """A finished study that a test may change."""
    return shutil.copytree(finished, tmp_path / "study")


def call(command, *arguments):
    """Returns (exit status, what it said)."""
    said = []
    return command([str(argument) for argument in arguments], say=said.append), "\n".join(said)


def test_evaluating_again_gives_the_same_bits_and_writes_nothing(study):
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file() and path.name != ".lock"}
    status, said = call(compare.evaluate, study)
    assert status == 0
    assert said.endswith("all metrics: bitwise equal")
    assert "changed" not in said
    assert {path: path.read_bytes() for path in before} == before


def test_evaluating_again_can_renew_the_results(study):
    directory = StudyDirectory(study)
    rows = read_rows(directory)
    (file,) = study.glob("populations/autoencoder-*/results.json")

    def change(tree):
        tree["members"][0]["metrics"]["test_mse"] += 9.0
        return tree

    edit_json(file, change)
    status, said = call(compare.evaluate, study, "--update")
    assert status == 1
    assert "test_mse" in said
    assert [row["metrics"] for row in read_rows(directory)] == [row["metrics"] for row in rows]
    assert call(compare.evaluate, study)[0] == 0


def test_a_study_reproduces_bitwise(study, tmp_path):
    status, said = call(compare.reproduce, study, f"--workdir={tmp_path / 'again'}")
    assert status == 0
    assert said.endswith("all metrics: bitwise equal")
    assert "changed" not in said


def test_a_changed_version_and_a_changed_data_file_are_named(study, tmp_path, images):
    record = study / "study.json"
    version = json.loads(record.read_text())["starts"][0]["environment"]["jax"]

    def change(tree):
        tree["starts"][0]["environment"]["jax"] = "0.0.1"
        return tree

    edit_json(record, change)
    content = images.read_bytes()
    try:
        np.savez(images, image=np.random.default_rng(1).integers(0, 256, (200, 6, 6), np.uint8))
        for command, arguments in ((compare.evaluate, []), (compare.reproduce, [f"--workdir={tmp_path / 'again'}"])):
            status, said = call(command, study, *arguments)
            assert status == 1
            assert f"changed: jax: 0.0.1 then, {version} now" in said
            assert f"changed: data {images}: fingerprint" in said
            assert said.endswith("all metrics: different")
        with pytest.raises(UserError, match="has changed since"):
            commands.train([*CONFIG, f"--set=data.name={images}", "--seeds=3", f"--workdir={study}"])
    finally:
        images.write_bytes(content)


def test_a_missing_or_damaged_checkpoint_cannot_be_evaluated(study):
    (checkpoint,) = study.glob("populations/autoencoder-*/checkpoints/*")
    shutil.rmtree(checkpoint)
    status, said = call(compare.evaluate, study)
    assert status == 1
    assert "holds no whole checkpoint of the trained members; remove it, and the study's command" in said
    assert "2 members of autoencoder were not evaluated" in said
    assert said.endswith("all metrics: bitwise equal; 4 missing or damaged, see above")


@pytest.mark.parametrize("command", [compare.evaluate, compare.reproduce, commands.report])
def test_a_directory_without_a_study_is_one_line(tmp_path, command):
    with pytest.raises(UserError, match=r"holds no study\.json"):
        call(command, tmp_path / "nothing")
    with pytest.raises(ConfigError, match="name "):
        call(command)
    assert not (tmp_path / "nothing").exists()


def test_publishing_keeps_what_reproduces_and_tables_come_from_it(study, tmp_path):
    published, readme = tmp_path / "published", tmp_path / "README.md"
    call(commands.report, study, f"--publish={published}")
    assert not list(published.rglob("checkpoints"))
    readme.write_text("# Title\n<!-- table: published -->\nold\n<!-- end of table -->\nrest\n")
    call(commands.report, f"--readme={readme}")
    assert "| autoencoder |" in readme.read_text()
    assert "old" not in readme.read_text()
    assert readme.read_text().endswith("<!-- end of table -->\nrest\n")
    call(commands.report, published, f"--output={tmp_path / 'tables'}")
    assert (tmp_path / "tables" / "results.csv").read_text() == (study / "results.csv").read_text()
    status, said = call(compare.reproduce, published, f"--workdir={tmp_path / 'again'}")
    assert status == 0
    assert said.endswith("all metrics: bitwise equal")


def test_what_is_published_is_thinned_until_it_is_small(study, tmp_path, monkeypatch):
    def published(most):
        monkeypatch.setattr(publishing, "MAX_BYTES", most)
        size = publishing.publish(StudyDirectory(study), tmp_path / str(most))
        assert size == sum(file.stat().st_size for file in (tmp_path / str(most)).rglob("*") if file.is_file())
        curves = read_study(StudyDirectory(tmp_path / str(most))).populations[0].curves.values()
        return size, [list(curve["epoch"]) for curve in curves]

    whole, epochs = published(200_000)
    assert epochs == [[1, 2, 3]] * 2
    thinned, epochs = published(whole - 1)
    assert thinned < whole
    assert epochs == [[1, 3]] * 2
    with pytest.raises(UserError, match="publish a smaller study"):
        published(thinned // 4)
    assert not (tmp_path / str(thinned // 4)).exists()


def test_publishing_takes_the_place_of_a_study_only(study, tmp_path):
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "precious").write_text("x")
    with pytest.raises(UserError, match="precious"):
        publishing.publish(StudyDirectory(study), tmp_path / "others")
    with pytest.raises(UserError, match="is the study itself"):
        publishing.publish(StudyDirectory(study), study)
    assert list(study.rglob("checkpoints"))
    assert (tmp_path / "others" / "precious").exists()


def test_a_damaged_file_of_a_published_study_is_one_line(study, tmp_path):
    publishing.publish(StudyDirectory(study), tmp_path / "published")
    packed = tmp_path / "published" / "study.json.gz"
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"study.json.gz is damaged"):
        call(compare.reproduce, tmp_path / "published", f"--workdir={tmp_path / 'again'}")


def test_every_night_a_number_that_left_its_interval_is_a_line(study, tmp_path):
    def change(tree):
        for member in tree["members"]:
            member["metrics"]["test_mse"] += 9.0
        return tree

    edit_json(*study.glob("populations/autoencoder-*/results.json"), change)
    status, said = call(compare.reproduce, "--nightly", study, tmp_path / "nothing")
    assert status == 1
    moved, missing, summary = said.splitlines()[-3:]
    assert moved.startswith(f"{study}: autoencoder: MSE: 0.")
    assert ", where it was 9." in moved
    assert missing.startswith(f"{tmp_path / 'nothing'}: ")
    assert "holds no study.json" in missing
    assert summary == "2 numbers left their interval, or could not be made again"
    with pytest.raises(ConfigError, match="leave out --keep_model"):
        call(compare.reproduce, "--nightly", study, "--keep_model")


@pytest.mark.slow
@pytest.mark.data
def test_three_published_studies_keep_their_intervals():
    status, said = call(compare.reproduce, "--nightly")
    assert status == 0, said
    assert all(f"results/{name} again" in said for name in compare.NIGHTLY)
    assert said.endswith("0 numbers left their interval, or could not be made again")
