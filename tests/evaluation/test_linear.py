"""Linear classifiers a block at a time, beside those of held features and scikit-learn's."""

import functools
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from aejax.data.preprocessing import Preprocessing
from aejax.data.resident import ResidentData
from aejax.evaluation import blocks as blocks_module
from aejax.evaluation.blocks import blocks_of, standardized_sums, weighted_sums
from aejax.evaluation.closed_form import closed_form_accuracies
from aejax.evaluation.demand import in_blocks
from aejax.evaluation.linear import CROSS_ENTROPY, SQUARED_HINGE, accuracies_in_blocks, fit_by_search, fit_ridge
from aejax.evaluation.probe import linear_probe
from aejax.evaluation.suite import Representation
from aejax.evaluation.views import Views
from aejax.experiment import Config
from aejax.measures.base import FITTED
from aejax.measures.config import SHARES
from aejax.training.population import Members, share

MIRROR = Views(flip=True)
STRENGTHS = {"ridge": SHARES, "probe": (0.1, 0.01)}


def flat(stored):
    return stored.reshape(len(stored), -1)


@pytest.fixture(scope="module")
def digits():
    image, label = load_digits(return_X_y=True)  # Three of the pixels are always blank.
    cut = lambda x: {"train": x[:900], "validation": x[900:1200], "test": x[1200:]}  # noqa: E731
    return ResidentData(
        cut(image.astype(np.float32).reshape(-1, 8, 8, 1)), cut(label.astype(np.int32)), Preprocessing(kind="none")
    )


@functools.partial(jax.jit, static_argnums=(1, 2))
def fitted(data, name, rows):
    train = blocks_of(flat, 50, data, "train", rows=rows)
    standardization, sums = standardized_sums(train, 64, 10)
    if name == "ridge":
        return fit_ridge(sums, jnp.asarray([1.0, 0.01]))
    loss = {"probe": CROSS_ENTROPY, "svm": SQUARED_HINGE}[name]
    strengths = jnp.asarray([0.1, 0.01])
    return fit_by_search(loss, [train], standardization, sums, strengths, tolerance=3e-5)


def scaled(data):
    scaler = StandardScaler().fit(flat(data.image["train"]).astype(np.float64))
    return scaler.transform(flat(data.image["train"]).astype(np.float64)), data.label["train"]


@pytest.fixture
def in_strips(monkeypatch):
    """Cuts matrices of few features into strips, as those of many are."""
    monkeypatch.setattr(blocks_module, "_STRIP", 10)


@pytest.mark.usefixtures("in_strips")
def test_ridge_is_scikit_learns(digits):
    ours, (x, label) = fitted(digits, "ridge", 77), scaled(digits)
    unit = np.trace(np.cov(x.T, bias=True)) / 64
    for index, strength in enumerate((1.0, 0.01)):
        expected = Ridge(alpha=strength * unit * len(x)).fit(x, np.eye(10)[label])
        np.testing.assert_allclose(ours.weights[index], expected.coef_.T, atol=1e-4)
        np.testing.assert_allclose(ours.bias[index], expected.intercept_, atol=1e-4)


@pytest.mark.usefixtures("in_strips")
def test_logistic_regression_is_scikit_learns(digits):
    ours, (x, label) = fitted(digits, "probe", 333), scaled(digits)
    for index, strength in enumerate((0.1, 0.01)):
        expected = LogisticRegression(C=1 / (len(x) * strength), tol=1e-8, max_iter=1000).fit(x, label)
        np.testing.assert_allclose(ours.weights[index], expected.coef_.T, atol=3e-3)
    assert ours.iterations < 90


@pytest.mark.usefixtures("in_strips")
def test_the_support_vector_machine_is_scikit_learns(digits):
    ours, (x, label) = fitted(digits, "svm", 333), scaled(digits)
    sign = 2 * np.eye(10)[label] - 1
    for index, strength in enumerate((0.1, 0.01)):

        def objective(weights, bias, strength=strength):
            lack = np.maximum(1 - sign * (x @ weights + bias), 0)
            return np.mean(lack**2, axis=0) + strength / 2 * np.sum(weights**2, axis=0)

        # It penalizes the intercept, the less the larger its scaling.
        model = LinearSVC(C=1 / (len(x) * strength), dual=False, tol=1e-7, intercept_scaling=100, max_iter=10_000)
        expected = model.fit(x, label)
        least = objective(expected.coef_.T, expected.intercept_)
        weights, bias = np.float64(ours.weights[index]), np.float64(ours.bias[index])
        np.testing.assert_allclose(objective(weights, bias), least, rtol=1e-3)
        same = np.argmax(x @ weights + bias, axis=1) == expected.predict(x)
        assert np.mean(same) > 0.998
    assert ours.iterations < 150


