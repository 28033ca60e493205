"""Measuring a trained model on arrays, by the functions that measure the members of studies."""

import dataclasses
import tempfile
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import pandas as pd

from aejax.api.arrays import keep_arrays, to_arrays, white_of
from aejax.config import load, partition, to_tree
from aejax.data.load import DataConfig, Dataset
from aejax.data.load import load as load_dataset
from aejax.data.resident import make_resident
from aejax.errors import ConfigError, DataError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.methods.base import find_method
from aejax.methods.roles import Role
from aejax.store.directory import StudyDirectory
from aejax.study.job import Execution, Job, Options, Source
from aejax.study.measure import FittedPopulation
from aejax.study.measure import measure as measure_population
from aejax.sweep import Population
from aejax.trained.model import Trained
from aejax.training.config import TrainingConfig
from aejax.training.population import share


def measure(
    trained: Trained,
    images: Any,
    labels: Any = None,
    *,
    measures: Sequence[str] | None = None,
    evaluation: EvaluationConfig | None = None,
    test_images: Any = None,
    test_labels: Any = None,
) -> pd.Series:
    """Measures a trained model on images, as a study measures its members.

        aejax.measure(vae, images, labels, measures=["reconstruction", "probe"])

    Images are split as a study splits them, always alike: a sixth to test on, unless there are `test_images`, and a
    tenth of the others to choose by. Classifiers of features are fitted to the rest; the numbers are of test images.

    Args:
      trained: a model of `aejax.fit`, `Study.best`, `Study.member` or `aejax.load`; of a generator, its autoencoder.
      images: like those that it was trained on.
      labels: [n], integers or texts, -1 or "" where there is none; None: what needs labels is left out.
      measures: by their names, as of `aejax.EvaluationConfig`; None: reconstruction, and with labels probe and
        neighbors.
      evaluation: how to measure, in more detail.
      test_images: of a test split.
      test_labels: likewise.

    Returns:
      The metrics by their names ("mse", "probe_accuracy"), as fractions where tables show percents.

    Raises:
      ConfigError: if there is no such measure, or the model allows none.
      DataError: if the images or labels do not allow it.
    """
    trained = trained.autoencoder
    arrays = to_arrays(images, labels, test_images, test_labels)
    if not arrays:
        raise DataError("there are no images to measure on; give some")
    evaluation = evaluation or EvaluationConfig()
    if measures is not None:
        evaluation = dataclasses.replace(evaluation, measures=tuple(measures))
    with tempfile.TemporaryDirectory(prefix="aejax-") as folder:
        directory = StudyDirectory(folder)
        with keep_arrays(directory, arrays) as name:
            config = _config(trained, evaluation, DataConfig(name=name, maximum=white_of(arrays)))
            dataset = load_dataset(config.data)
        _check(trained, config, dataset)
        # All else than images and labels is the model's: preprocessing, too.
        resident = share(make_resident(dataset, "none").replace(preprocessing=trained.preprocessing))
        job = Job(find_method(trained.method), Population(partition(config)[0], (config,)))
        execution = Execution(
            job, lambda data: Source(dataset, resident, {}), directory, Options(say=lambda line: None)
        )
        variables = list(execution.members.deal(jax.tree.map(lambda leaf: np.asarray(leaf)[None], trained.variables)))
        results, _, _ = measure_population(execution, FittedPopulation(variables, ["finished"], {}, {}))
    metrics = results["members"][0]["metrics"].items()
    return pd.Series({name.removeprefix("test_"): value for name, value in metrics if name.startswith("test_")})


def _config(trained: Trained, evaluation: EvaluationConfig, data: DataConfig) -> Config:
    """Returns the model's config with other data and another evaluation, through the gate."""
    own = trained.config.data
    data = dataclasses.replace(data, preprocessing=own.preprocessing, binarization=own.binarization)
    training = TrainingConfig(batch_size="all", members_at_once=1)
    config = dataclasses.replace(trained.config, data=data, evaluation=evaluation, training=training)
    config = load(Config, to_tree(config))
    for conflict in config.evaluation.conflicts(config):
        raise ConfigError(conflict)
    if config.evaluation.other_data(data):
        raise ConfigError("evaluation.transfer and evaluation.outliers name other data; measure those by themselves")
    return config


def _check(trained: Trained, config: Config, dataset: Dataset) -> None:
    shape, expected = dataset.train.image.shape[1:], trained.trained_on.image_shape
    if shape != expected:
        raise DataError(f"images have the shape {shape}; those that the model was trained on have {expected}")
    num_classes = trained.trained_on.num_classes
    if Role.CLASSIFIER in find_method(trained.method).role and dataset.num_classes != num_classes:
        raise DataError(f"the model tells {num_classes} classes apart, and there are {dataset.num_classes or 'none'}")
    for misfit in config.evaluation.misfits(config, dataset, {}):
        raise DataError(misfit)
