"""study.json: a study may grow, not change; and whatever else is found in its place is one clear line."""

import json
import re
import subprocess

import pytest

from aejax.config import to_tree
from aejax.errors import ConfigError, UserError
from aejax.experiment import Config
from aejax.report.write import write_report
from aejax.store.directory import StudyDirectory
from aejax.store.record import (
    Record,
    Start,
    read_record,
    require_record,
    unite,
    write_record,
)
from aejax.training.optimizers import Adam, Momentum
from tests.study.studies import edit_json


def configs(seeds=(0, 1), rates=(1e-3,), **changes):
    return [Config(seed=seed, optimizer=Adam(learning_rate=rate), **changes) for rate in rates for seed in seeds]


RECORD = Record(
    name="toy",
    question="Why?",
    configs=tuple(map(to_tree, configs())),
    data={},
    starts=(Start(time="2026-01-31T12:00:00+00:00", command="train", environment={"aejax": "9.9"}),),
)


@pytest.fixture
def directory(tmp_path):
    directory = StudyDirectory(tmp_path / "study")
    with directory.locked():
        write_record(directory, RECORD)
    return directory


def test_a_record_is_read_as_it_was_written(directory):
    assert require_record(directory) == RECORD
    assert read_record(StudyDirectory(directory.path / "nothing")) is None


@pytest.mark.parametrize(
    ("wanted", "num"),
    [
        (configs(), 2),
        (configs(seeds=[1]), 2),
        (configs(seeds=range(5)), 5),
        (configs(rates=[1e-3, 1e-2]), 4),
        (configs(seeds=[7], rates=[1e-2, 1e-3]), 4),
    ],
)
def test_a_study_grows_by_seeds_and_points(directory, wanted, num):
    assert len(unite(directory, configs(), wanted)) == num


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (configs(rates=[1e-2]), "optimizer.learning_rate is 0.001 there and 0.01 here"),
        (configs(rates=[1e-2, 1e-1]), "optimizer.learning_rate is 0.001 there and 0.01 here"),
        ([Config(optimizer=Momentum())], 'optimizer.kind is "adam" there and "momentum" here'),
    ],
)
def test_another_study_in_the_same_directory_is_refused_with_the_difference(directory, wanted, message):
    with pytest.raises(ConfigError) as error:
        unite(directory, configs(), wanted)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: {name: tree[name] for name in tree if name != "configs"}, "the field 'configs' is missing"),
        (lambda tree: tree | {"name": 3}, "name: "),
        (lambda tree: tree | {"extra": 1}, "unknown field 'extra'"),
        (lambda tree: tree | {"project": "another"}, "is not one of aejax's"),
        (lambda tree: tree | {"format": 2}, "format 2, which aejax 9.9 wrote, and this is aejax 0.1.0, which reads"),
        (lambda tree: tree | {"name": "../../outside"}, "name: should be the name of a directory"),
        (lambda tree: tree | {"lineage": {"a": "b", "b": "a"}}, "member a goes on from itself"),
        (lambda tree: tree | {"starts": [tree["starts"][0] | {"time": "yesterday"}]}, "should be a moment"),
        (lambda tree: tree | {"starts": [tree["starts"][0] | {"environment": []}]}, "environment: "),
    ],
)
def test_a_study_of_another_form_is_one_line(directory, change, message):
    edit_json(directory.record, change)
    for use in (read_record, lambda directory: write_report([directory], directory.path)):
        with pytest.raises(UserError) as error:
            use(directory)
        assert "\n" not in str(error.value)
        assert message in str(error.value)


def test_a_config_edited_by_hand_is_one_line(directory):
    from aejax.study.run import run

    def change(tree):
        tree["configs"][0]["optimizer"]["learning_rate"] = "fast"
        return tree

    edit_json(directory.record, change)
    with pytest.raises(UserError, match=r"another study|optimizer.learning_rate"):
        run([Config()], directory)


@pytest.mark.parametrize(
    "content",
    ["", "[1]", "null", "[" * 100_000, "\x00", '{"project": "aejax"}'],
    ids=["empty", "list", "null", "deep", "binary", "cut"],
)
def test_a_damaged_file_is_one_line_and_the_copy_brings_it_back(directory, content):
    directory.record.write_text(content)
    with pytest.raises(
        UserError, match=r"study\.json is damaged .*its copy is whole: run  (mv \S+ \S+)  first$"
    ) as error:
        read_record(directory)
    assert "\n" not in str(error.value)
    subprocess.run(re.search("mv .*json", str(error.value))[0], shell=True, check=True)
    assert require_record(directory) == RECORD


def test_a_study_without_its_file_is_brought_back_by_the_copy(directory):
    directory.record.unlink()
    with pytest.raises(UserError, match=r"study\.json is missing; its copy is whole"):
        require_record(directory)
    directory.copy.write_text("{}")
    with pytest.raises(UserError, match=r"bring back the file that was written \(there is no whole copy of it\)"):
        require_record(directory)


def test_a_number_that_changed_is_noticed(directory):
    directory.record.write_text(directory.record.read_text().replace("0.001", "0.002"))
    with pytest.raises(UserError, match="its content has changed since it was written"):
        require_record(directory)


def test_a_study_of_an_earlier_version_has_no_digest(directory):
    tree = json.loads(directory.record.read_text())
    del tree["digest"]
    directory.record.write_text(json.dumps(tree))
    assert require_record(directory) == RECORD


def test_a_link_that_leads_out_of_a_study_is_refused_and_one_within_is_not(directory, tmp_path):
    (tmp_path / "outside").mkdir()
    link = directory.path / "populations"
    link.symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match=r"populations is a link that leads out of .*study; put what it leads to"):
        require_record(directory)
    link.unlink()
    link.symlink_to(directory.record)
    assert require_record(directory) == RECORD
    (tmp_path / "elsewhere").symlink_to(directory.path)
    assert require_record(StudyDirectory(tmp_path / "elsewhere")) == RECORD


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UserError, match=r"holds other files \(thesis.tex, ...\) and no study"):
        require_record(StudyDirectory(tmp_path))
    with pytest.raises(UserError, match=r"holds no study\.json"):
        require_record(StudyDirectory(tmp_path / "nothing"))
