"""What is measured of one member, of its own data and of others."""

import functools

import jax
import numpy as np
import pytest

from aejax.autoencoders.fsq import FsqConfig
from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.autoencoders.vae_gan import VaeGanConfig
from aejax.data.load import DataConfig, load
from aejax.errors import ConfigError, DataError
from aejax.evaluation.suite import EvaluationConfig, Representation, classify, describe, of_origin
from aejax.experiment import Config, check, check_data
from aejax.measures import base
from aejax.measures.config import FewLabelsConfig, ProbeConfig, RidgeConfig
from aejax.measures.zoo import MEASURES
from aejax.methods.base import find_method
from aejax.objectives.likelihoods import HalfSquaredError

CONFIG = EvaluationConfig(probe=ProbeConfig(strengths=(0.01, 0.1)))


def represent_pixels(data):
    return find_method("pixels").represent(None, (), Config(), data)


def measured(representation, data, config=CONFIG, **others):
    return jax.jit(lambda data, others: describe(representation, data, config, others))(data, others)[:3]


def test_features_of_transfer_data_are_those_of_the_same_encoder(data):
    pixels = represent_pixels(data)
    other = data.replace(image={split: image[::2] for split, image in data.image.items()})
    # What the member was trained for is not asked of other data: calling `classify` there would count.
    calls = []
    supervised = Representation(pixels.encode, classify=lambda stored: calls.append(1) or pixels.encode(stored)[:, :4])
    metrics, features, _ = measured(supervised, data, transfer=other)
    assert set(metrics) == {"train_accuracy", "validation_accuracy", "test_accuracy"}
    assert len(calls) == 3
    for split in data.image:
        np.testing.assert_array_equal(features["transfer"][split], features["own"][split][::2])


def test_outliers_are_told_apart_without_labels(data):
    pixels = represent_pixels(data)
    unlabelled = data.replace(label={})
    config = EvaluationConfig(outliers=DataConfig())
    metrics, features, _ = measured(pixels, unlabelled, config, outliers=unlabelled)
    assert features == {"own": {}}
    assert metrics["test_anomaly_distance_auroc"] == pytest.approx(0.5)  # They are the same images.


def test_metrics_of_other_places_have_names_of_their_own():
    names = ["validation_probe_accuracy", "test_knn_accuracy", "probe_strength"]
    expected = ["validation_transfer_probe_accuracy", "test_transfer_knn_accuracy", "transfer_probe_strength"]
    assert [of_origin(name, "transfer") for name in names] == expected
    assert [of_origin(name, "own") for name in names] == names
    assert of_origin("test_knn_accuracy", "encoder/Conv_0") == "test_encoder/Conv_0_knn_accuracy"


def test_robustness_has_to_be_named_and_brings_the_probe(data):
    pixels = represent_pixels(data)
    assert "corrupted" not in jax.eval_shape(lambda: describe(pixels, data, CONFIG)).features["own"]
    config = EvaluationConfig(probe=ProbeConfig(strengths=(0.01,)), measures=("robustness",))
    metrics, features, _ = measured(pixels, data, config)
    assert metrics == {}  # Pixels reconstruct nothing.
    classified = jax.jit(lambda features: classify(features, data.label, config, 4))
    result = classified(features["own"])
    assert 0.3 < result["test_corrupted_probe_accuracy"] < result["test_probe_accuracy"] <= 1
    assert result["test_contrast_1_probe_accuracy"] > result["test_noise_5_probe_accuracy"]
    assert "test_knn_accuracy" not in result
    nothing = np.broadcast_to(features["own"]["test"], features["own"]["corrupted"].shape)
    result = classified(features["own"] | {"corrupted": nothing})
    clean = result["test_probe_accuracy"]
    assert all(result[f"test_{name}_5_probe_accuracy"] == clean for name in ("noise", "blur", "rotation"))
    assert result["test_corrupted_probe_accuracy"] == pytest.approx(float(clean), rel=1e-6)


def test_without_labels_robustness_is_of_reconstructions_alone(data):
    config = EvaluationConfig(measures=("robustness",))
    representation = Representation(represent_pixels(data).encode, reconstruct=lambda stored, label: stored / 255)
    unlabelled = data.replace(label={})
    metrics, features, *_ = jax.eval_shape(lambda: describe(representation, unlabelled, config))
    assert len(metrics) == 31
    assert all(name.endswith("_mse") for name in metrics)
    assert features == {"own": {}}


