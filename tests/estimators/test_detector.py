"""AutoencoderDetector: outliers have low scores, and the threshold is the stated quantile."""

import numpy as np
import pytest

import aejax
from aejax.errors import ConfigError


def make(**parameters):
    fields = {"autoencoder.encoder.widths": (8,)}
    given = {"config": "plain", "latent_size": 2, "epochs": 200, "batch_size": "all", "learning_rate": 0.01}
    return aejax.AutoencoderDetector(**given | {"fields": fields, "random_state": 0} | parameters)


@pytest.fixture(scope="module")
def rows():
    """Ten features that two factors decide, and some without those ties."""
    generator = np.random.default_rng(0)
    weights = generator.normal(size=(2, 10))
    normal = generator.uniform(size=(300, 2)) @ weights
    strange = generator.permuted(normal[:40], axis=0)
    return normal[:200], normal[200:], strange


@pytest.fixture(scope="module")
def detector(rows):
    return make().fit(rows[0])


def test_what_breaks_the_ties_of_training_rows_is_an_outlier(detector, rows):
    train, normal, strange = rows
    assert np.mean(detector.predict(normal) == 1) > 0.75
    assert np.mean(detector.predict(strange) == -1) > 0.75
    assert detector.score_samples(strange).max() <= 0
    # What lies far beyond the training rows is one, though features and errors are on a scale of [0, 1].
    assert detector.predict(1000 + train[:5]).tolist() == [-1] * 5


def test_the_threshold_is_the_quantile_of_training_scores(detector, rows):
    scores = detector.score_samples(rows[0])
    assert detector.offset_ == pytest.approx(np.quantile(scores, 0.1))
    assert np.sum(detector.predict(rows[0]) == -1) == 20
    assert np.array_equal(detector.decision_function(rows[0]), scores - detector.offset_)
    fewer = make(contamination=0.05)
    assert np.sum(fewer.fit_predict(rows[0]) == -1) == 10


def test_the_score_is_minus_the_squared_error(detector, rows):
    rebuilt = detector.model_.reconstruct(detector._images(rows[0]).clip(0, 1))
    error = np.mean((rebuilt - detector._images(rows[0])) ** 2, axis=(1, 2, 3))
    assert np.allclose(detector.score_samples(rows[0]), -error, atol=1e-6)


def test_a_saved_detector_is_loaded(detector, rows, tmp_path):
    detector.save(tmp_path / "detector")
    loaded = aejax.AutoencoderDetector.load(tmp_path / "detector")
    assert loaded.offset_ == detector.offset_
    assert np.array_equal(loaded.predict(rows[2]), detector.predict(rows[2]))


@pytest.mark.parametrize("contamination", [0, 0.6, True, "auto", None])
def test_a_contamination_that_is_no_share_is_refused(rows, contamination):
    with pytest.raises(ConfigError, match=r"should be a share of the rows, above 0 and at most 0\.5"):
        make(contamination=contamination).fit(rows[0])
