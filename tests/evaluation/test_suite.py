"""What is measured of one member, of its own data and of others."""

import jax
import numpy as np
import pytest

from aejax.evaluation.baselines import represent_pixels
from aejax.evaluation.suite import EvaluationConfig, Representation, classify, describe, transferred

CONFIG = EvaluationConfig(probe_strengths=(0.01, 0.1))


def measured(representation, data, config=CONFIG, transfer=None):
    return jax.jit(lambda data, transfer: describe(representation, data, config, transfer))(data, transfer)


def test_features_of_transfer_data_are_those_of_the_same_encoder(data):
    pixels = represent_pixels(data)
    other = data.replace(image={split: image[::2] for split, image in data.image.items()})
    # What the member was trained for is not asked of other data: calling `classify` there would count.
    calls = []
    supervised = Representation(pixels.encode, classify=lambda stored: calls.append(1) or pixels.encode(stored)[:, :4])
    metrics, features = measured(supervised, data, transfer=other)
    assert set(metrics) == {"train_accuracy", "validation_accuracy", "test_accuracy"}
    assert len(calls) == 3
    for split in data.image:
        np.testing.assert_array_equal(features["transfer"][split], features["own"][split][::2])


def test_classifying_the_same_data_as_transfer_gives_the_same(data):
    _, features = measured(represent_pixels(data), data, transfer=data)
    own, other = (classify(features[name], data.label, CONFIG, 4) for name in ("own", "transfer"))
    assert own == other
    names = [transferred(name) for name in own]
    assert {"validation_transfer_probe_accuracy", "test_transfer_knn_accuracy", "transfer_probe_strength"} <= set(names)
    assert len(set(names)) == len(names)


def test_robustness_has_to_be_named_and_brings_the_probe(data):
    pixels = represent_pixels(data)
    assert "corrupted" not in measured(pixels, data)[1]["own"]
    config = EvaluationConfig(probe_strengths=(0.01,), measures=("robustness",))
    metrics, features = measured(pixels, data, config)
    assert metrics == {}  # Pixels reconstruct nothing.
    result = classify(features["own"], data.label, config, 4)
    assert 0.3 < result["test_corrupted_probe_accuracy"] < result["test_probe_accuracy"] <= 1
    assert result["test_contrast_1_probe_accuracy"] > result["test_noise_5_probe_accuracy"]
    assert "test_knn_accuracy" not in result


def test_without_labels_robustness_is_of_reconstructions_alone(data):
    unlabelled = data.replace(label={})
    config = EvaluationConfig(measures=("reconstruction", "robustness"))
    gray = Representation(represent_pixels(data).encode, reconstruct=lambda stored: 0.5 + 0.0 * stored)
    metrics, features = measured(gray, unlabelled, config)
    assert features == {"own": {}}
    # The same answer to every image is as wrong as it is of the clean ones: the error is against those.
    assert metrics["test_corrupted_mse"] == pytest.approx(float(metrics["test_mse"]), rel=1e-5)
