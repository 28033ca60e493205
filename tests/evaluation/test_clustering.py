"""Clusters beside classes."""

import itertools

import numpy as np
import pytest
from sklearn.datasets import load_digits

from aejax.evaluation import clustering
from aejax.evaluation.clustering import cluster_metrics, matched_accuracy


@pytest.fixture(scope="module", autouse=True)
def few_runs():
    """These clusters are found from any of a few starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clustering, "NUM_RUNS", {"kmeans": 4, "gmm": 1})
        yield


def cut(x):
    return {"train": x[:900], "validation": x[900:1200], "test": x[1200:]}


@pytest.mark.parametrize("seed", range(5))
def test_matched_accuracy_is_the_best_of_all_matchings(seed):
    generator = np.random.default_rng(seed)
    label, cluster = generator.integers(0, 5, (2, 60))
    cluster[:20] = (label[:20] + 2) % 5
    best = max(np.mean(np.asarray(order)[cluster] == label) for order in itertools.permutations(range(5)))
    assert matched_accuracy(label, cluster, 5) == pytest.approx(best)


def test_separate_blobs_are_their_classes_and_wide_features_are_reduced():
    generator = np.random.default_rng(0)
    label = np.arange(1500) % 4
    features = 10 * generator.normal(size=(4, 100))[label] + generator.normal(size=(1500, 100))
    found = cluster_metrics(cut(features), cut(label), num_classes=4)
    assert set(found) == {
        f"{split}_{method}_{name}"
        for split in ("validation", "test")
        for method in ("kmeans", "gmm")
        for name in ("accuracy", "nmi", "ari")
    }
    assert all(value == pytest.approx(1.0) for value in found.values())


def test_labels_of_training_images_are_not_read_and_runs_agree():
    image, label = load_digits(return_X_y=True)
    features, labels = cut(image), cut(label)
    first = cluster_metrics(features, labels, num_classes=10)
    second = cluster_metrics(features, labels | {"train": np.full(900, -1)}, num_classes=10)
    assert first == second
    assert 0.6 < first["test_kmeans_accuracy"] < 0.9


def test_whitened_clusters_do_not_depend_on_the_unit_of_a_feature():
    generator = np.random.default_rng(0)
    label = np.arange(1500) % 4
    features = 10 * generator.normal(size=(4, 3))[label] + generator.normal(size=(1500, 3))
    loud = np.concatenate([features, 1000 * generator.normal(size=(1500, 1))], axis=1)  # It says nothing.
    plain, whitened = (
        cluster_metrics(cut(loud), cut(label), num_classes=4, whiten=whiten)["test_kmeans_accuracy"]
        for whiten in (False, True)
    )
    assert plain < 0.5
    assert whitened > 0.9
    # A pixel that is hardly ever there must not become the loudest of all.
    rare = np.concatenate([features, 1e-7 * np.eye(1500)[:, :1] + 0.0], axis=1)
    rare[1200:, -1] = 1.0
    assert cluster_metrics(cut(rare), cut(label), num_classes=4, whiten=True)["test_kmeans_accuracy"] > 0.9


def test_normalized_clusters_are_of_directions():
    generator = np.random.default_rng(0)
    label = np.arange(1500) % 4
    direction = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])[label] + 0.1 * generator.normal(size=(1500, 2))
    features = generator.lognormal(sigma=1.0, size=(1500, 1)) * direction  # Of any length.
    plain, normalized = (
        cluster_metrics(cut(features), cut(label), num_classes=4, normalize=normalize)["test_kmeans_accuracy"]
        for normalize in (False, True)
    )
    assert plain < 0.9
    assert normalized > 0.95


def test_features_that_are_not_finite_have_no_clusters():
    features = cut(np.full((1500, 3), np.nan))
    found = cluster_metrics(features, cut(np.arange(1500) % 3), num_classes=3)
    assert all(np.isnan(value) for value in found.values())


def test_far_more_features_than_examples_are_clustered_without_a_matrix_of_all_their_pairs():
    generator = np.random.default_rng(0)
    label = np.arange(120) % 3
    features = (generator.normal(size=(3, 60_000))[label] + generator.normal(size=(120, 60_000))).astype(np.float32)
    parts = {"train": slice(0, 60), "validation": slice(60, 90), "test": slice(90, 120)}
    found = cluster_metrics(*({s: x[part] for s, part in parts.items()} for x in (features, label)), num_classes=3)
    assert found["test_kmeans_accuracy"] == 1
