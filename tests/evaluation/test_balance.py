"""Classes of different sizes: balanced accuracy and the majority class, beside scikit-learn's."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import balanced_accuracy_score

from aejax.data.balance import is_unbalanced, majority
from aejax.data.load import Split
from aejax.data.resident import make_resident
from aejax.evaluation.accuracy import balanced_accuracy
from aejax.evaluation.neighbors import neighbors_accuracy, normalize, vote
from aejax.evaluation.probe import fit_probe, linear_probe, predict
from aejax.evaluation.suite import EvaluationConfig, Representation, describe
from aejax.measures.zoo import MEASURES

rng = np.random.default_rng(0)
SPLITS = {"train": 240, "validation": 60, "test": 100}
SHARES = (0.6, 0.25, 0.15)
LABEL = {name: rng.choice(3, num, p=SHARES).astype(np.int32) for name, num in SPLITS.items()}
MEANS = rng.normal(size=(3, 5))
FEATURES = {name: (MEANS[label] + rng.normal(size=(len(label), 5))).astype(np.float32) for name, label in LABEL.items()}


def dataset_of(dataset, label):
    return dataclasses.replace(
        dataset,
        num_classes=3,
        **{name: Split(image=dataset.splits[name].image, label=own) for name, own in label.items()},
    )


@pytest.mark.parametrize("seed", range(3))
def test_balanced_accuracy_is_that_of_scikit_learn(seed):
    generator = np.random.default_rng(seed)
    label, predicted = generator.choice(4, 200, p=(0.7, 0.2, 0.08, 0.02)), generator.integers(0, 4, 200)
    label[:4] = range(4)
    expected = balanced_accuracy_score(label, predicted)
    assert float(jax.jit(balanced_accuracy)(label == predicted, label)) == pytest.approx(expected, rel=1e-6)
    assert abs(expected - np.mean(label == predicted)) > 1e-3


def test_the_probe_and_neighbors_tell_the_balanced_accuracy_of_what_they_predict():
    @jax.jit
    def measured(features, label):
        metrics = linear_probe(features, label, num_classes=3, strengths=(0.01,), balanced=True)[0]
        probe = fit_probe(features, label, num_classes=3, strengths=(0.01,))
        metrics |= neighbors_accuracy(features, label, num_classes=3, num_neighbors=5, balanced=True)
        unit = {name: normalize(values) for name, values in features.items()}
        voted = vote(
            unit["validation"], unit["train"], label["train"], num_classes=3, num_neighbors=5, temperature=None
        )
        predicted = {
            "validation_probe": predict(probe.candidates, features["validation"])[:, 0],
            "test_probe": predict(probe.chosen, features["test"])[:, 0],
            "validation_knn": voted["knn"],
        }
        return metrics, predicted

    metrics, predicted = measured(FEATURES, LABEL)
    for name, own in predicted.items():
        expected = balanced_accuracy_score(LABEL[name.split("_")[0]], own)
        assert float(metrics[f"{name}_balanced_accuracy"]) == pytest.approx(expected, rel=1e-5)
        assert abs(expected - float(metrics[f"{name}_accuracy"])) > 1e-3
    assert "test_knn_balanced_accuracy" in metrics


def test_so_do_networks_that_labels_train(dataset):
    data = jax.device_put(make_resident(dataset_of(dataset, LABEL), "none"))
    assert data.unbalanced
    predicted = {name: rng.integers(0, 3, num) for name, num in SPLITS.items()}
    # A network that knows each image of a split by its place.
    config = EvaluationConfig(measures=())
    for name in SPLITS:
        own = {part: values[:0] if part != name else values for part, values in data.image.items()}
        logits = jax.nn.one_hot(jnp.asarray(predicted[name]), 3)
        one = Representation(lambda stored: stored, classify=lambda stored: logits, at_once=SPLITS[name])  # noqa: B023
        metrics = describe(one, data.replace(image=own), config).metrics
        expected = balanced_accuracy_score(LABEL[name], predicted[name])
        assert float(metrics[f"{name}_balanced_accuracy"]) == pytest.approx(expected, rel=1e-6)


def test_classes_are_unbalanced_where_the_largest_has_half_as_many_again(dataset):
    for largest, answer in ((150, False), (151, True)):
        label = np.repeat([0, 1, 2], [largest, 100, 400 - 100 - largest]).astype(np.int32)
        order = np.random.default_rng(1).permutation(400)
        parts = dict(zip(SPLITS, np.split(label[order], [240, 300]), strict=True))
        assert is_unbalanced(dataset_of(dataset, parts)) == answer
    assert not is_unbalanced(dataset)
    assert not is_unbalanced(dataclasses.replace(dataset, num_classes=None))


def test_the_majority_class_is_that_of_a_dummy_classifier(dataset):
    label = LABEL | {"validation": np.roll(LABEL["validation"], 1)}
    label["train"] = np.where(rng.random(240) < 0.3, -1, label["train"])
    found = majority(dataset_of(dataset, label))
    both = np.concatenate([label["train"], label["validation"]])
    for split, fitted in (("validation", label["train"]), ("test", both)):
        known = fitted[fitted >= 0]
        dummy = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(known), 1)), known)
        predicted = dummy.predict(np.zeros((len(label[split]), 1)))
        assert found[f"{split}_accuracy"] == pytest.approx(np.mean(predicted == label[split]))
        expected = balanced_accuracy_score(label[split], predicted)
        assert found[f"{split}_balanced_accuracy"] == pytest.approx(expected)
    assert majority(dataclasses.replace(dataset, num_classes=None)) == {}


def test_what_is_compared_with_the_majority_class_is_a_share_of_images():
    for measure in MEASURES.values():
        for metric in measure.metrics:
            if metric.constant is not None:
                assert (metric.unit, metric.higher_is_better) == ("%", True)
                assert metric.name.endswith(metric.constant)
