"""One class against all others: a study of Deep SVDD beside detectors of pixels, and scores of a trained model."""

import dataclasses

import jax
import numpy as np
import pytest

import aejax
from aejax.autoencoders.deep_svdd import DeepSvddConfig
from aejax.autoencoders.plain import PlainConfig
from aejax.data.load import DataConfig, Dataset, Split, load
from aejax.data.resident import make_resident
from aejax.errors import ConfigError, UserError
from aejax.evaluation.detectors import detector_metrics
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check
from aejax.measures.config import DetectorsConfig
from aejax.methods.base import find_method
from aejax.networks.dense import Dense
from aejax.networks.layers import ACTIVATIONS
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.training.step import TrainingConfig, init_variables
from tests.study.studies import train

ENCODER = Dense(widths=(16,), activation="leaky_relu", bias=False)
OTHERS = DataConfig(classes=(1, 2, 9), train_size=1, validation_size=0)
DETECTORS = DetectorsConfig(num_images=100, num_trees=10, bandwidths=(0.5, 1.0))
CONFIG = Config(
    data=DataConfig(classes=(8,), validation_size=0, preprocessing="global_contrast"),
    autoencoder=DeepSvddConfig(encoder=ENCODER, latent_size=4),
    training=TrainingConfig(epochs=30, pretraining_epochs=10, batch_size=30),
    evaluation=EvaluationConfig(
        measures=("reconstruction", "detectors"), baselines=("pixels",), outliers=OTHERS, detectors=DETECTORS
    ),
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("one_class")
    train([CONFIG], path)
    return path, read_rows(StudyDirectory(path))


def metrics_of(rows, method):
    return next(row["metrics"] for row in rows if row["method"] == method)


def test_a_class_is_told_from_others_by_the_families_score_and_by_detectors(study):
    _, rows = study
    pixels, svdd = (metrics_of(rows, method) for method in ("pixels", "autoencoder"))
    for metrics in (pixels, svdd):
        assert not any(name.startswith("validation_") for name in metrics)
        assert all(metrics[f"test_detector_{kind}_auroc"] > 0.6 for kind in DETECTORS.kinds)
    assert "test_mse" not in svdd
    assert "test_anomaly_mse_auroc" not in svdd
    assert "test_anomaly_score_auroc" not in pixels
    assert svdd["test_anomaly_score_auroc"] > 0.7


def test_the_own_score_of_others_is_the_error_after_preprocessing_where_there_is_some():
    config = dataclasses.replace(CONFIG, autoencoder=PlainConfig(encoder=ENCODER, latent_size=4))
    stored = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), np.uint8)
    split = Split(image=stored, label=None)
    dataset = Dataset(name="x", train=split, validation=split, test=split, num_classes=None, fingerprint="")
    method = find_method("autoencoder")
    task = method.task(config, (8, 8, 1), None)
    variables = jax.jit(lambda: init_variables(task, make_resident(dataset, "none")))()
    for kind in ("none", "global_contrast"):
        data = make_resident(dataset, kind)
        representation = method.represent(task, variables, config, data)
        assert (representation.strangeness is None) == (kind == "none")  # It would be the error of pixels.
    unit = stored.reshape(9, -1) / 255
    contrast = np.abs(unit - unit.mean(axis=1, keepdims=True)).mean(axis=1)
    rebuilt = jax.jit(lambda: representation.reconstruct(stored, None))()
    square = np.sum((np.reshape(rebuilt, (9, -1)) - unit) ** 2, axis=1)
    seen = square / contrast**2 * data.preprocessing.forward[0, 0] ** 2
    np.testing.assert_allclose(jax.jit(representation.strangeness)(stored), seen, rtol=1e-3)


def test_detectors_are_given_all_images_of_the_class_and_of_the_others(study):
    own, others = (load(data) for data in (CONFIG.data, OTHERS))
    unit = lambda images: images.reshape(len(images), -1) / np.float32(255)  # noqa: E731
    features = {"train": unit(own.train.image), "test": unit(own.test.image), "test_outliers": unit(others.test.image)}
    found = metrics_of(study[1], "pixels")
    for name, value in detector_metrics(features, DETECTORS).items():
        assert found[name] == pytest.approx(value, abs=1e-3)


def test_a_trained_model_is_asked_for_its_own_score_where_it_reconstructs_nothing(study):
    path, _ = study
    model, images = aejax.load(path).best(), load(CONFIG.data).test.image
    params = model.variables["params"]
    low = model.preprocessing.mean[0, 0]
    x = images.reshape(len(images), -1) / 255.0
    x = x - x.mean(axis=1, keepdims=True)
    x = (x / np.abs(x).mean(axis=1, keepdims=True) - low) * model.preprocessing.forward[0, 0]
    hidden = np.asarray(ACTIVATIONS["leaky_relu"](x @ params["encoder"]["DenseStack_0"]["Dense_0"]["kernel"]))
    off = hidden @ params["latent"]["kernel"] - model.variables["one_class"]["center"]
    np.testing.assert_allclose(model.scores(images), np.sum(off**2, axis=1), rtol=1e-3)
    np.testing.assert_array_equal(model.scores(images), model.scores(images, "own"))
    for refused in (model.reconstruct, lambda images: model.scores(images, "error")):
        with pytest.raises(UserError, match="deep_svdd is trained by a loss that no decoder learns by"):
            refused(images)


def test_a_detector_of_scikit_learn_has_that_score_too():
    rows = np.random.default_rng(0).uniform(size=(60, 6)) @ np.ones((6, 6)) + np.eye(6)[:1]
    detector = aejax.AutoencoderDetector("deep_svdd", latent_size=2, epochs=2, batch_size="all", random_state=0).fit(
        rows
    )
    np.testing.assert_allclose(detector.score_samples(rows), -detector.model_.scores(detector._images(rows)), rtol=1e-4)


def test_a_single_class_is_refused_where_classes_are_to_be_told():
    check(CONFIG)
    for measures in (None, ("probe",)):
        evaluation = dataclasses.replace(CONFIG.evaluation, measures=measures)
        data = dataclasses.replace(CONFIG.data, validation_size=10)
        with pytest.raises(ConfigError, match=r"data.classes=\[8\]: of a single class there is nothing to tell apart"):
            check(dataclasses.replace(CONFIG, data=data, evaluation=evaluation))
