"""A study of which 40 % of the images have no label: all are trained on, and those with a label are classified."""

import dataclasses

import jax
import numpy as np
import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.data.load import DataConfig, load
from aejax.data.resident import make_resident
from aejax.evaluation.clustering import cluster_metrics
from aejax.evaluation.few_labels import few_labels_accuracies
from aejax.evaluation.neighbors import neighbors_accuracy
from aejax.evaluation.probe import linear_probe
from aejax.evaluation.retrieval import retrieval_precision
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.measures.config import FewLabelsConfig, ProbeConfig
from aejax.networks.dense import Dense
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.study.job import Options
from aejax.trained.explaining.subject import Subject
from aejax.trained.opening import Opener
from aejax.training.fine_tuning import FineTuningConfig
from aejax.training.fit import fit
from aejax.training.step import TrainingConfig
from tests.methods import make_task
from tests.study.studies import read_parameters, train

STRENGTHS = (0.01, 0.1)
EPOCHS, BATCH = 2, 32
NUM_TEST = 80


def config_of(path, measures, baselines):
    return Config(
        data=DataConfig(name=str(path)),
        autoencoder=PlainConfig(encoder=Dense(widths=(8,)), latent_size=4),
        training=TrainingConfig(epochs=EPOCHS, batch_size=BATCH),
        evaluation=EvaluationConfig(
            measures=measures,
            baselines=baselines,
            probe=ProbeConfig(strengths=STRENGTHS),
            few_labels=FewLabelsConfig(labels_per_class=(2,)),
        ),
    )


@pytest.fixture(scope="module")
def arrays(dataset):
    image, label = (
        np.concatenate([getattr(split, name) for split in dataset.splits.values()]) for name in ("image", "label")
    )
    return {
        "image": image[NUM_TEST:],
        "label": label[NUM_TEST:],
        "test_image": image[:NUM_TEST],
        "test_label": label[:NUM_TEST],
    }


@pytest.fixture(scope="module")
def partial(arrays):
    generator = np.random.default_rng(1)
    unknown = {name: generator.random(len(label)) < 0.4 for name, label in arrays.items() if "label" in name}
    return arrays | {name: np.where(unknown[name], -1, arrays[name]) for name in unknown}


