import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from aejax.evaluation.probe import STRENGTHS, fit_logistic, linear_probe, predict


def splits(*arrays):
    """The arrays' rows as train, validation and test."""
    return [{"train": x[:900], "validation": x[900:1200], "test": x[1200:]} for x in arrays]


@pytest.fixture(scope="module")
def digits():
    image, label = load_digits(return_X_y=True)  # Three of the pixels are always blank.
    return splits(image.astype(np.float32), label.astype(np.int32))


def reference(features, labels, strength):
    """scikit-learn's solution of the same problem, with its standardization."""
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=1 / (len(labels) * strength), tol=1e-8, max_iter=10_000)
    return scaler, model.fit(scaler.transform(features), labels)


def test_converged_weights_are_those_of_scikit_learn(digits):
    features, labels = digits[0]["train"], digits[1]["train"]
    strengths = (0.3, 0.01, 0.001)
    fit = fit_logistic(features, labels, num_classes=10, strengths=strengths, tolerance=1e-5, max_iterations=1000)
    assert (fit.gradient_norm <= 1e-5).all()
    for i, strength in enumerate(strengths):
        _, model = reference(features, labels, strength)
        np.testing.assert_allclose(fit.weights[i], model.coef_.T, atol=2e-3)
        centered = lambda x: x - x.mean()  # A constant on every bias changes no probability.  # noqa: E731
        np.testing.assert_allclose(centered(fit.bias[i]), centered(model.intercept_), atol=2e-3)


def test_the_defaults_predict_as_scikit_learn_does(digits):
    train, test = digits[0]["train"], digits[0]["test"]
    strengths = STRENGTHS[2:]
    fit = fit_logistic(train, digits[1]["train"], num_classes=10, strengths=strengths)
    predicted = predict(fit, test)
    for i, strength in enumerate(strengths):
        scaler, model = reference(train, digits[1]["train"], strength)
        assert np.mean(predicted[:, i] != model.predict(scaler.transform(test))) <= 2 / len(test)


def test_the_probe_chooses_on_validation_and_refits_on_both(digits):
    features, labels = digits
    strengths = (0.001, 0.1, 10.0)
    result = linear_probe(features, labels, num_classes=10, strengths=strengths)
    score = lambda scaler, model, split: model.score(scaler.transform(features[split]), labels[split])  # noqa: E731
    validation = [score(*reference(features["train"], labels["train"], s), "validation") for s in strengths]
    best = int(np.argmax(validation))
    np.testing.assert_allclose(result["probe_strength"], strengths[best])
    np.testing.assert_allclose(result["validation_probe_accuracy"], validation[best], atol=1e-3)
    both, both_labels = (np.concatenate([x["train"], x["validation"]]) for x in digits)
    expected = score(*reference(both, both_labels, strengths[best]), "test")
    np.testing.assert_allclose(result["test_probe_accuracy"], expected, atol=1.5 / len(labels["test"]))
    assert result["probe_gradient_norm"] < 1e-3 and result["probe_iterations"] > 1


def test_of_equally_accurate_strengths_the_strongest_is_chosen():
    labels = np.arange(1500, dtype=np.int32) % 3
    separable = np.eye(3, dtype=np.float32)[labels] + np.random.default_rng(0).normal(0, 0.05, (1500, 3))
    result = linear_probe(*splits(separable.astype(np.float32), labels), num_classes=3, strengths=(0.001, 0.1, 0.01))
    assert result["validation_probe_accuracy"] == 1
    assert result["test_probe_accuracy"] == 1
    np.testing.assert_allclose(result["probe_strength"], 0.1)


def test_few_examples_many_features_constants_and_a_missing_class():
    generator = np.random.default_rng(0)
    features = generator.normal(3, 1, (50, 80)).astype(np.float32)
    features[:, :5] = 1000 / 3
    labels = (features[:, 10] > 3).astype(np.int32) * 2  # Of three classes, one is missing.
    fit = fit_logistic(features, labels, num_classes=3, strengths=(1.0, 0.01), tolerance=1e-4, max_iterations=500)
    assert (fit.gradient_norm <= 1e-4).all()
    assert (fit.scale[:5] == 0).all() and (fit.weights[:, :5] == 0).all()
    np.testing.assert_array_equal(predict(fit, features)[:, 1], labels)
    for i, strength in enumerate((1.0, 0.01)):
        _, model = reference(features[:, 5:], labels, strength)  # Two classes: one vector, the difference.
        np.testing.assert_allclose(fit.weights[i, 5:, 2] - fit.weights[i, 5:, 0], model.coef_[0] * 1, atol=2e-3)


def test_nothing_to_learn_stops_at_once_and_nan_is_not_an_accuracy():
    labels = np.arange(1500, dtype=np.int32) % 3
    constant = splits(np.ones((1500, 4), np.float32), labels)
    result = linear_probe(*constant, num_classes=3)
    assert result["probe_iterations"] == 0
    np.testing.assert_allclose(result["test_probe_accuracy"], 1 / 3, atol=0.01)
    result = linear_probe(*splits(np.full((1500, 4), np.nan, np.float32), labels), num_classes=3)
    assert np.isnan(result["test_probe_accuracy"]) and np.isnan(result["validation_probe_accuracy"])


def test_scale_and_offset_of_the_features_do_not_matter(digits):
    features, labels = digits
    scaled = {split: 1e3 * x + 1e4 for split, x in features.items()}
    a, b = (linear_probe(x, labels, num_classes=10, strengths=(0.1, 0.01)) for x in (features, scaled))
    np.testing.assert_allclose(a["test_probe_accuracy"], b["test_probe_accuracy"], atol=2 / len(labels["test"]))


def test_a_strength_does_not_depend_on_the_others(digits):
    one = lambda *strengths: fit_logistic(  # noqa: E731
        digits[0]["train"], digits[1]["train"], num_classes=10, strengths=strengths
    )
    np.testing.assert_allclose(one(0.1).weights[0], one(0.001, 0.1).weights[1], atol=1e-4)


def test_a_member_is_what_it_is_alone_and_vmap_agrees(digits):
    features, labels = digits
    members = jax.tree.map(lambda x: jnp.stack([x, jnp.square(x), jnp.cos(x)]), features)
    one = lambda x: linear_probe(x, labels, num_classes=10, strengths=(0.1, 0.01, 0.001))  # noqa: E731
    together = jax.jit(lambda x: jax.lax.map(one, x))(members)
    side_by_side = jax.jit(jax.vmap(one))(members)
    alone = jax.jit(one)
    for i in range(3):
        expected = alone(jax.tree.map(lambda x: x[i], members))  # noqa: B023
        for name, value in expected.items():
            assert together[name][i] == value, name
        for name in ("validation_probe_accuracy", "test_probe_accuracy"):
            np.testing.assert_allclose(side_by_side[name][i], expected[name], atol=0.005)


@pytest.mark.parametrize("strengths", [(), (0.1, 0.0)])
def test_impossible_strengths_are_refused(digits, strengths):
    with pytest.raises(ValueError, match="strengths must be positive"):
        linear_probe(*digits, num_classes=10, strengths=strengths)
