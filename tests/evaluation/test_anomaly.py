"""Scores of anomalies beside scikit-learn's areas under curves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.covariance import EmpiricalCovariance
from sklearn.metrics import average_precision_score, roc_auc_score

from aejax.evaluation.anomaly import anomaly_metrics, auroc, average_precision, mahalanobis


@pytest.mark.parametrize("decimals", [6, 0])  # With rounding, many scores are equal.
def test_areas_are_those_of_scikit_learn(decimals):
    generator = np.random.default_rng(0)
    inlier = np.round(generator.normal(0, 2, 300), decimals).astype(np.float32)
    outlier = np.round(generator.normal(1, 2, 120), decimals).astype(np.float32)
    label, score = np.repeat([0, 1], [300, 120]), np.concatenate([inlier, outlier])
    assert auroc(inlier, outlier) == pytest.approx(roc_auc_score(label, score), abs=1e-6)
    assert average_precision(inlier, outlier) == pytest.approx(average_precision_score(label, score), abs=1e-6)


def test_parted_scores_give_one_or_nothing_and_nan_is_no_area():
    low, high = np.arange(5, dtype=np.float32), np.arange(10, 15, dtype=np.float32)
    assert (auroc(low, high), auroc(high, low), average_precision(low, high)) == (1, 0, 1)
    assert auroc(low, low) == 0.5
    assert np.isnan(auroc(low, np.full(3, np.nan, np.float32)))
    assert np.isnan(average_precision(np.full(3, np.nan, np.float32), high))


def test_distance_is_that_of_scikit_learn_and_constant_features_do_not_count():
    generator = np.random.default_rng(0)
    features = (generator.normal(size=(500, 6)) @ generator.normal(size=(6, 6))).astype(np.float32)
    other = generator.normal(2, 1, (40, 6)).astype(np.float32)
    covariance = EmpiricalCovariance().fit(features).covariance_
    constant = lambda x: np.concatenate([x, np.full((len(x), 1), 7, np.float32)], axis=1)  # noqa: E731
    for change, size in ((lambda x: x, 6), (constant, 7)):
        inverse = np.linalg.inv(covariance + 1e-3 * np.trace(covariance) / size * np.eye(6))
        centered = other - features.mean(axis=0)
        expected = np.einsum("nd,de,ne->n", centered, inverse, centered)
        np.testing.assert_allclose(mahalanobis(change(features))(change(other)), expected, rtol=2e-3)


def test_images_of_another_kind_are_told_from_the_own(data):
    # Neighboring pixels of the own images are alike; those of noise are not.
    generator = np.random.default_rng(0)
    noise = {split: generator.integers(0, 256, image.shape, np.uint8) for split, image in data.image.items()}
    outliers = data.replace(image=noise)
    encode = lambda stored: stored.reshape(stored.shape[0], -1)[:, :20] / 255.0  # noqa: E731
    metrics = jax.jit(lambda *data: anomaly_metrics(encode, lambda stored: 0.0 * stored, *data))(data, outliers)
    assert set(metrics) == {
        f"{split}_anomaly_{score}_{area}"
        for split in ("validation", "test")
        for score in ("distance", "mse")
        for area in ("auroc", "aupr")
    }
    assert metrics["test_anomaly_distance_auroc"] > 0.9
    same = jax.jit(lambda data: anomaly_metrics(encode, None, data, data))(data)
    assert set(same) == {name for name in metrics if "distance" in name}
    own = lambda stored: stored[:, 0, 0, 0].astype(jnp.float32)  # noqa: E731
    scored = jax.jit(lambda *data: anomaly_metrics(encode, None, *data, own))(data, outliers)
    expected = auroc(own(data.image["test"]), own(noise["test"]))
    assert scored["test_anomaly_score_auroc"] == pytest.approx(float(expected), abs=1e-6)
    assert same["test_anomaly_distance_auroc"] == pytest.approx(0.5)


def test_distance_from_fewer_examples_than_features_is_the_same():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(20, 50)) @ generator.normal(size=(50, 50))
    other = generator.normal(2, 1, (40, 50))
    covariance = np.cov(features.T, bias=True)
    inverse = np.linalg.inv(covariance + 1e-3 * np.trace(covariance) / 50 * np.eye(50))
    centered = other - features.mean(axis=0)
    expected = np.einsum("nd,de,ne->n", centered, inverse, centered)
    found = mahalanobis(features.astype(np.float32))(other.astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=2e-3)


def test_far_more_features_than_examples_are_no_matrix_of_all_their_pairs():
    features = np.random.default_rng(0).normal(size=(30, 100_000)).astype(np.float32)
    assert np.isfinite(mahalanobis(features)(features[:3])).all()
