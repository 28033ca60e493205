import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score

from aejax.evaluation.retrieval import average_precision, retrieval_precision


def test_average_precision_is_that_of_scikit_learn():
    image, label = load_digits(return_X_y=True)
    noise = np.random.default_rng(0).normal(0, 0.1, image.shape)  # So that no two are as similar.
    noisy = image - image.mean(axis=0) + noise
    unit = (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)
    found = jax.jit(average_precision)(unit[:20], label[:20], unit[20:800], label[20:800])
    for i in range(20):
        expected = average_precision_score(label[20:800] == label[i], unit[20:800] @ unit[i])
        assert found[i] == pytest.approx(expected, abs=1e-4)


def test_features_that_are_the_class_find_all_of_it():
    labels = {split: np.arange(60, dtype=np.int32) % 3 for split in ("train", "validation", "test")}
    features = {split: np.eye(3, dtype=np.float32)[label] for split, label in labels.items()}
    found = jax.jit(retrieval_precision)(features, labels)
    assert {name: float(value) for name, value in found.items()} == {
        "validation_retrieval_map": 1.0,
        "test_retrieval_map": 1.0,
    }


def test_of_equally_similar_images_those_of_the_class_come_last():
    gallery = np.array([[1, 0], [1, 0], [0, 1], [-1, 0]], np.float32)
    found = jax.jit(average_precision)(gallery[:1], np.array([1]), gallery, np.array([1, 0, 0, 1]))
    assert found[0] == pytest.approx((1 / 2 + 2 / 4) / 2)
