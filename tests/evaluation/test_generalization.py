"""The gap between errors on seen and unseen images, and when it is called overfitting."""

import numpy as np
import pytest

from aejax.evaluation.generalization import generalization_gap

GENERATOR = np.random.default_rng(0)


def errors(mean, count, spread=0.3):
    return (mean * GENERATOR.gamma(1 / spread**2, spread**2, count)).astype(np.float32)


def test_a_gap_is_a_ratio_of_means():
    error = {"train": errors(1.0, 500), "validation": errors(3.0, 200), "test": errors(2.5, 300)}
    metrics = generalization_gap(error)
    np.testing.assert_allclose(metrics["gap"], error["validation"].mean() / error["train"].mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["test_gap"], error["test"].mean() / error["train"].mean(), rtol=1e-5)
    assert metrics["overfits"] == 1


@pytest.mark.parametrize(
    ("validation", "count", "spread"),
    [
        (1.4, 1000, 0.3),  # Shown, but small.
        (1.6, 8, 2.0),  # Large, but not shown.
        (0.5, 1000, 0.3),  # The other way round.
    ],
)
def test_only_what_is_large_and_shown_is_flagged(validation, count, spread):
    metrics = generalization_gap({"train": errors(1.0, 1000), "validation": errors(validation, count, spread)})
    assert metrics["overfits"] == 0


def test_without_validation_images_nothing_is_said_of_them():
    assert set(generalization_gap({"train": errors(1.0, 10), "test": errors(2.0, 10)})) == {"test_gap"}
