"""Evaluation as a contender: classifiers and PCA on 60,000 images of MNIST, by aejax and by scikit-learn."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aejax.data.load import DataConfig, load
from aejax.evaluation.clustering import cluster_metrics
from aejax.evaluation.neighbors import neighbors_accuracy
from aejax.evaluation.pca import fit_pca
from aejax.evaluation.probe import fit_logistic, linear_probe, predict
from aejax.evaluation.suite import EvaluationConfig, classify
from aejax.measures.config import STRENGTHS
from aejax.measures.zoo import of_labels
from aejax.training.setup import set_up_jax

COMMON_STRENGTH = 0.001  # At which both fit, to compare accuracies.
NUM_NEIGHBORS, NUM_AXES, NUM_FEATURES = 5, 64, 256

Splits = dict[str, Any]


class _EvaluationRunner(NamedTuple):
    work: Callable[[], Any]
    describe: Callable[[], dict[str, Any]]

    def run(self) -> float:
        """Does it once."""
        jax.block_until_ready(self.work())
        return 1

    def facts(self) -> dict[str, Any]:
        """Returns accuracies, in per cent."""
        return self.describe()


def make_runner(what: str) -> _EvaluationRunner:
    """Returns a runner of one evaluation: "probe", "neighbors", "pca", or scikit-learn's ("sklearn probe", ...).

    "measures" are all that an experiment can ask of features, "clusters" those of them that the host computes.

    Features are random projections to 256 dimensions behind a ReLU: those of an untrained dense encoder.
    """
    set_up_jax()
    dataset = load(DataConfig(name="mnist"))
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    image = {name: part.image for name, part in parts.items()}
    label = {name: part.label for name, part in parts.items()}
    weights = np.random.default_rng(0).normal(size=(784, NUM_FEATURES)).astype(np.float32) / 28
    pixels = {name: x.reshape(len(x), -1).astype(np.float32) / 255 for name, x in image.items()}
    features = {name: np.maximum(x @ weights, 0) for name, x in pixels.items()}
    make = {
        "probe": _probe,
        "neighbors": _neighbors,
        "measures": _measures,
        "clusters": _clusters,
        "sklearn probe": _sklearn_probe,
        "sklearn neighbors": _sklearn_neighbors,
    }
    if what in make:
        return make[what](features, label)
    return (_pca if what == "pca" else _sklearn_pca)(image)


def _together(splits: Splits) -> np.ndarray:
    return np.concatenate([splits["train"], splits["validation"]])


def _probe(features: Splits, label: Splits) -> _EvaluationRunner:
    features, label = jax.device_put((features, label))
    work = jax.jit(lambda features, label: linear_probe(features, label, num_classes=10, strengths=STRENGTHS)[0])

    @functools.cache
    def describe() -> dict[str, Any]:
        inputs, labels = jnp.concatenate([features["train"], features["validation"]]), _together(label)
        fit = jax.jit(functools.partial(fit_logistic, num_classes=10, strengths=(COMMON_STRENGTH,)))(inputs, labels)
        accuracy = jnp.mean(predict(fit, features["test"])[:, 0] == label["test"])
        return {"test_accuracy_at_0.001": 100 * float(accuracy)}

    return _EvaluationRunner(lambda: work(features, label), describe)


def _sklearn_probe(features: Splits, label: Splits) -> _EvaluationRunner:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inputs, labels = _together(features), _together(label)
    strength = 1 / (len(inputs) * COMMON_STRENGTH)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
    accuracy = lambda: 100 * float(model.score(features["test"], label["test"]))  # noqa: E731
    return _EvaluationRunner(lambda: model.fit(inputs, labels) and None, lambda: {"test_accuracy_at_0.001": accuracy()})


def _neighbors(features: Splits, label: Splits) -> _EvaluationRunner:
    features, label = jax.device_put((features, label))
    work = jax.jit(functools.partial(neighbors_accuracy, num_classes=10, num_neighbors=NUM_NEIGHBORS))
    accuracy: dict[str, Any] = {}

    def run() -> Any:
        accuracy.update(work(features, label))
        return accuracy

    return _EvaluationRunner(run, lambda: {"test_accuracy": 100 * float(accuracy["test_knn_accuracy"])})


def _sklearn_neighbors(features: Splits, label: Splits) -> _EvaluationRunner:
    from sklearn.neighbors import KNeighborsClassifier

    accuracy: dict[str, Any] = {}

    def run() -> None:
        model = KNeighborsClassifier(NUM_NEIGHBORS, metric="cosine").fit(features["train"], label["train"])
        model.score(features["validation"], label["validation"])
        model.fit(_together(features), _together(label))
        accuracy["test_accuracy"] = 100 * float(model.score(features["test"], label["test"]))

    return _EvaluationRunner(run, lambda: accuracy)


def _measures(features: Splits, label: Splits) -> _EvaluationRunner:
    on_device, labels = jax.device_put((features, label))
    config = EvaluationConfig(measures=tuple(of_labels()))
    work = jax.jit(functools.partial(classify, config=config, num_classes=10))
    metrics: dict[str, Any] = {}

    def run() -> Any:
        metrics.update(jax.device_get(work(on_device, labels)) | cluster_metrics(features, label, num_classes=10))
        return ()

    return _EvaluationRunner(
        run, lambda: {name: 100 * float(metrics[name]) for name in metrics if name.startswith("test_")}
    )


def _clusters(features: Splits, label: Splits) -> _EvaluationRunner:
    return _EvaluationRunner(lambda: cluster_metrics(features, label, num_classes=10), dict)


def _pca(image: Splits) -> _EvaluationRunner:
    train, work = jax.device_put(image["train"]), jax.jit(functools.partial(fit_pca, size=NUM_AXES))
    return _EvaluationRunner(lambda: work(train), dict)


def _sklearn_pca(image: Splits) -> _EvaluationRunner:
    from sklearn.decomposition import PCA

    train = image["train"].reshape(len(image["train"]), -1)

    def run() -> None:
        PCA(NUM_AXES, random_state=0).fit(train.astype(np.float32) / 255)

    return _EvaluationRunner(run, dict)
