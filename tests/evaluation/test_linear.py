"""Linear classifiers a block at a time, beside those of held features and scikit-learn's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from aejax.data.preprocessing import Preprocessing
from aejax.data.resident import ResidentData
from aejax.evaluation import blocks as blocks_module
from aejax.evaluation.blocks import blocks_of, standardized_sums
from aejax.evaluation.closed_form import closed_form_accuracies
from aejax.evaluation.linear import CROSS_ENTROPY, SQUARED_HINGE, accuracies_in_blocks, fit_by_search, fit_ridge
from aejax.evaluation.probe import linear_probe
from aejax.evaluation.suite import Representation

STRENGTHS = {"ridge": (1.0, 0.1, 0.01, 0.001, 0.0001), "probe": (0.1, 0.01, 0.001), "svm": (0.1, 0.01, 0.001)}


def flat(stored):
    return stored.reshape(len(stored), -1)


@pytest.fixture(scope="module")
def digits():
    image, label = load_digits(return_X_y=True)  # Three of the pixels are always blank.
    cut = lambda x: {"train": x[:900], "validation": x[900:1200], "test": x[1200:]}  # noqa: E731
    return ResidentData(
        cut(image.astype(np.float32).reshape(-1, 8, 8, 1)), cut(label.astype(np.int32)), Preprocessing(kind="none")
    )


@functools.partial(jax.jit, static_argnums=(1, 2))
def fitted(data, name, rows):
    train = blocks_of(flat, 50, data, "train", flip=False, rows=rows)
    standardization, sums = standardized_sums(train, 64, 10)
    if name == "ridge":
        return fit_ridge(sums, jnp.asarray([1.0, 0.01]))
    loss = {"probe": CROSS_ENTROPY, "svm": SQUARED_HINGE}[name]
    strengths = jnp.asarray([0.1, 0.01])
    return fit_by_search(loss, [train], standardization, sums, strengths, tolerance=3e-5)


def scaled(data):
    scaler = StandardScaler().fit(flat(data.image["train"]).astype(np.float64))
    return scaler.transform(flat(data.image["train"]).astype(np.float64)), data.label["train"]


@pytest.fixture
def in_strips(monkeypatch):
    """Cuts matrices of few features into strips, as those of many are."""
    monkeypatch.setattr(blocks_module, "_STRIP", 10)


@pytest.mark.usefixtures("in_strips")
@pytest.mark.parametrize("rows", [1000, 77])
def test_ridge_is_scikit_learns(digits, rows):
    ours, (x, label) = fitted(digits, "ridge", rows), scaled(digits)
    unit = np.trace(np.cov(x.T, bias=True)) / 64
    for index, strength in enumerate((1.0, 0.01)):
        expected = Ridge(alpha=strength * unit * len(x)).fit(x, np.eye(10)[label])
        np.testing.assert_allclose(ours.weights[index], expected.coef_.T, atol=1e-4)
        np.testing.assert_allclose(ours.bias[index], expected.intercept_, atol=1e-4)


@pytest.mark.usefixtures("in_strips")
@pytest.mark.parametrize("rows", [1000, 77])
def test_logistic_regression_is_scikit_learns(digits, rows):
    ours, (x, label) = fitted(digits, "probe", rows), scaled(digits)
    for index, strength in enumerate((0.1, 0.01)):
        expected = LogisticRegression(C=1 / (len(x) * strength), tol=1e-8, max_iter=1000).fit(x, label)
        np.testing.assert_allclose(ours.weights[index], expected.coef_.T, atol=3e-3)
    assert ours.iterations < 90


@pytest.mark.usefixtures("in_strips")
@pytest.mark.parametrize("rows", [1000, 77])
def test_the_support_vector_machine_is_scikit_learns(digits, rows):
    ours, (x, label) = fitted(digits, "svm", rows), scaled(digits)
    sign = 2 * np.eye(10)[label] - 1
    for index, strength in enumerate((0.1, 0.01)):

        def objective(weights, bias, strength=strength):
            lack = np.maximum(1 - sign * (x @ weights + bias), 0)
            return np.mean(lack**2, axis=0) + strength / 2 * np.sum(weights**2, axis=0)

        # It penalizes the intercept, the less the larger its scaling.
        model = LinearSVC(C=1 / (len(x) * strength), dual=False, tol=1e-7, intercept_scaling=100, max_iter=10_000)
        expected = model.fit(x, label)
        least = objective(expected.coef_.T, expected.intercept_)
        weights, bias = np.float64(ours.weights[index]), np.float64(ours.bias[index])
        np.testing.assert_allclose(objective(weights, bias), least, rtol=1e-3)
        same = np.argmax(x @ weights + bias, axis=1) == expected.predict(x)
        assert np.mean(same) > 0.998
    assert ours.iterations < 150


def test_accuracies_are_those_of_held_features(digits):
    found = jax.jit(
        lambda data: accuracies_in_blocks(Representation(flat, at_once=50), data, STRENGTHS, num_classes=10, rows=128)
    )(digits)
    features = jax.tree.map(flat, digits.image)
    expected = closed_form_accuracies(features, digits.label, num_classes=10, names=["ridge"])
    expected |= linear_probe(features, digits.label, num_classes=10, strengths=STRENGTHS["probe"])[0]
    for name in (
        "validation_ridge_accuracy",
        "test_ridge_accuracy",
        "validation_probe_accuracy",
        "test_probe_accuracy",
    ):
        assert found[name] == pytest.approx(float(expected[name]), abs=0.0034), name  # One of 300.
    assert found["probe_strength"] == expected["probe_strength"]
    assert 0.85 < found["test_svm_accuracy"] < 1
    assert found["svm_gradient_norm"] < 1e-3
