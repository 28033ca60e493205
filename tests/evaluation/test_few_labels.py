"""The probe with few labels, beside scikit-learn on the same subsets."""

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from aejax.data.subsets import draw_per_class
from aejax.evaluation.few_labels import few_labels_accuracies
from aejax.evaluation.probe import standardize
from aejax.measures.config import FEW_LABELS_STRENGTHS, NUM_DRAWS

PER_CLASS = (2, 10)  # Fewer and more examples than features.


@pytest.fixture(scope="module")
def digits():
    image, label = load_digits(return_X_y=True)
    cut = lambda x: {"train": x[:1000], "test": x[1000:]}  # noqa: E731
    return cut(image.astype(np.float32)), cut(label.astype(np.int32))


def test_accuracies_are_those_of_scikit_learn(digits):
    features, labels = digits
    found = jax.jit(lambda *data: few_labels_accuracies(*data, num_classes=10, per_class=PER_CLASS))(features, labels)
    mean, scale = map(np.asarray, standardize(features["train"]))
    x = {split: ((value - mean) * scale).astype(np.float64) for split, value in features.items()}
    for num in PER_CLASS:
        accuracies = []
        for draw in range(NUM_DRAWS):
            indices = np.asarray(draw_per_class(labels["train"], 10, 20, draw))
            labelled, further = indices[:, :num].ravel(), indices[:, num : 2 * num].ravel()
            models = [
                LogisticRegression(C=1 / (len(labelled) * strength), tol=1e-6, max_iter=2000)
                for strength in FEW_LABELS_STRENGTHS
            ]
            with threadpool_limits(1):
                fitted = [model.fit(x["train"][labelled], labels["train"][labelled]) for model in models]
            scores = [model.score(x["train"][further], labels["train"][further]) for model in fitted]
            accuracies.append(fitted[int(np.argmax(scores))].score(x["test"], labels["test"]))
        assert found[f"test_few_labels_{num}_accuracy"] == pytest.approx(np.mean(accuracies), abs=5e-3)
    assert found["test_few_labels_10_accuracy"] > found["test_few_labels_2_accuracy"] + 0.1


def test_classes_with_too_few_images_are_named_before_any_training():
    from aejax.config import override
    from aejax.data.load import load
    from aejax.errors import DataError
    from aejax.experiment import Config, check_data

    config = override(Config(), {"evaluation.measures": ["few_labels"], "evaluation.labels_per_class": [1, 100]})
    with pytest.raises(
        DataError, match=r"evaluation\.few_labels\.labels_per_class=100 takes 100 .* ask for at most [56]\d"
    ):
        check_data(config, load(config.data))
