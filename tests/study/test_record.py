"""study.json: a study may grow, not change; and whatever else is found in its place is one clear line."""

import json

import pytest

from aejax.config import to_tree
from aejax.errors import ConfigError, UserError
from aejax.experiment import Config
from aejax.report.write import write_report
from aejax.study.directory import StudyDirectory
from aejax.study.record import (
    Record,
    environment,
    environment_changes,
    read_record,
    require_record,
    unite,
    write_record,
)
from aejax.training.optimizers import Adam, Momentum


def trees(seeds=(0, 1), rates=(1e-3,), **changes):
    configs = [Config(seed=seed, optimizer=Adam(learning_rate=rate), **changes) for rate in rates for seed in seeds]
    return [to_tree(config) for config in configs]


@pytest.fixture
def directory(tmp_path):
    directory = StudyDirectory(tmp_path / "study")
    with directory.locked():
        write_record(directory, Record(name="toy", question="Why?", configs=tuple(trees()), data={}))
    return directory


def test_a_record_is_read_as_it_was_written(directory):
    record = require_record(directory)
    assert record == Record(name="toy", question="Why?", configs=tuple(trees()), data={})
    assert read_record(StudyDirectory(directory.path / "nothing")) is None


@pytest.mark.parametrize(
    ("wanted", "num"),
    [
        (trees(), 2),
        (trees(seeds=[1]), 2),
        (trees(seeds=range(5)), 5),
        (trees(rates=[1e-3, 1e-2]), 4),
        (trees(seeds=[7], rates=[1e-2, 1e-3]), 4),
    ],
)
def test_a_study_grows_by_seeds_and_points(directory, wanted, num):
    assert len(unite(directory, trees(), wanted)) == num


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (trees(rates=[1e-2]), "optimizer.learning_rate is 0.001 there and 0.01 here"),
        (trees(rates=[1e-2, 1e-1]), "optimizer.learning_rate is 0.001 there and 0.01 here"),
        ([to_tree(Config(optimizer=Momentum()))], 'optimizer.kind is "adam" there and "momentum" here'),
    ],
)
def test_another_study_in_the_same_directory_is_refused_with_the_difference(directory, wanted, message):
    with pytest.raises(ConfigError) as error:
        unite(directory, trees(), wanted)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: {name: tree[name] for name in tree if name != "configs"}, "into something that is no study"),
        (lambda tree: tree | {"name": 3}, "name: "),
        (lambda tree: tree | {"extra": 1}, "unknown field 'extra'"),
        (lambda tree: tree | {"project": "another"}, "is not one of aejax's"),
        (lambda tree: tree | {"format": 2}, "format: "),
        (lambda tree: [tree], "is not one of aejax's"),
    ],
)
def test_a_study_edited_by_hand_is_one_line(directory, change, message):
    directory.record.write_text(json.dumps(change(json.loads(directory.record.read_text()))))
    for use in (read_record, lambda directory: write_report([directory], directory.path)):
        with pytest.raises(UserError) as error:
            use(directory)
        assert "\n" not in str(error.value)
        assert message in str(error.value)


def test_a_config_edited_by_hand_is_one_line(directory):
    from aejax.study.run import run

    tree = json.loads(directory.record.read_text())
    tree["configs"][0]["optimizer"]["learning_rate"] = "fast"
    directory.record.write_text(json.dumps(tree))
    with pytest.raises(UserError, match=r"another study|optimizer.learning_rate"):
        run([Config()], directory)


def test_half_a_file_is_one_line(directory):
    directory.record.write_text(directory.record.read_text()[:-20])
    with pytest.raises(UserError, match=r"study\.json is damaged"):
        read_record(directory)


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UserError, match=r"holds other files \(thesis.tex, ...\) and no study"):
        read_record(StudyDirectory(tmp_path))
    with pytest.raises(UserError, match=r"holds no study\.json"):
        require_record(StudyDirectory(tmp_path / "nothing"))


def test_what_changed_in_the_environment_is_named():
    now = environment()
    then = now | {"jax": "0.1", "devices": 64}
    assert now["jax"] != "0.1"
    assert now["commit"] is None or len(now["commit"]) == 40
    assert environment_changes(now, now) == []
    assert environment_changes(then, now) == [
        f"jax: 0.1 then, {now['jax']} now",
        f"devices: 64 then, {now['devices']} now",
    ]
