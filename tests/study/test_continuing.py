"""A finished study that another goes on from: to the bits of training at once, with what it came from on record."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest

import aejax
from aejax.autoencoders.denoising import DenoisingConfig
from aejax.cli import commands, compare
from aejax.data.load import DataConfig
from aejax.errors import ConfigError, UserError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.report import publish as publishing
from aejax.store.contents import read_study
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.store.progress import describe as describe_progress
from aejax.store.record import Parent, require_record
from aejax.study.continuing import cautions
from aejax.study.job import Options
from aejax.study.run import evaluate_again
from aejax.training.config import TrainingConfig
from aejax.training.optimizers import Adam, Cosine
from tests.study.studies import edit_json, read_parameters, train


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "images.npz"
    np.savez(path, image=np.random.default_rng(0).integers(0, 256, (200, 6, 6), np.uint8))
    return path


def members(images, epochs):
    """Two that train for all epochs, and one whose patience ends before."""
    config = Config(
        data=DataConfig(name=str(images)),
        autoencoder=DenoisingConfig(encoder=Dense(widths=(8,)), latent_size=3),
        optimizer=Adam(averaging=0.9, learning_rate=1e-2),
        training=TrainingConfig(epochs=epochs, batch_size=20, patience=99),
        evaluation=EvaluationConfig(measures=("reconstruction",), baselines=()),
    )
    training, optimizer = dataclasses.replace(config.training, patience=1), Adam(averaging=0.9, learning_rate=3.0)
    hasty = dataclasses.replace(config, training=training, optimizer=optimizer)
    return [config, dataclasses.replace(config, seed=1), hasty]


@pytest.fixture(scope="module")
def first(images, tmp_path_factory):
    path = tmp_path_factory.mktemp("first") / "first"
    train(members(images, 4), path)
    return path


def go_on(*arguments):
    said = []
    commands.train([str(argument) for argument in arguments], said.append)
    return said


@pytest.fixture(scope="module")
def second(first):
    said = go_on(f"--continue_from={first}", "--set=training.epochs=12", f"--workdir={first.parent / 'second'}")
    return first.parent / "second", said


def test_it_is_what_training_at_once_gives_to_the_last_bit(images, second, tmp_path):
    train(members(images, 12), tmp_path / "once")
    states = [read_parameters(path) for path in (second[0], tmp_path / "once")]
    left, right = ({path.split("/")[-1]: state for path, state in of.items()} for of in states)
    jax.tree.map(np.testing.assert_array_equal, left, right)
    rows = [read_rows(StudyDirectory(path)) for path in (second[0], tmp_path / "once")]
    left, right = ([(row["id"], row["status"], row["metrics"]) for row in of] for of in rows)
    assert left == right
    assert sorted(status for _, status, _ in left) == ["finished", "finished", "out_of_patience"]


def test_what_it_came_from_is_on_record_and_shown(first, second):
    path, _ = second
    directory, record = StudyDirectory(path), require_record(StudyDirectory(path))
    assert (record.parent.path, record.parent.epochs) == ("../first", 4)
    before = {row["id"] for row in read_rows(StudyDirectory(first))}
    assert set(record.lineage) == {row["id"] for row in read_rows(directory)}
    assert set(record.lineage.values()) == before
    assert describe_progress(directory).startswith("goes on from study, trained for 4 epochs, in ../first")
    page = (path / "report.html").read_text()
    assert "in ../first" in page
    assert next(iter(before)) in page
    assert not read_study(directory).faults
    curves = [one.curves for one in read_study(directory).populations]
    assert {values["epoch"][0] for one in curves for values in one.values()} == {5}  # Of those that had not stopped.


def test_it_is_opened_and_evaluated_without_the_other(first, second):
    first.rename(first.with_name("away"))
    try:
        assert aejax.load(second[0]).best().encode(np.zeros((2, 6, 6), np.uint8)).shape == (2, 3)
        rows, problems = evaluate_again(StudyDirectory(second[0]), update=False, options=Options(say=lambda _: None))
        with pytest.raises(UserError, match=r"first holds no study\.json"):
            go_on(f"--continue_from={first}", "--set=training.epochs=12", f"--workdir={second[0]}")
    finally:
        first.with_name("away").rename(first)
    assert (len(rows), problems) == (3, [])


def test_what_is_hardly_meant_is_said_once_before_training(second):
    warning = (
        "warning: training.patience=99 and training.epochs=12: nothing can stop early before training ends, but the "
        "best epoch is kept"
    )
    assert [line for line in second[1] if line.startswith("warning")] == [warning]
    assert second[1].index(warning) == 0


def test_the_same_command_trains_nothing_twice_and_another_is_refused(first, second, images):
    said = go_on(f"--continue_from={first}", "--set=training.epochs=12", f"--workdir={second[0]}")
    assert any(line.endswith("holds 3 finished results; 0 missing") for line in said)
    with pytest.raises(ConfigError, match=r"goes on from study, trained for 4 epochs, in \.\./first .*--continue_from"):
        train(members(images, 12), second[0])
    with pytest.raises(ConfigError, match="holds another study"):
        go_on(f"--continue_from={first}", "--set=training.epochs=13", f"--workdir={second[0]}")


@pytest.mark.slow
def test_from_python_and_on_from_what_went_on(second, tmp_path):
    study = aejax.run(continue_from=second[0], epochs=13, workdir=tmp_path / "third")
    assert len(study.results) == 3
    assert require_record(StudyDirectory(tmp_path / "third")).parent.epochs == 12


def test_what_is_given_beside_it_in_python_is_refused(second):
    with pytest.raises(ConfigError, match="says what is trained; leave out sweep"):
        aejax.run(continue_from=second[0], sweep=[{}])
    with pytest.raises(ConfigError, match="says what is trained; leave out test_labels"):
        aejax.run(continue_from=second[0], test_labels=[0, 1])
    with pytest.raises(ConfigError, match="has trained for 12 already"):
        aejax.run(continue_from=second[0])


def test_a_second_run_of_it_needs_the_other_and_gives_its_bits(first, second, tmp_path):
    said = []
    assert compare.reproduce([str(second[0]), f"--workdir={tmp_path / 'again'}"], said.append) == 0
    assert said[-1].endswith("all metrics: bitwise equal")
    first.rename(first.with_name("away"))
    try:
        with pytest.raises(UserError, match=r"goes on from study, .*, which is not there; bring it back"):
            compare.reproduce([str(second[0]), f"--workdir={tmp_path / 'once more'}"], said.append)
    finally:
        first.with_name("away").rename(first)


@pytest.mark.parametrize(
    ("arguments", "error", "line"),
    [
        (["--set=training.epochs=4"], ConfigError, "training.epochs=4: .* has trained for 4 already; set more"),
        ([], ConfigError, "has trained for 4 already"),
        (
            ["--set=training.epochs=8", "--set=optimizer.learning_rate=0.5"],
            ConfigError,
            r"only training\.epochs may be other .*learning_rate is 0\.01 there and 0\.5 here",
        ),
        (["--set=training.epochs=8", "--seeds=3"], ConfigError, "says what is trained; leave out --seeds"),
        (["quickstart", "--set=training.epochs=8"], ConfigError, "says what is trained; leave out quickstart"),
        (["--set=training.epochs=8", "--sweep=seed=1,2"], ConfigError, "leave out --sweep"),
    ],
)
def test_what_cannot_go_on_is_refused_in_a_line_before_anything_is_written(first, tmp_path, arguments, error, line):
    with pytest.raises(error, match=line) as caught:
        go_on(f"--continue_from={first}", f"--workdir={tmp_path / 'study'}", *arguments)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "study").exists()


def test_other_images_and_missing_states_are_refused_in_a_line(first, images, tmp_path):
    arrays = dict(np.load(images))
    how = ["--set=training.epochs=8", f"--workdir={tmp_path / 'study'}"]
    np.savez(images, image=255 - arrays["image"])
    try:
        with pytest.raises(UserError, match=r"images\.npz has changed since .*first was trained"):
            go_on(f"--continue_from={first}", *how)
    finally:
        np.savez(images, **arrays)
    unfinished = shutil.copytree(first, tmp_path / "unfinished")
    (status,) = unfinished.glob("populations/*/status.json")
    edit_json(status, lambda tree: tree | {"state": "waiting"})
    with pytest.raises(UserError, match="has not finished 3 of the 3 members to go on from; run its command again"):
        go_on(f"--continue_from={unfinished}", *how)
    publishing.publish(StudyDirectory(first), tmp_path / "published")
    with pytest.raises(UserError, match=r"keeps no checkpoint of 3 members, as published .*aejax reproduce"):
        go_on(f"--continue_from={tmp_path / 'published'}", *how)
    assert not (tmp_path / "study").exists()


def test_a_schedule_of_all_epochs_is_warned_of_once(images):
    configs, parent = members(images, 20), Parent(path="../a", name="a", epochs=10)
    assert cautions(configs, parent) == []
    (line,) = cautions([dataclasses.replace(config, optimizer=Adam(schedule=Cosine())) for config in configs], parent)
    assert line.startswith("optimizer.schedule=cosine: up to epoch 10 the learning rate was on the curve of so many")
