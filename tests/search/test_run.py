"""Searches as a whole: trials are told apart from results, what stopped early cost nothing more, all is resumed."""

import collections
import json

import numpy as np
import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.cli.request import parse
from aejax.config import load, override
from aejax.data.load import DataConfig
from aejax.errors import ConfigError, Interrupted
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, load_recorded
from aejax.networks.dense import Dense
from aejax.search.run import Search, find, search_and_train
from aejax.store.contents import read_study
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.store.record import require_record
from aejax.study.executors.local import Local
from aejax.study.job import Options
from aejax.study.run import run
from aejax.training.step import TrainingConfig
from tests.study.studies import StopAtSave

CONFIG = Config(
    data=DataConfig(validation_size=100),
    autoencoder=PlainConfig(encoder=Dense(widths=(8,)), latent_size=4),
    training=TrainingConfig(epochs=9),
    evaluation=EvaluationConfig(measures=("reconstruction",), baselines=("pca",)),
)
RATES = {"optimizer.learning_rate": {"kind": "range", "low": 1e-4, "high": 0.1, "log": True}}
HOW = {"name": "test", "question": "", "executor": Local()}
SOMEWHERE = ["--space=optimizer.learning_rate=0.1:0.2"]


def make_search(kind, space=RATES, **fields):
    return load(Search, {"method": {"kind": kind, **fields}, "space": space})


def search(path, kind, *, stop=None, **fields):
    """Runs a search in a directory; returns the rows of its trials, in order, and those of the winner."""
    options = Options(checkpoint_seconds=0, say=lambda _: None, **({} if stop is None else {"stop": stop}))
    search_and_train(CONFIG, make_search(kind, **fields), StudyDirectory(path), seeds=2, **HOW, options=options)
    return trials_in(path), read_study(StudyDirectory(path)).rows


def trials_in(path):
    trials = read_study(StudyDirectory(path / "search"))
    rows = {row["id"]: row for row in trials.rows}
    return [rows[name] for name in trials.record.search["trials"]]


def find_alone(path, kind, **fields):
    """Returns the rows of a search's trials, whose winner is not trained."""
    options = Options(checkpoint_seconds=0, say=lambda _: None)
    find(CONFIG, make_search(kind, **fields), StudyDirectory(path), **HOW, options=options)
    return trials_in(path)


def epochs_of(path):
    """Returns how many epochs the members of each id were trained."""
    lines = [line for file in path.glob("populations/*/metrics.jsonl") for line in file.read_text().splitlines()]
    return collections.Counter(json.loads(line)["id"] for line in lines)


@pytest.fixture(scope="module")
def halved(tmp_path_factory):
    path = tmp_path_factory.mktemp("halving") / "study"
    return path, *search(path, "halving", trials=9)


def test_the_better_of_each_rung_train_to_its_end_and_the_others_no_further(halved):
    path, trials, _ = halved
    assert [row["config"]["training.until_epoch"] for row in trials] == [1] * 9 + [3] * 3 + [9]
    epochs = epochs_of(path / "search")
    assert [epochs[row["id"]] for row in trials] == [1] * 9 + [2] * 3 + [6]
    cost = [row["cost"]["train_tflop"] for row in trials]
    np.testing.assert_allclose(np.array(cost) / cost[0], [1] * 9 + [2] * 3 + [6])
    for earlier, later in ((trials[:9], trials[9:12]), (trials[9:12], trials[12:])):
        errors = sorted((row["metrics"]["validation_mse"], row["config"]["optimizer.learning_rate"]) for row in earlier)
        survivors = {row["config"]["optimizer.learning_rate"] for row in later}
        assert survivors == {rate for _, rate in errors[: len(later)]}


def test_who_went_on_is_bitwise_what_it_would_be_without_a_pause(halved, tmp_path):
    _, trials, _ = halved
    whole = load_recorded(require_record(StudyDirectory(halved[0] / "search")).configs[-1])
    assert whole.training.until_epoch == CONFIG.training.epochs
    whole = override(whole, {"training.until_epoch": None})
    run([whole], StudyDirectory(tmp_path / "whole"), options=Options(say=lambda _: None))
    (row,) = read_rows(StudyDirectory(tmp_path / "whole"))
    assert row["metrics"] == trials[-1]["metrics"]


def test_trials_know_nothing_of_test_images_and_the_winner_is_trained_on_fresh_seeds(halved):
    _, trials, results = halved
    assert not [name for row in trials for name in row["metrics"] if name.startswith("test")]
    own = [row for row in results if row["method"] == "autoencoder"]
    assert [row["config"]["seed"] for row in own] == [1, 2]
    assert {row["config"]["seed"] for row in trials} == {0}
    rate = trials[-1]["config"]["optimizer.learning_rate"]
    assert {row["config"]["optimizer.learning_rate"] for row in own} == {rate}
    assert all("test_mse" in row["metrics"] for row in own)
    assert {row["method"] for row in results} == {"autoencoder", "pca"}


def test_what_stops_early_and_what_goes_on_are_compiled_once(tmp_path, compile_events):
    config = override(CONFIG, {"autoencoder.latent_size": 3})
    find(config, make_search("halving", trials=9), StudyDirectory(tmp_path), **HOW, options=Options(say=lambda _: None))
    assert len(compile_events) == 3  # Initialisation, training, and evaluation.


