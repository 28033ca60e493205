"""On MNIST itself, classifiers of features agree with those of scikit-learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from aejax.data.load import DataConfig, load
from aejax.evaluation.neighbors import normalize, vote
from aejax.evaluation.probe import fit_logistic, predict, standardize

pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture(scope="module")
def pixels():
    """(images, labels) of MNIST by split, [n, 784] in [0, 1]."""
    dataset = load(DataConfig(name="mnist", validation_size=5000))
    parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    image = {name: part.image.reshape(len(part.image), -1).astype(np.float32) / 255 for name, part in parts.items()}
    return image, {name: part.label for name, part in parts.items()}


def test_the_probe_is_logistic_regression(pixels):
    image, label = ({name: part[:10_000] for name, part in parts.items()} for parts in pixels)
    mean, scale = map(np.asarray, jax.jit(standardize)(image["train"]))
    x = {name: (part - mean) * scale for name, part in image.items()}
    for strength in (0.1, 0.003):
        fit = jax.jit(lambda *data, s=strength: fit_logistic(*data, num_classes=10, strengths=(s,)))(
            image["train"], label["train"]
        )
        ours = np.mean(np.asarray(predict(fit, image["test"]))[:, 0] == label["test"])
        model = LogisticRegression(C=1 / (10_000 * strength), max_iter=2000).fit(x["train"], label["train"])
        assert abs(ours - model.score(x["test"], label["test"])) <= 1e-3


def test_neighbors_vote_for_the_same_class(pixels):
    image, label = pixels
    unit = {name: jax.jit(normalize)(part) for name, part in image.items()}
    found = jax.jit(lambda *data: vote(*data, num_classes=10, num_neighbors=5, temperature=None)["knn"])(
        unit["test"], unit["train"], jnp.asarray(label["train"])
    )
    # A tied vote goes to the classes' similarities, which weigh too little to turn another.
    model = KNeighborsClassifier(5, metric="cosine", algorithm="brute", weights=lambda d: 1 + 1e-3 * (1 - d))
    expected = model.fit(image["train"], label["train"]).predict(image["test"])
    assert np.mean(np.asarray(found) == expected) >= 0.9999
