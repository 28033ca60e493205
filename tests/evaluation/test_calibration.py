import jax
import numpy as np
import pytest

from aejax.evaluation import calibration
from aejax.evaluation.calibration import NUM_BINS

calibration_error = jax.jit(calibration.calibration_error)


def by_hand(logits, label):
    """The definition, bin by bin."""
    probability = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    confidence, right = probability.max(axis=1), probability.argmax(axis=1) == label
    total = 0.0
    for low in np.arange(NUM_BINS) / NUM_BINS:
        inside = (confidence > low) & (confidence <= low + 1 / NUM_BINS)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


def test_error_is_the_definition():
    generator = np.random.default_rng(0)
    logits, label = generator.normal(0, 2, (500, 7)).astype(np.float32), generator.integers(0, 7, 500)
    assert calibration_error(logits, label) == pytest.approx(by_hand(logits, label), abs=1e-6)


def test_a_sure_classifier_errs_by_the_share_it_gets_wrong_and_an_honest_one_not():
    label = np.arange(100) % 2
    sure = np.tile([100.0, 0.0], (100, 1)).astype(np.float32)
    assert calibration_error(sure, label) == pytest.approx(0.5)
    assert calibration_error(np.zeros((100, 2), np.float32), label) == pytest.approx(0.0, abs=1e-6)
