"""Ridge regression, Gaussian classes and class means, beside scikit-learn's."""

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import StandardScaler

from aejax.evaluation import closed_form
from aejax.evaluation.closed_form import CLOSED_FORMS, closed_form_accuracies
from aejax.measures.config import SHARES

accuracies = jax.jit(closed_form_accuracies, static_argnames=("num_classes", "names"))
moments = jax.jit(closed_form.moments, static_argnames="num_classes")
ridge, gaussian, class_mean = map(jax.jit, (closed_form.ridge, closed_form.gaussian, closed_form.class_mean))
predict = jax.jit(lambda classifier, x: classifier.predict(x))


@pytest.fixture(scope="module")
def digits():
    image, label = load_digits(return_X_y=True)  # Three of the pixels are always blank.
    cut = lambda x: {"train": x[:900], "validation": x[900:1200], "test": x[1200:]}  # noqa: E731
    return cut(image.astype(np.float32)), cut(label.astype(np.int32))


@pytest.fixture(scope="module")
def standardized(digits):
    features, labels = digits
    return StandardScaler().fit_transform(features["train"]).astype(np.float32), labels["train"]


def test_ridge_is_the_closed_form(standardized):
    x, label = standardized
    known = moments(x, label, 10)
    covariance = np.cov(x.T.astype(np.float64), bias=True)
    for strength in (1.0, 0.01):
        ours = jax.device_get(ridge(known, np.float32([strength])))
        # scikit-learn sums where we average.
        alpha = strength * np.trace(covariance) / 64 * len(x)
        expected = Ridge(alpha=alpha).fit(x.astype(np.float64), np.eye(10)[label])
        np.testing.assert_allclose(ours.weights[0], expected.coef_.T, atol=1e-5)
        np.testing.assert_allclose(ours.bias[0], expected.intercept_, atol=1e-5)


def test_gaussian_is_discriminant_analysis(standardized):
    x, label = standardized
    varying = x[:, x.std(axis=0) > 0]
    ours = np.asarray(predict(gaussian(moments(varying, label, 10), np.float32([1e-6])), varying))[:, 0]
    expected = LinearDiscriminantAnalysis(solver="lsqr").fit(varying.astype(np.float64), label).predict(varying)
    assert np.mean(ours == expected) > 0.998


def test_class_mean_is_the_nearest_centroid(standardized):
    x, label = standardized
    varying = x[:, x.std(axis=0) > 0]  # scikit-learn warns of the others.
    ours = np.asarray(predict(class_mean(moments(varying, label, 10)), varying))[:, 0]
    np.testing.assert_array_equal(ours, NearestCentroid().fit(varying, label).predict(varying))


def test_moments_add_up(standardized):
    x, label = standardized
    whole = moments(x, label, 10)
    parts = jax.tree.map(np.add, moments(x[:400], label[:400], 10), moments(x[400:], label[400:], 10))
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)


def test_accuracies_are_of_the_refitted_classifier_at_the_strength_that_validation_chooses(digits):
    features, labels = digits
    found = accuracies(features, labels, num_classes=10, names=CLOSED_FORMS)
    scaler = StandardScaler().fit(features["train"])
    x = {split: scaler.transform(value.astype(np.float64)) for split, value in features.items()}
    unit = np.mean(np.linalg.eigvalsh(np.cov(x["train"].T, bias=True)))

    def fitted(splits, strength):
        rows, label = (np.concatenate([y[split] for split in splits]) for y in (x, labels))
        scale = unit if len(splits) == 1 else np.mean(np.linalg.eigvalsh(np.cov(rows.T, bias=True)))
        model = Ridge(alpha=strength * scale * len(rows)).fit(rows, np.eye(10)[label])
        return lambda split: np.mean(model.predict(x[split]).argmax(axis=1) == labels[split])

    chosen = [fitted(["train"], strength)("validation") for strength in SHARES]
    assert found["validation_ridge_accuracy"] == pytest.approx(max(chosen))
    best = SHARES[int(np.argmax(chosen))]
    assert found["test_ridge_accuracy"] == pytest.approx(fitted(["train", "validation"], best)("test"), abs=2e-3)
    assert set(found) == {f"{split}_{name}_accuracy" for split in ("validation", "test") for name in CLOSED_FORMS}
    assert all(0.8 < value < 1 for value in found.values())


def test_a_class_without_examples_is_never_predicted_and_constant_features_stay_finite():
    features = {split: np.ones((30, 3), np.float32) for split in ("train", "validation", "test")}
    labels = {split: np.repeat([0, 2], 15).astype(np.int32) for split in features}
    found = accuracies(features, labels, num_classes=4, names=CLOSED_FORMS)
    assert all(value == 0.5 for value in found.values())


def test_fewer_examples_than_features_have_the_classifiers_of_all_features(monkeypatch):
    """Features that never vary change nothing but the mean variance, of which the strengths are shares."""
    generator = np.random.default_rng(0)
    label = {"train": np.arange(60) % 3, "validation": np.arange(30) % 3, "test": np.arange(300) % 3}
    centers = generator.normal(size=(3, 40))
    features = {
        split: (0.4 * centers[value] + generator.normal(size=(len(value), 40))).astype(np.float32)
        for split, value in label.items()
    }
    padded = {split: np.pad(x, ((0, 0), (0, 160))) for split, x in features.items()}
    expected = accuracies(features, label, num_classes=3, names=CLOSED_FORMS)
    monkeypatch.setattr(closed_form, "SHARES", tuple(5 * strength for strength in SHARES))
    found = accuracies(padded, label, num_classes=3, names=CLOSED_FORMS)
    for name, value in found.items():
        assert value == pytest.approx(float(expected[name]), abs=0.004)  # One of 300.
    assert 0.6 < found["test_ridge_accuracy"] < 0.95