@pytest.fixture(scope="module")
def config(partial, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "partial.npz"
    np.savez(path, **partial)
    return config_of(path, ("reconstruction", "probe", "neighbors"), ("supervised",))


@pytest.fixture(scope="module")
def data(config):
    return load(config.data)


@pytest.fixture(scope="module")
def study(config, tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "study"
    lines = []
    train([config], path, say=lines.append)
    assert any("train images" in line and "have no label" in line for line in lines)
    return StudyDirectory(path)


@pytest.fixture(scope="module")
def subject(study):
    """The autoencoder, opened again, with its data."""
    opener = Opener(study, Options(say=lambda _: None))
    (member,) = opener.open("autoencoder", opener.rows_of("autoencoder"))
    return Subject(member, opener.source(member), pictured=False)


def row_of(study, method):
    (row,) = (row for row in read_rows(study) if row["method"] == method)
    return row["metrics"]


def states(study, method):
    (state,) = (state for name, state in read_parameters(study.path).items() if name.startswith(method))
    return state


def test_labels_do_not_touch_the_autoencoder(study, arrays, tmp_path):
    np.savez(tmp_path / "all.npz", **arrays)
    train([config_of(tmp_path / "all.npz", ("reconstruction",), ())], tmp_path / "study")
    whole = StudyDirectory(tmp_path / "study")
    jax.tree.map(np.testing.assert_array_equal, states(study, "autoencoder"), states(whole, "autoencoder"))
    metrics = row_of(study, "autoencoder")
    assert {name: metrics[name] for name in row_of(whole, "autoencoder")} == row_of(whole, "autoencoder")


def of_labelled(features, label, config):
    """The probe and k-NN of features and labels of the labelled images alone."""
    neighbors = config.evaluation.neighbors.num_neighbors
    probe, _ = linear_probe(features, label, strengths=STRENGTHS, num_classes=4)
    return probe | neighbors_accuracy(features, label, num_neighbors=neighbors, num_classes=4)


def of_labelled_too(features, label):
    """Likewise what has to be named."""
    return few_labels_accuracies(features, label, per_class=(2,), num_classes=4) | retrieval_precision(features, label)


def assert_alike(metrics, expected):
    for name, value in expected.items():
        if name != "probe_iterations":
            assert metrics[name] == pytest.approx(float(value), rel=2e-3, abs=1e-6), name


def test_probe_and_neighbors_are_those_of_the_labelled_images_alone(config, study, subject, data):
    assert all(0 < len(split.labelled) < len(split.image) for split in data.splits.values())
    features, label = subject.labelled(subject.code)
    expected = jax.jit(lambda features, label: of_labelled(features, label, config))(features, label)
    assert_alike(row_of(study, "autoencoder"), expected)


@pytest.mark.slow
def test_so_are_all_other_measures_of_labels_and_fine_tuning(config, subject, data, tmp_path):
    measures = ("few_labels", "clustering", "retrieval", "robustness", "calibration", "class_mean")
    evaluation = dataclasses.replace(config.evaluation, measures=measures, baselines=(), layers=("encoder",))
    tuned = FineTuningConfig(epochs=1, head="probe")
    train([dataclasses.replace(config, evaluation=evaluation, fine_tuning=tuned)], tmp_path)
    study = StudyDirectory(tmp_path)
    features, label = subject.labelled(subject.code)
    metrics = row_of(study, "autoencoder")
    assert_alike(metrics, jax.jit(of_labelled_too)(features, label))
    assert_alike(metrics, cluster_metrics(*jax.device_get((features, label)), num_classes=4))
    assert {"test_corrupted_probe_accuracy", "test_encoder_class_mean_accuracy"} <= set(metrics)
    assert_of_labelled(study, data, "fine_tuned", 1)


def test_the_probe_is_fitted_to_the_labelled_images_alone(subject, data):
    code, label = subject.labelled(subject.code)
    known = data.train.label >= 0
    np.testing.assert_array_equal(code["train"], subject.code["train"][known])
    np.testing.assert_array_equal(label["train"], data.train.label[known])
    first, _ = subject.labelled({"test": subject.code["test"][:10]})
    assert len(first["test"]) == (data.test.label[:10] >= 0).sum()
    assert np.mean(np.argmax(subject.probe.logits(code["test"]), axis=1) == label["test"]) > 0.4


@pytest.mark.slow
def test_classifiers_are_trained_as_if_there_were_no_other_images(config, data):
    task = make_task("supervised", data.train.image.shape[1:], 4)(config)
    picked = {
        name: dataclasses.replace(split, image=split.image[split.label >= 0], label=split.label[split.label >= 0])
        for name, split in data.splits.items()
    }
    alone = make_resident(dataclasses.replace(data, **picked), "none")
    assert alone.labelled == {}
    few, all_of_few = fit(task, make_resident(data, "none")), fit(task, alone)
    jax.tree.map(np.testing.assert_array_equal, few.state, all_of_few.state)
    jax.tree.map(np.testing.assert_array_equal, few.curves, all_of_few.curves)


def assert_of_labelled(study, data, method, epochs):
    """Checks that a classifier took as many images as are labelled, and is measured on those."""
    num = {name: len(split.labelled) for name, split in data.splits.items()}
    assert states(study, method)["step"].tolist() == [epochs * (num["train"] // BATCH)]
    for name in num:
        right = row_of(study, method)[f"{name}_accuracy"] * num[name]
        assert right == pytest.approx(round(right), abs=1e-4)


def test_classifiers_take_as_many_images_as_are_labelled_and_are_measured_on_those(study, data):
    assert_of_labelled(study, data, "supervised", EPOCHS)


@pytest.mark.slow
def test_streamed_images_are_trained_on_by_the_labels_that_are_theirs(config, study, tmp_path):
    train([dataclasses.replace(config, data=dataclasses.replace(config.data, memory=1e-5))], tmp_path)
    streamed = StudyDirectory(tmp_path)
    for method in ("autoencoder", "supervised"):
        jax.tree.map(np.testing.assert_array_equal, states(streamed, method), states(study, method))
        assert_alike(row_of(streamed, method), row_of(study, method))


def test_a_classifier_is_opened_again(study, data):
    opener = Opener(study, Options(say=lambda _: None))
    (member,) = opener.open("supervised", opener.rows_of("supervised"))
    known = data.test.label >= 0
    logits = member.map(lambda representation, image: representation.classify(image), data.test.image[known])
    accuracy = np.mean(np.argmax(logits, axis=1) == data.test.label[known])
    assert accuracy == pytest.approx(row_of(study, "supervised")["test_accuracy"])
