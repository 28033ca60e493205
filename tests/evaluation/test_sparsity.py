"""Active units, their purity, and the loss that reconstructions keep: by hand, and against numpy and scikit-learn."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from aejax import rng
from aejax.data.load import Dataset, Split
from aejax.data.resident import make_resident
from aejax.evaluation.sparsity import loss_recovered_metrics, purity, sparsity_metrics

flat = lambda stored: stored.reshape(len(stored), -1)  # noqa: E731


def resident(label, *sizes, spread=1.0):
    """Data of vectors that lie around a center for each class, in splits of these sizes."""
    generator = np.random.default_rng(0)
    vectors = (generator.normal(size=(3, 4)) * 2)[label] + generator.normal(size=(len(label), 4)) * spread
    image, ends = vectors.astype(np.float32)[:, None, None], np.cumsum(sizes)[:-1]
    splits = [Split(*pair) for pair in zip(np.split(image, ends), np.split(label.astype(np.int32), ends), strict=True)]
    return jax.device_put(make_resident(Dataset("vectors", *splits, num_classes=3, fingerprint=""), "none"))


def test_the_purity_of_units_by_hand():
    # Units of three classes: two of three images are of one class; all are; one image alone; none.
    counts = jnp.asarray([[2, 4, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]], jnp.float32)
    assert purity(counts) == pytest.approx((2 / 3 + 1 + 1) / 3)
    assert np.isnan(purity(jnp.zeros((2, 3))))


def test_active_and_dead_units_and_the_variance_that_is_left():
    data = resident(np.arange(40) % 3, 20, 8, 12)
    label = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, -1, -1, -1], np.int32)  # The last images have no label.
    labelled = {split: np.arange(len(labels)) for split, labels in data.label.items()} | {"test": np.arange(9)}
    data = data.replace(label=data.label | {"test": jnp.asarray(label)}, labelled=labelled)
    code = np.zeros((12, 5), np.float32)
    code[:, 0] = 0.5  # Active for all,
    code[[0, 1, 3, 9], 1] = -1  # for some, two of three labelled ones of class 0,
    code[5, 2] = 2  # for one,
    code[10, 3] = 1  # for one without a label, and the last for none.
    images = np.asarray(data.image["test"])

    def encode(stored):  # An image's code is found by its first number; those of validation images are zeros.
        same = (stored[:, 0, 0, :1] == images[None, :, 0, 0, 0]).astype(jnp.float32)
        return same @ code

    found = jax.jit(lambda data: sparsity_metrics(encode, lambda stored, label: 0.5 * stored, data, at_once=5))(data)
    assert found["test_l0"] == pytest.approx((12 + 4 + 1 + 1) / 12)
    assert found["test_dead_share"] == pytest.approx(1 / 5)
    assert found["test_active_purity"] == pytest.approx((4 / 9 + 2 / 3 + 1) / 3)
    assert (found["validation_l0"], found["validation_dead_share"]) == (0, 1)
    vectors = flat(images)
    expected = np.sum((0.5 * vectors) ** 2) / np.sum((vectors - vectors.mean(axis=0)) ** 2)
    np.testing.assert_allclose(found["test_unexplained_variance"], expected, rtol=1e-4)

    dealt = label.copy()
    dealt[:9] = jax.random.permutation(rng.stream(rng.root(0), "purity"), jnp.asarray(label[:9]))
    assert sorted(dealt) == sorted(label)
    assert list(dealt) != list(label)
    shares = [np.bincount(own).max() / len(own) for unit in code.T if len(own := dealt[(unit != 0) & (dealt >= 0)])]
    assert found["test_chance_purity"] == pytest.approx(np.mean(shares))
    unlabelled = data.replace(label={}, labelled={})
    assert "test_active_purity" not in jax.eval_shape(lambda: sparsity_metrics(encode, None, unlabelled, at_once=5))


def test_the_loss_is_recovered_by_what_is_left_as_it_is_and_not_by_the_same_for_all():
    data, strength = resident(np.arange(300) % 3, 150, 50, 100, spread=1.5), 0.01
    mean = np.asarray(data.image["train"]).mean(axis=0)
    # Reconstructions are a multiple of the vector and one of the training mean.
    factors = {"perfect": (1.0, 0.0), "ablated": (0.0, 1.0), "shrunk": (0.3, 0.0), "nothing": (0.0, 0.0)}

    @functools.partial(jax.jit, static_argnames="zero")
    def measure(data, factors, zero):
        def of(factors):
            reconstruct = lambda stored, label: factors[0] * stored + factors[1] * mean[None]  # noqa: E731
            return loss_recovered_metrics(reconstruct, data, 40, (1.0, strength), zero=zero)

        return jax.lax.map(of, factors)

    each = [measure(data, jnp.asarray(list(factors.values())), zero) for zero in (False, True)]
    found, of_zero = (
        {name: {metric: values[index] for metric, values in one.items()} for index, name in enumerate(factors)}
        for one in jax.device_get(each)
    )
    for split in ("validation", "test"):
        for own, ablated in ((found, "ablated"), (of_zero, "nothing")):
            assert own["perfect"][f"{split}_loss_recovered"] == pytest.approx(1)
            assert own[ablated][f"{split}_loss_recovered"] == pytest.approx(0, abs=1e-5)
    assert abs(found["nothing"]["test_loss_recovered"]) > 0.01

    train, test = (flat(np.asarray(data.image[split])) for split in ("train", "test"))
    deviation = train.std(axis=0)
    scale = lambda x: (x - train.mean(axis=0)) / deviation  # noqa: E731
    classifier = LogisticRegression(C=1 / (150 * strength), tol=1e-8).fit(scale(train), data.label["train"])
    loss = lambda x: log_loss(data.label["test"], classifier.predict_proba(scale(x)))  # noqa: E731
    original, shrunk, ablated = loss(test), loss(0.3 * test), loss(np.tile(mean.reshape(1, -1), (100, 1)))
    assert original < shrunk < ablated
    own = found["shrunk"]
    np.testing.assert_allclose(own["test_loss_original"], original, rtol=2e-3)
    np.testing.assert_allclose(own["test_loss_recovered"], (ablated - shrunk) / (ablated - original), rtol=5e-3)
