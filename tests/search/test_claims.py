"""What searches promise, by training: halving against the whole grid, TPE against draws. Prints what it found (-s)."""

import itertools

import numpy as np
import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.config import override
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.search.methods import Halving, Random, Tpe
from aejax.search.run import Search, find
from aejax.search.space import Range
from aejax.statistics import student_interval
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.study.executors.local import Local
from aejax.study.job import Options
from aejax.study.run import run
from aejax.sweep import expand, grid, product
from aejax.training.step import TrainingConfig

pytestmark = pytest.mark.slow

REPETITIONS = 10
QUIET = Options(say=lambda _: None)
CONFIG = Config(
    data=DataConfig(validation_size=300),
    autoencoder=PlainConfig(encoder=Dense(widths=(32,)), latent_size=8),
    training=TrainingConfig(epochs=27),
    evaluation=EvaluationConfig(measures=("reconstruction",), baselines=()),
)


def search(config, method, directory, **where):
    return find(
        config, Search(method=method, **where), directory, name="", question="", executor=Local(), options=QUIET
    )


def seconds(directory):
    return sum(row["cost"]["train_seconds"] for row in read_rows(directory))


def test_halving_finds_what_the_whole_grid_finds_for_less_than_half_the_training(tmp_path):
    points = product(
        grid("optimizer.learning_rate", [1e-4, 3e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2, 0.1]),
        grid("optimizer.beta1", [0.5, 0.9, 0.98]),
    )
    whole = StudyDirectory(tmp_path / "grid")
    run(expand(CONFIG, product(points, grid("seed", range(REPETITIONS)))), whole, options=QUIET)
    errors = np.zeros((len(points), REPETITIONS))
    for row in read_rows(whole):
        index = points.index({path: row["config"][path] for path in points[0]})
        errors[index, row["config"]["seed"]] = row["metrics"]["validation_mse"]
    means = errors.mean(1)
    best = int(np.argmin(means))
    standard_error = errors[best].std(ddof=1) / np.sqrt(REPETITIONS)
    found, costs = [], []
    for seed in range(REPETITIONS):
        directory = StudyDirectory(tmp_path / str(seed))
        result = search(override(CONFIG, {"seed": seed}), Halving(), directory, candidates=tuple(points))
        chosen = {path: getattr(result.configs[-1].optimizer, path.split(".")[1]) for path in points[0]}
        found.append(means[points.index(chosen)])
        costs.append(seconds(StudyDirectory(directory.path / "search")))
    share = REPETITIONS * np.mean(costs) / seconds(whole)
    print(f"\nbest of the grid {points[best]}: {means[best]:.6f} ± {standard_error:.6f} (one standard error)")
    print(
        f"found on average {np.mean(found):.6f}, within it {np.sum(found <= means[best] + standard_error)} times of 10"
    )
    print(f"{100 * share:.1f} % of the seconds of training")
    assert np.mean(found) <= means[best] + standard_error
    assert share <= 0.4


def test_tpe_comes_nearer_to_a_known_optimum_than_as_many_draws(tmp_path):
    # No linear autoencoder has less error than PCA with as many components (Baldi and Hornik, 1989).
    config = override(
        CONFIG,
        {
            "autoencoder.encoder.widths": [],
            "autoencoder.likelihood.output": "identity",
            "training.epochs": 9,
            "optimizer": "momentum",
            "optimizer.clip_norm": 1.0,
            "optimizer.averaging": 0.5,
            "optimizer.schedule": "cosine",
        },
    )
    space = {
        "optimizer.learning_rate": Range(low=1e-4, high=10.0, log=True),
        "optimizer.momentum": Range(low=0.0, high=0.99),
        "optimizer.clip_norm": Range(low=0.01, high=100.0, log=True),
        "optimizer.averaging": Range(low=0.0, high=0.999),
        "optimizer.schedule.warmup_epochs": Range(low=0.0, high=5.0),
    }
    errors = np.zeros((REPETITIONS, 2))
    for seed, (column, method) in itertools.product(range(REPETITIONS), enumerate((Random, Tpe))):
        directory = StudyDirectory(tmp_path / f"{method.__name__} {seed}")
        found = search(override(config, {"seed": seed}), method(trials=64, seed=seed), directory, space=space)
        errors[seed, column] = found.value
    pca = override(config, {"evaluation.measures": ["reconstruction"], "evaluation.baselines": ["pca"]})
    run([pca], StudyDirectory(tmp_path / "pca"), options=QUIET)
    (optimum,) = [
        row["metrics"]["validation_mse"]
        for row in read_rows(StudyDirectory(tmp_path / "pca"))
        if row["method"] == "pca"
    ]
    excess = errors / optimum - 1
    interval = student_interval(list(excess[:, 0] - excess[:, 1]))
    print(f"\nabove PCA's error: draws {100 * excess[:, 0].mean():.2f} %, TPE {100 * excess[:, 1].mean():.2f} %")
    print(f"paired difference {100 * interval.mean:.2f} ± {100 * interval.half_width:.2f} %")
    assert interval.mean > interval.half_width
