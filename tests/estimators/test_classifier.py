"""AutoencoderClassifier: labels of any kind, rows without a label, the probe, fine-tuning."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

import aejax
from aejax.errors import ConfigError

NET = {"autoencoder.encoder.widths": (16,)}


def make(**parameters):
    given = {"latent_size": 8, "epochs": 30, "batch_size": 16, "learning_rate": 0.01, "fields": NET, "random_state": 0}
    return aejax.AutoencoderClassifier(**given | parameters)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(n_class=3, return_X_y=True)
    return X[:300], np.array(["zero", "one", "two"], object)[y[:300]]


@pytest.fixture(scope="module")
def probe(digits):
    return make().fit(digits[0][:150], digits[1][:150])


def test_the_probe_knows_digits_by_their_names(probe, digits):
    X, y = digits[0][150:], digits[1][150:]
    assert probe.classes_.tolist() == ["one", "two", "zero"]
    assert probe.score(X, y) > 0.9
    chance = probe.predict_proba(X)
    assert np.allclose(chance.sum(axis=1), 1)
    assert np.array_equal(probe.classes_[chance.argmax(axis=1)], probe.predict(X))
    logits = probe.decision_function(X)
    assert logits.shape == (150, 3)
    X = digits[0][:150]
    logits, features = probe.decision_function(X), probe.model_.features(probe._images(X))
    assert np.allclose(logits, features @ probe.coef_.T + probe.intercept_, rtol=1e-3, atol=1e-2)


def test_rows_without_a_label_train_the_autoencoder_alone(digits):
    X, y = digits[0][:150], np.unique(digits[1][:150], return_inverse=True)[1]
    some = np.where(np.arange(150) < 40, y, -1)
    known = make(unlabelled=-1).fit(X, some)
    assert known.classes_.tolist() == [0, 1, 2]
    assert known.model_.trained_on.num_images["train"] == 150
    assert known.score(X[40:], y[40:]) > 0.8
    assert make().fit(X, some).classes_.tolist() == [-1, 0, 1, 2]  # Unless it is said, -1 is a class.


@pytest.mark.slow
def test_fine_tuning_changes_the_encoder(digits, tmp_path):
    X, y = digits
    tuned = make(fine_tuning_epochs=20).fit(X[:150], y[:150])
    assert tuned.score(X[150:], y[150:]) > 0.9
    before = tuned.model_.variables["params"]["latent"]["kernel"]
    after = tuned.classifier_.variables["params"]["autoencoder"]["latent"]["kernel"]
    assert not np.allclose(before, after)
    for again in (pickle.loads(pickle.dumps(tuned)), _saved(tuned, tmp_path / "tuned")):
        assert np.array_equal(again.decision_function(X), tuned.decision_function(X))
        assert again.predict(X[:2]).dtype == object


def test_a_saved_probe_is_loaded(probe, digits, tmp_path):
    loaded = _saved(probe, tmp_path / "probe")
    assert np.array_equal(loaded.predict_proba(digits[0]), probe.predict_proba(digits[0]))
    assert np.array_equal(loaded.predict(digits[0]), probe.predict(digits[0]))


def _saved(classifier, path):
    classifier.save(path)
    return aejax.AutoencoderClassifier.load(path)


@pytest.mark.slow
def test_of_two_classes_the_decision_is_one_number():
    X = np.random.default_rng(0).random((20, 3))
    binary = make().fit(X, X[:, 0] > 0.5)
    decision = binary.decision_function(X)
    assert decision.shape == (20,)
    assert np.array_equal(binary.predict(X), decision > 0)
    assert np.allclose(binary.predict_proba(X)[:, 1], 1 / (1 + np.exp(-decision)))


def test_labels_that_are_no_classes_are_refused(digits):
    X, y = digits[0][:20], digits[1][:20]
    with pytest.raises(ValueError, match="continuous"):
        make().fit(X, np.linspace(0, 1, 20))
    with pytest.raises(ValueError, match="there should be labels of two classes at least; y has 1 class"):
        make().fit(X, np.ones(20))
    with pytest.raises(ValueError, match="y has 0 class"):
        make(unlabelled=1).fit(X, np.ones(20))
    with pytest.raises(ConfigError, match=r"fine_tuning\.epochs"):
        make(fine_tuning_epochs=-1).fit(X, y)
    with pytest.raises(NotFittedError):
        make().predict(X)