def test_wide_features_are_not_held_and_are_measured_alike(data, monkeypatch):
    pixels = represent_pixels(data)
    half = lambda stored: {"half": stored[:, ::2] / 255.0}  # noqa: E731
    representation = pixels._replace(layers=half)
    other = data.replace(image={split: image[::-1] for split, image in data.image.items()})
    fields = {"ridge": RidgeConfig(strengths=(0.3, 0.01)), "measures": ("ridge",), "layers": ("half",)}
    config = EvaluationConfig(transfer=DataConfig(), **fields)

    def whole(data, others):
        metrics, features, *_ = describe(representation, data, config, others)
        labels = {"own": data, "half": data, "transfer": others["transfer"]}
        for origin, of_images in features.items():
            if of_images:
                found = classify(of_images, labels[origin].known_label, config, 4)
                metrics |= {of_origin(name, origin): value for name, value in found.items()}
        return metrics, features

    # Of some images no label is known: others are told apart, as they are where features are held.
    some = {split: np.arange(0, len(label), 2, np.int32) for split, label in data.label.items()}
    hidden = {split: np.where(np.arange(len(label)) % 2, -1, label) for split, label in data.label.items()}
    for own in (data, data.replace(label=hidden, labelled=some)):
        expected, held = jax.jit(functools.partial(whole))(own, {"transfer": other})
        with monkeypatch.context() as patch:
            patch.setattr(base, "WIDE", 8)
            found, features = jax.jit(functools.partial(whole))(own, {"transfer": other})
        assert set(held) == {"own", "half", "transfer"}
        assert features == {"own": {}}
        for name, value in expected.items():
            assert found[name] == pytest.approx(float(value), abs=0.021), name  # An image, of rounding.
        assert {name for name in found if name.startswith("test_")} == {
            f"test_{origin}ridge_accuracy" for origin in ("", "half_", "transfer_")
        }


@pytest.mark.parametrize(("field", "value"), [("flip", "test"), ("shift", 1)])
def test_further_views_are_refused_where_there_are_no_scores(field, value):
    def check_views(*measures):
        check(Config(evaluation=EvaluationConfig(measures=measures, **{field: value})))

    check_views("reconstruction", "probe", "ridge", "svm")
    with pytest.raises(
        ConfigError, match=rf"^evaluation.{field}={value} averages .* and 'neighbors' has none; name .*"
    ):
        check_views("probe", "neighbors")
    with pytest.raises(ConfigError, match=rf"{field}={value} is read by 'probe', 'ridge', 'svm', and .*none of them"):
        check_views("reconstruction")


def test_images_are_not_moved_out_of_sight():
    config = Config(evaluation=EvaluationConfig(measures=("probe",), shift=8))
    with pytest.raises(DataError, match=r"evaluation.shift=8 moves images of 8 x 8 pixels of digits out of sight"):
        check_data(config, load(config.data))


def test_a_sweep_over_families_may_ask_for_what_only_some_of_them_have():
    asked = EvaluationConfig(measures=("reconstruction",), where_possible=("likelihood", "codebook"))
    wanted = {PlainConfig: [], VaeConfig: ["likelihood"], FsqConfig: ["codebook"], VaeGanConfig: []}
    for family, measures in wanted.items():
        config = Config(autoencoder=family(), evaluation=asked)
        check(config)
        evaluations = [find_method(method).evaluation(config) for method in ("autoencoder", "supervised")]
        for evaluation in evaluations:
            assert {measure.name for measure in evaluation.wanted()} == {"reconstruction", "classification", *measures}
        assert not find_method("generator").evaluation(config).where_possible
    # What a family could have, and does not allow as it is, is said.
    with pytest.raises(ConfigError, match=r"half_squared_error lacks the constant"):
        check(Config(autoencoder=VaeConfig(likelihood=HalfSquaredError()), evaluation=asked))
    with pytest.raises(ConfigError, match="plain has no posterior"):
        check(Config(evaluation=EvaluationConfig(measures=("likelihood",))))


def test_every_measure_of_features_says_something_of_validation_and_test(data):
    features = jax.eval_shape(lambda: describe(represent_pixels(data), data, CONFIG)).features["own"]
    own = [measure for measure in MEASURES.values() if measure.of_labels and measure.features]
    assert len(own) == 10
    for measure in own:
        few = FewLabelsConfig(labels_per_class=(2,))
        config = EvaluationConfig(probe=ProbeConfig(strengths=(0.01,)), measures=(measure.name,), few_labels=few)
        names = jax.eval_shape(lambda x, config=config: classify(x, data.label, config, 4), features)
        of_test = {name.removeprefix("test_") for name in names if name.startswith("test_")}
        assert of_test == {name.removeprefix("validation_") for name in names if name.startswith("validation_")}
        assert of_test & {metric.name for metric in measure.metrics}  # The tables know it.