def test_a_search_that_was_stopped_ends_as_if_it_had_not_been(halved, tmp_path):
    with pytest.raises(Interrupted):
        search(tmp_path / "study", "halving", trials=9, stop=StopAtSave(4))
    trials, results = search(tmp_path / "study", "halving", trials=9)
    for left, right in ((trials, halved[1]), (results, halved[2])):
        assert [(row["id"], row["metrics"]) for row in left] == [(row["id"], row["metrics"]) for row in right]


def test_more_trials_are_added_to_those_that_are_there(tmp_path):
    few = find_alone(tmp_path, "sobol", trials=3)
    many, results = search(tmp_path, "sobol", trials=6)
    assert [row["id"] for row in many[:3]] == [row["id"] for row in few]
    assert sum(epochs_of(tmp_path / "search").values()) == 6 * CONFIG.training.epochs
    best = min(many, key=lambda row: row["metrics"]["validation_mse"])
    rates = {row["config"].get("optimizer.learning_rate") for row in results}
    assert best["config"]["optimizer.learning_rate"] in rates
    with pytest.raises(ConfigError, match="holds another search"):
        search(tmp_path, "random", trials=6)


def test_the_winner_of_population_based_training_is_a_schedule_that_is_trained_again(tmp_path):
    trials, results = search(tmp_path / "study", "population_based", trials=3, rounds=3)
    assert len({row["config"]["seed"] for row in trials}) == 3
    fresh = [row for row in results if row["method"] == "autoencoder"]
    assert [(row["config"]["seed"], row["config"]["training.until_epoch"]) for row in fresh] == [(3, None), (4, None)]
    # Its stages are in the study, and each seed's three rounds make all epochs.
    assert sum(epochs_of(tmp_path / "study").values()) == 2 * CONFIG.training.epochs
    # The same from the record alone, in another place.
    original, copy = StudyDirectory(tmp_path / "study" / "search"), StudyDirectory(tmp_path / "copy")
    record = require_record(original)
    configs = [load_recorded(tree) for tree in record.configs]
    run(configs, copy, lineage=record.lineage, options=Options(say=lambda _: None))
    left, right = read_rows(original), read_rows(copy)
    assert [(row["id"], row["metrics"]) for row in left] == [(row["id"], row["metrics"]) for row in right]


def test_a_batch_of_tpe_is_a_population_and_a_point_that_is_asked_for_twice_is_trained_once(tmp_path):
    trials = find_alone(tmp_path, "tpe", trials=4, batch=2)
    assert len(trials) == 4
    assert len(list((tmp_path / "search" / "populations").iterdir())) == 2
    assert np.isfinite([row["metrics"]["validation_mse"] for row in trials]).all()
    two = {"optimizer.learning_rate": {"kind": "choice", "values": [1e-3, 1e-2]}}
    trials = find_alone(tmp_path / "twice", "random", trials=8, space=two)
    assert len(trials) == 2
    record = require_record(StudyDirectory(tmp_path / "twice" / "search"))
    assert len(record.configs) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--search=halving"], "needs a space, such as --space=.*, in Python space={"),
        (["--search=halvin"], "--search=halvin: .*did you mean 'halving'"),
        (["--search=sobol", "--search=trails=3"], "did you mean 'method.trials'"),
        (["--space=seed=1:2"], "--space goes with --search"),
        (["--search=sobol", "--space=seed=1:2"], "a seed is no setting"),
        (["--search=sobol", "--space=optimizer.learning_rat=1e-4:1"], "did you mean 'optimizer.learning_rate'"),
        (["--search=sobol", "--space=optimizer.learning_rate=-1:2"], "greater than 0, got -1"),
        (["--search=sobol", "--space=optimizer=adam,sgdd"], "did you mean 'sgd'"),
        (["--search=population_based", "--space=autoencoder.latent_size=4:8"], "cannot change it"),
        (["--search=sobol", "--search=objective=validation_mes", *SOMEWHERE], "validation_mse"),
        (["--search=tpe", "--sweep=optimizer.learning_rate=0.1,0.2"], "give a space, not a sweep"),
        (["--search=sobol", *SOMEWHERE, "--set=data.validation_size=0"], "validation_size is 0"),
        (["--search=sobol", *SOMEWHERE, "--search=trials=2147483647"], "trials: should be less than or equal to 10000"),
        (["--search=halving", *SOMEWHERE, "--search=rungs=2147483647"], "rungs: should be less than 32"),
        (["--search=sobol", *SOMEWHERE, "--set=seed=2147483647"], "the winner is trained on seeds after it"),
        (["--search=sobol", f"--space=training.epochs=1:1{'0' * 400}"], "training.epochs.high: should be less than"),
        (["--search=sobol", f"--space=training.epochs=1,{'[' * 600}{']' * 600}"], "too many brackets within brackets"),
    ],
)
def test_what_no_search_can_do_is_one_line_before_anything_is_read(arguments, message):
    with pytest.raises(ConfigError, match=message) as error:
        parse(["--config=experiments/quickstart.py", *arguments], "")
    assert "\n" not in str(error.value)