@pytest.mark.parametrize("name", ["ridge", pytest.param("probe", marks=pytest.mark.slow)])
def test_accuracies_are_those_of_held_features(digits, name):
    strengths, pixels = {name: STRENGTHS[name]}, Representation(flat, at_once=500)
    found = jax.jit(lambda data: accuracies_in_blocks(pixels, data, strengths, num_classes=10, rows=500))(digits)
    features = jax.tree.map(flat, digits.image)
    if name == "ridge":
        expected = closed_form_accuracies(features, digits.label, num_classes=10, names=["ridge"])
    else:
        expected, _ = linear_probe(features, digits.label, num_classes=10, strengths=STRENGTHS["probe"])
        assert found["probe_strength"] == expected["probe_strength"]
    for split in ("validation", "test"):
        metric = f"{split}_{name}_accuracy"
        assert found[metric] == pytest.approx(float(expected[metric]), abs=0.0034)  # One of 300.


@pytest.mark.slow
def test_members_side_by_side_agree(wide):
    data, _ = wide
    matrices = jnp.asarray(np.random.default_rng(2).normal(size=(2, 36, 100)), jnp.float32)
    strengths = {"ridge": (0.3, 0.03), "svm": (0.3,), "probe": (0.1,)}

    def classify(matrix):
        encoder = Representation(lambda stored: jax.nn.relu(flat(stored) @ matrix), at_once=8)
        return accuracies_in_blocks(encoder, data, strengths, num_classes=3, views=MIRROR, rows=40)

    together, alone = jax.jit(jax.vmap(classify))(matrices), jax.jit(classify)(matrices[1])
    for name in alone:
        if name.endswith(("accuracy", "strength")):
            assert together[name][1] == pytest.approx(float(alone[name]), abs=1e-6), name


@pytest.fixture(scope="module")
def wide():
    """Few images of three kinds, and a random projection of them to more features than there are pixels."""
    generator = np.random.default_rng(0)
    label = {"train": np.arange(90) % 3, "validation": np.arange(30) % 3, "test": np.arange(60) % 3}
    image = {
        split: (np.eye(36)[value * 7] + 0.3 * generator.normal(size=(len(value), 36))).reshape(-1, 6, 6, 1)
        for split, value in label.items()
    }
    data = ResidentData(
        {split: x.astype(np.float32) for split, x in image.items()},
        {split: x.astype(np.int32) for split, x in label.items()},
        Preprocessing(kind="none"),
    )
    matrix = jnp.asarray(generator.normal(size=(36, 100)), jnp.float32)
    return data, Representation(lambda stored: jax.nn.relu(flat(stored) @ matrix - 0.2), at_once=8)


def of_wide(wide, strengths=MappingProxyType({"ridge": (0.1,)}), **options):
    data, representation = wide
    return jax.jit(
        lambda data: accuracies_in_blocks(representation, data, strengths, num_classes=3, balanced=True, **options)
    )(data)


def test_blocks_of_any_size_with_and_without_a_cache_say_the_same(wide):
    strengths = {"ridge": (0.3, 0.03), "svm": (0.3,)}
    found = of_wide(wide, strengths)
    other = of_wide(wide, strengths, rows=17, cached_bytes=0)
    for name in found.keys() - {"svm_iterations", "svm_gradient_norm"}:
        assert other[name] == pytest.approx(float(found[name]), abs=1e-6), name
    assert found["test_svm_balanced_accuracy"] == pytest.approx(float(found["test_svm_accuracy"]))  # 20 of each class.
    assert 0.6 < found["test_svm_accuracy"] < 1


def test_scores_of_mirror_images_are_averaged(wide):
    data, representation = wide
    mirror = lambda stored: stored[:, :, ::-1]  # noqa: E731
    mirrored = data.replace(image={split: x if split == "train" else mirror(x) for split, x in data.image.items()})
    # Other validation images are other images to fit to in the end, so the test split alone is mirrored.
    of_test = data.replace(image=data.image | {"test": mirrored.image["test"]})
    found, other, plain = of_wide(wide, views=MIRROR), of_wide((of_test, representation), views=MIRROR), of_wide(wide)
    assert found == other
    assert found["test_ridge_accuracy"] != plain["test_ridge_accuracy"]
    assert of_wide((of_test, representation))["test_ridge_accuracy"] < 0.6
    # The mean of the scores is the score of the mean: of features that are linear in the image, that of their mean.
    matrix = jnp.asarray(np.random.default_rng(1).normal(size=(36, 50)), jnp.float32)
    straight = Representation(lambda stored: flat(stored) @ matrix)
    mean = data.replace(image=data.image | {"test": (data.image["test"] + mirror(data.image["test"])) / 2})
    expected = of_wide((mean, straight))["test_ridge_accuracy"]
    assert of_wide((data, straight), views=MIRROR)["test_ridge_accuracy"] == pytest.approx(float(expected))


def test_scores_of_moved_images_are_averaged(wide):
    data, _ = wide
    views = Views(flip=True, shift=1)
    copies = np.stack([views.of(data.image["test"], number) for number in range(views.num)])
    assert of_wide(wide, views=views)["test_ridge_accuracy"] != of_wide(wide, views=MIRROR)["test_ridge_accuracy"]
    # As above: of features that are linear in the image, the mean is that of the mean image.
    matrix = jnp.asarray(np.random.default_rng(1).normal(size=(36, 50)), jnp.float32)
    straight = Representation(lambda stored: flat(stored) @ matrix)
    mean = data.replace(image=data.image | {"test": np.mean(copies, axis=0)})
    expected = of_wide((mean, straight))["test_ridge_accuracy"]
    assert of_wide((data, straight), views=views)["test_ridge_accuracy"] == pytest.approx(float(expected))


