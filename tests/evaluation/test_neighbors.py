import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from aejax.evaluation import neighbors

neighbors_accuracy = jax.jit(
    neighbors.neighbors_accuracy, static_argnames=("num_classes", "num_neighbors", "temperature")
)


def splits(*arrays):
    """The arrays' rows as train, validation and test."""
    return [{"train": x[:900], "validation": x[900:1200], "test": x[1200:]} for x in arrays]


@pytest.fixture(scope="module")
def digits():
    image, label = load_digits(return_X_y=True)
    # The pixels are small integers: a little noise parts neighbors that are equally near.
    noise = np.random.default_rng(0).normal(0, 0.1, image.shape)
    return splits((image + noise).astype(np.float32), label.astype(np.int32))


def test_accuracies_are_those_of_scikit_learn(digits):
    features, labels = digits
    # One neighbor: scikit-learn breaks a tied vote by the class's number.
    accuracies = neighbors_accuracy(features, labels, num_classes=10, num_neighbors=1)
    classifier = KNeighborsClassifier(1, metric="cosine", algorithm="brute")
    expected = classifier.fit(features["train"], labels["train"]).score(features["validation"], labels["validation"])
    np.testing.assert_allclose(accuracies["validation_knn_accuracy"], expected, rtol=1e-6)
    both, both_labels = (np.concatenate([x["train"], x["validation"]]) for x in digits)
    expected = classifier.fit(both, both_labels).score(features["test"], labels["test"])
    np.testing.assert_allclose(accuracies["test_knn_accuracy"], expected, rtol=1e-6)


@pytest.mark.parametrize("num_neighbors", [5, 15])
def test_votes_of_two_classes_are_those_of_scikit_learn(digits, num_neighbors):
    features, labels = digits[0], {split: label % 2 for split, label in digits[1].items()}
    accuracies = neighbors_accuracy(features, labels, num_classes=2, num_neighbors=num_neighbors)  # No vote is tied.
    classifier = KNeighborsClassifier(num_neighbors, metric="cosine", algorithm="brute")
    expected = classifier.fit(features["train"], labels["train"]).score(features["validation"], labels["validation"])
    np.testing.assert_allclose(accuracies["validation_knn_accuracy"], expected, rtol=1e-6)


def test_weighted_votes_are_those_of_scikit_learn(digits):
    features, labels = digits
    accuracies = neighbors_accuracy(features, labels, num_classes=10, num_neighbors=20, temperature=0.07)
    # A cosine distance is 1 − similarity.
    classifier = KNeighborsClassifier(
        20, metric="cosine", algorithm="brute", weights=lambda distance: np.exp(-distance / 0.07)
    )
    expected = classifier.fit(features["train"], labels["train"]).score(features["validation"], labels["validation"])
    np.testing.assert_allclose(accuracies["validation_weighted_knn_accuracy"], expected, rtol=1e-6)
    cold = neighbors_accuracy(features, labels, num_classes=10, num_neighbors=20, temperature=1e-4)
    nearest = neighbors_accuracy(features, labels, num_classes=10, num_neighbors=1)  # All weight is on it.
    assert cold["test_weighted_knn_accuracy"] == nearest["test_knn_accuracy"]


def angles(*degrees):
    radians = np.radians(np.asarray(degrees, np.float32))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_a_tied_vote_goes_to_the_more_similar_neighbors():
    features = {"train": angles(-40, 50, -41, 20), "validation": angles(0), "test": angles(0)}
    labels = {"train": np.array([0, 1, 0, 1]), "validation": np.array([1]), "test": np.array([1])}
    accuracies = neighbors_accuracy(features, labels, num_classes=2, num_neighbors=4)
    assert accuracies["validation_knn_accuracy"] == 1


def test_zero_and_huge_vectors_have_no_nan():
    features = {
        "train": 1e30 * angles(0, 90),
        "validation": 1e-30 * angles(80, 10),
        "test": np.zeros((1, 2), np.float32),
    }
    labels = {"train": np.array([0, 1]), "validation": np.array([1, 0]), "test": np.array([0])}
    accuracies = neighbors_accuracy(features, labels, num_classes=2, num_neighbors=1)
    assert accuracies["validation_knn_accuracy"] == 1
    assert accuracies["test_knn_accuracy"] == 1  # All are as near: the first.


def test_a_member_is_what_it_is_alone(digits):
    features, labels = digits
    members = jax.tree.map(lambda x: jnp.stack([x, jnp.square(x), jnp.cos(x)]), features)
    one = lambda x: neighbors_accuracy(x, labels, num_classes=10, num_neighbors=1)  # noqa: E731
    together = jax.jit(lambda x: jax.lax.map(one, x))(members)
    for i in range(3):
        alone = one(jax.tree.map(lambda x: x[i], members))  # noqa: B023
        assert all(together[name][i] == alone[name] for name in alone)


@pytest.mark.parametrize("num_neighbors", [0, 901])
def test_an_impossible_number_of_neighbors_is_refused(digits, num_neighbors):
    with pytest.raises(ValueError, match=r"num_neighbors must lie in \[1, 900\]"):
        neighbors_accuracy(*digits, num_classes=10, num_neighbors=num_neighbors)
