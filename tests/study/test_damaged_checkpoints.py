"""A checkpoint that is damaged, lost or of another version: the one before it is used, or training begins again."""

import shutil

import pytest

from aejax.errors import Interrupted
from aejax.report.write import write_report
from aejax.store.directory import StudyDirectory
from aejax.store.status import read_status
from aejax.study.checkpoint import Checkpoints
from aejax.study.run import PopulationsFailed
from tests.study.studies import CONFIG, assert_same_study, edit_json, read_csv, train


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "study"
    train([CONFIG], path)
    write_report([StudyDirectory(path)], path)
    return path


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A study that was stopped after its third checkpoint; the last two are kept."""
    path = tmp_path_factory.mktemp("stopped") / "study"
    with pytest.raises(Interrupted):
        train([CONFIG], path, stop_at_save=3)
    return path


@pytest.fixture
def interrupted(stopped, tmp_path):
    """A copy of it."""
    return shutil.copytree(stopped, tmp_path / "study")


def truncate(checkpoint):
    file = max((checkpoint / "state").rglob("d/*"), key=lambda file: file.stat().st_size)
    file.write_bytes(file.read_bytes()[:-1])


def flip_a_bit(checkpoint):
    file = max((checkpoint / "state").rglob("d/*"), key=lambda file: file.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def change_the_facts(checkpoint):
    file = checkpoint / "facts.json"
    file.write_text(file.read_text().replace('"metrics_bytes":', '"metrics_bytes":1'))


def take_that_of_others(checkpoint):
    edit_json(checkpoint / "facts.json", lambda tree: tree | {"members": ["0123456789ab"]})


def replace_by_a_file(checkpoint):
    shutil.rmtree(checkpoint)
    checkpoint.write_text("no directory")


def make_facts_a_directory(checkpoint):
    (checkpoint / "facts.json").unlink()
    (checkpoint / "facts.json").mkdir()


def lose_a_file(checkpoint):
    (checkpoint / "state" / "_METADATA").unlink()


def _content(path):
    """Returns the content of a file, or of the files of a directory by their names; nothing where it is missing."""
    files = {file.relative_to(path): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    return path.read_bytes() if path.is_file() else files


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(
            truncate,
            "has changed) and was set aside as 000003.damaged; the newest whole one is 000002",
            marks=pytest.mark.slow,
        ),
        (flip_a_bit, "has changed) and was set aside as 000003.damaged; the newest whole one is 000002"),
        pytest.param(
            change_the_facts,
            "(facts.json: its content has changed since it was written) and was set aside",
            marks=pytest.mark.slow,
        ),
        pytest.param(lose_a_file, "(state/_METADATA is missing) and was set aside", marks=pytest.mark.slow),
        (take_that_of_others, "(it is of other members) and was set aside"),
        pytest.param(replace_by_a_file, "is damaged (it is no directory) and was set aside", marks=pytest.mark.slow),
        pytest.param(make_facts_a_directory, "(facts.json: it is no file) and was set aside", marks=pytest.mark.slow),
        (shutil.rmtree, "000003 is missing; the newest whole one is 000002"),
    ],
)
def test_the_checkpoint_before_a_damaged_one_is_used(whole, interrupted, damage, message):
    (checkpoints,) = interrupted.glob("populations/*/checkpoints")
    assert sorted(path.name for path in checkpoints.iterdir()) == ["000002", "000003"]
    damage(checkpoints / "000003")
    said = []
    before = _content(checkpoints / "000003")
    train([CONFIG], interrupted, say=said.append)
    if before:  # Nothing that was damaged is lost.
        assert _content(checkpoints / "000003.damaged") == before
        shutil.rmtree(checkpoints / "000003.damaged", ignore_errors=True)
        (checkpoints / "000003.damaged").unlink(missing_ok=True)
    write_report([StudyDirectory(interrupted)], interrupted)
    assert any(message in line for line in said), said
    assert_same_study(interrupted, whole)


def test_without_a_whole_checkpoint_training_begins_again(whole, interrupted):
    (checkpoints,) = interrupted.glob("populations/*/checkpoints")
    for checkpoint in checkpoints.iterdir():
        truncate(checkpoint)
    said = []
    train([CONFIG], interrupted, say=said.append)
    assert len(list(checkpoints.glob("*.damaged"))) == 2
    for aside in checkpoints.glob("*.damaged"):
        shutil.rmtree(aside)
    write_report([StudyDirectory(interrupted)], interrupted)
    assert any("no whole checkpoint, so it is trained from the beginning" in line for line in said), said
    assert_same_study(interrupted, whole)


@pytest.mark.parametrize("damage", ["lost", pytest.param("cut", marks=pytest.mark.slow), "changed"])
def test_curves_that_are_gone_are_said_to_be_gone(whole, interrupted, damage):
    (file,) = interrupted.glob("populations/*/metrics.jsonl")
    content = file.read_bytes()
    if damage == "lost":
        file.unlink()
    else:
        file.write_bytes(content[:-50] if damage == "cut" else content.replace(b'"epoch": 1,', b'"epoch": 2,'))
    said = []
    train([CONFIG], interrupted, say=said.append)
    assert any("the curves before the last checkpoint are gone" in line for line in said), said
    assert b"\0" not in file.read_bytes()
    if damage != "lost":
        assert file.with_name("metrics.jsonl.damaged").exists()
    table = write_report([StudyDirectory(interrupted)], interrupted)
    assert "metrics.jsonl: the curves of 1 of 1 members are gone" in table
    assert read_csv(interrupted) == read_csv(whole)


def test_a_checkpoint_of_another_version_is_one_line(interrupted):
    (population,) = interrupted.glob("populations/*")
    checkpoints = Checkpoints(population, read_status(population).members)
    checkpoints.save({"something": [1.0, 2.0]}, {})
    with pytest.raises(PopulationsFailed):
        train([CONFIG], interrupted)
    assert "does not hold what this version trains" in read_status(population).error