def test_mirror_images_are_fitted_to_as_further_examples(wide):
    data, representation = wide
    strengths = {"ridge": (0.3, 0.03), "svm": (0.3,)}
    found = of_wide(wide, strengths, views=MIRROR, doubled=True, rows=17)

    def doubled(split):
        return np.concatenate([data.image[split], data.image[split][:, :, ::-1]]), np.tile(data.label[split], 2)

    image, label = (dict(zip(("train", "validation"), x, strict=True)) for x in zip(*map(doubled, FITTED), strict=True))
    by_hand = data.replace(image=data.image | image, label=data.label | label)
    # The strength is chosen likewise, for an image and its mirror image have the same mean.
    expected = of_wide((by_hand, representation), strengths, views=MIRROR)
    for name in found.keys() - {"svm_iterations", "svm_gradient_norm"}:
        assert found[name] == pytest.approx(float(expected[name]), abs=1e-6), name
    assert found["test_ridge_accuracy"] != of_wide(wide, strengths, views=MIRROR)["test_ridge_accuracy"]


def test_a_strength_that_leaves_no_factor_is_not_chosen():
    """A feature that is there many times has a singular covariance."""
    generator = np.random.default_rng(0)
    label = {split: (np.arange(40) % 2).astype(np.int32) for split in ("train", "validation", "test")}
    image = {split: (x[:, None, None, None] + generator.normal(size=(40, 1, 1, 1)) / 4).astype(np.float32)
             for split, x in label.items()}  # fmt: skip
    data = ResidentData(image, label, Preprocessing(kind="none"))
    copies = Representation(lambda stored: jnp.tile(flat(stored), (1, 300)))
    found = jax.jit(lambda data: accuracies_in_blocks(copies, data, {"ridge": (0.1, 1e-12)}, num_classes=2))(data)
    assert found["ridge_strength"] == pytest.approx(0.1)
    assert found["test_ridge_accuracy"] > 0.9
    found = jax.jit(lambda data: accuracies_in_blocks(copies, data, {"ridge": (1e-12,)}, num_classes=2))(data)
    assert np.isnan(found["test_ridge_accuracy"])


@pytest.mark.parametrize("names", [("ridge",), pytest.param(("ridge", "svm"), marks=pytest.mark.slow)])
def test_memory_is_what_the_demand_says_and_less_than_all_features(names):
    size, num = 3000, {"train": 60_000, "validation": 6_000, "test": 12_000}
    data = ResidentData(
        {split: jax.ShapeDtypeStruct((n, 8, 8, 1), jnp.uint8) for split, n in num.items()},
        {split: jax.ShapeDtypeStruct((n,), jnp.int32) for split, n in num.items()},
        Preprocessing(kind="none"),
    )
    strengths = {name: (0.1, 0.01) for name in names}

    def classify(data, matrix):
        encode = lambda stored: jax.nn.relu(flat(stored) / 255 @ matrix)  # noqa: E731
        return accuracies_in_blocks(Representation(encode, at_once=32), data, strengths, num_classes=100)

    matrix = jax.ShapeDtypeStruct((64, size), jnp.float32)
    memory = jax.jit(classify).lower(data, matrix).compile().memory_analysis().temp_size_in_bytes
    told = in_blocks(num, size, strengths, 100).num_bytes
    assert 0.6 * told < memory < 1.1 * told
    if names == ("ridge",):
        assert memory < 4 * size * sum(num.values()) / 3


@pytest.mark.slow
def test_sums_of_members_side_by_side_are_those_of_each():
    """XLA's product gave them wrong sums of so many features, one image at a time; see `weighted_sums`."""
    size, num_classes = 12_800, 100
    generator = np.random.default_rng(0)
    image = generator.uniform(size=(2000, 6, 10, 1)).astype(np.float32)
    label = generator.integers(0, num_classes, 2000).astype(np.int32)
    data = share(ResidentData({"train": image}, {"train": label}, Preprocessing(kind="none")))

    def add(config, _, data):
        matrix = jax.random.normal(jax.random.key(config.seed), (60, size))
        blocks = blocks_of(lambda stored: jax.nn.relu(flat(stored) @ matrix), 1, data, "train", rows=2000)
        features = blocks.features(jnp.zeros((), jnp.int32))
        features = features - jnp.mean(features, axis=0)[None]
        sums = weighted_sums(jax.nn.one_hot(blocks.label, num_classes), features)
        return jnp.sum(sums, axis=0) - jnp.sum(features, axis=0)

    members = Members([Config(seed=0), Config(seed=1)])
    np.testing.assert_allclose(members.compile(add, (), data, name="sums")(0, (), data), 0, atol=1e-2)
