import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from aejax.evaluation.probe import fit_logistic, fit_probe, linear_probe, predict

NAMES = (("train",), ("train", "validation"))
# Most of the time here is compilation: the tests share two programs, of the same shapes.
STRENGTHS = (0.01, 1.0)
fit = jax.jit(fit_logistic, static_argnames="num_classes")
probe = jax.jit(lambda features, labels: linear_probe(features, labels, num_classes=10, strengths=STRENGTHS)[0])


def splits(*arrays):
    """The arrays' rows as train, validation and test."""
    return [{"train": x[:900], "validation": x[900:1200], "test": x[1200:]} for x in arrays]


@pytest.fixture(scope="module")
def digits():
    image, label = load_digits(return_X_y=True)  # Three of the pixels are always blank.
    return splits(image.astype(np.float32), label.astype(np.int32))


def reference(features, labels, strength):
    """scikit-learn's solution of the same problem, with its standardization."""
    features = features.astype(np.float64)
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=1 / (len(labels) * strength), tol=1e-8, max_iter=10_000)
    with threadpool_limits(1):  # On a busy machine its threads wait for each other: 100 times slower.
        return scaler, model.fit(scaler.transform(features), labels)


def test_converged_weights_are_those_of_scikit_learn(digits):
    features, labels = digits[0]["train"], digits[1]["train"]
    strengths = np.array([0.3, 0.01, 0.001])
    ours = fit(features, labels, num_classes=10, strengths=strengths, tolerance=1e-5, max_iterations=1000)
    assert (ours.gradient_norm <= 1e-5).all()
    centered = lambda x: x - x.mean()  # A constant on every bias changes no probability.  # noqa: E731
    for i, strength in enumerate(strengths):
        _, model = reference(features, labels, strength)
        np.testing.assert_allclose(ours.weights[i], model.coef_.T, atol=5e-3)  # Of weights up to 1.
        np.testing.assert_allclose(centered(ours.bias[i]), centered(model.intercept_), atol=5e-3)


def test_at_the_default_tolerance_predictions_are_those_of_scikit_learn(digits):
    features, labels = digits
    strengths = np.array([0.1, 0.01, 0.003])
    ours = fit(
        features["train"], labels["train"], num_classes=10, strengths=strengths, tolerance=5e-4, max_iterations=120
    )
    predicted = predict(ours, features["test"])
    for i, strength in enumerate(strengths):
        scaler, model = reference(features["train"], labels["train"], strength)
        differing = predicted[:, i] != model.predict(scaler.transform(features["test"]))
        assert np.sum(differing) <= 2


def test_a_strength_does_not_depend_on_the_others(digits):
    one = lambda *strengths: fit(  # noqa: E731
        digits[0]["train"],
        digits[1]["train"],
        num_classes=10,
        strengths=np.array(strengths),
        tolerance=5e-4,
        max_iterations=120,
    )
    np.testing.assert_array_equal(one(0.1, 1.0, 3.0).weights[0], one(0.1, 0.01, 0.001).weights[0])


def test_the_probe_chooses_on_validation_and_refits_on_both(digits):
    features, labels = digits
    result = probe(features, labels)
    score = lambda scaler, model, split: model.score(scaler.transform(features[split]), labels[split])  # noqa: E731
    validation = [score(*reference(features["train"], labels["train"], s), "validation") for s in STRENGTHS]
    best = int(np.argmax(validation))
    np.testing.assert_allclose(result["probe_strength"], STRENGTHS[best])
    np.testing.assert_allclose(result["validation_probe_accuracy"], validation[best], atol=1e-3)
    both, both_labels = (np.concatenate([x["train"], x["validation"]]) for x in digits)
    expected = score(*reference(both, both_labels, STRENGTHS[best]), "test")
    np.testing.assert_allclose(result["test_probe_accuracy"], expected, atol=1.5 / len(labels["test"]))
    assert result["probe_gradient_norm"] < 1e-3
    assert result["probe_iterations"] > 1


def test_the_probe_itself_gives_the_logits_behind_its_accuracy(digits):
    features, labels = digits
    known = [{split: x[split] for split in ("train", "validation")} for x in digits]
    fitted = jax.jit(lambda features, labels: fit_probe(features, labels, num_classes=10, strengths=STRENGTHS))(*known)
    logits = fitted.logits(features["test"])
    assert logits.shape == (len(labels["test"]), 10)
    result = probe(features, labels)
    np.testing.assert_allclose(np.mean(np.argmax(logits, axis=1) == labels["test"]), result["test_probe_accuracy"])
    assert fitted.strength == result["probe_strength"]
    assert fitted.validation_accuracy == result["validation_probe_accuracy"]

    def distance(features, labels):
        """From the probabilities of scikit-learn's solution for these examples, mean over test images and classes."""
        scaler, model = reference(features, labels, float(fitted.strength))
        expected = model.predict_proba(scaler.transform(digits[0]["test"]))
        return np.abs(jax.nn.softmax(logits) - expected).mean()

    train, both = ([np.concatenate([x[split] for split in names]) for x in known] for names in NAMES)
    assert distance(*both) < 1e-3 < distance(*train) / 3


def test_separable_data_probe_to_one_and_of_equal_strengths_the_strongest_is_chosen(digits):
    generator = np.random.default_rng(0)
    labels = digits[1]
    features = {split: np.eye(64)[y] + generator.normal(0, 0.03, (len(y), 64)) for split, y in labels.items()}
    result = probe({split: x.astype(np.float32) for split, x in features.items()}, labels)
    assert result["validation_probe_accuracy"] == 1
    assert result["test_probe_accuracy"] == 1
    np.testing.assert_allclose(result["probe_strength"], 1.0)


def test_by_the_loss_a_strength_is_chosen_where_accuracy_sees_none():
    features = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    splits = {"train": features, "validation": features[1:-1:3]}
    labels = {name: (x[:, 0] > 0).astype(np.int32) for name, x in splits.items()}
    strengths = (0.3, 0.01, 0.0001)
    fit = jax.jit(functools.partial(fit_probe, num_classes=2, strengths=strengths), static_argnames="by_loss")
    by_accuracy, by_loss = (fit(splits, labels, by_loss=by_loss).strength for by_loss in (False, True))
    assert (float(by_accuracy), float(by_loss)) == pytest.approx((0.3, 0.0001))


def test_few_examples_many_features_constants_and_a_missing_class():
    generator = np.random.default_rng(0)
    features = generator.normal(3, 1, (50, 80)).astype(np.float32)
    features[:, :5] = 1000 / 3
    labels = (features[:, 10] > 3).astype(np.int32) * 2  # Of three classes, one is missing.
    strengths = np.array([1.0, 0.01])
    ours = fit(features, labels, num_classes=3, strengths=strengths, tolerance=3e-5, max_iterations=500)
    assert (ours.gradient_norm <= 3e-5).all()
    assert (ours.scale[:5] == 0).all()
    assert (ours.weights[:, :5] == 0).all()
    np.testing.assert_array_equal(predict(ours, features)[:, 1], labels)
    for i, strength in enumerate(strengths):
        # Of two classes scikit-learn fits the difference w, penalized by ‖w‖²; ours are ±w/2, by ‖w‖²/2.
        _, model = reference(features[:, 5:], labels, strength / 2)
        np.testing.assert_allclose(ours.weights[i, 5:, 2] - ours.weights[i, 5:, 0], model.coef_[0], atol=2e-3)


def test_nothing_to_learn_stops_soon_and_nan_is_not_an_accuracy(digits):
    labels = digits[1]
    result = probe({split: np.ones((len(y), 64), np.float32) for split, y in labels.items()}, labels)
    assert result["probe_iterations"] <= 5  # The refit adjusts the bias to the classes of validation.
    np.testing.assert_allclose(result["test_probe_accuracy"], 0.1, atol=0.02)
    result = probe({split: np.full((len(y), 64), np.nan, np.float32) for split, y in labels.items()}, labels)
    assert np.isnan(result["test_probe_accuracy"])
    assert np.isnan(result["validation_probe_accuracy"])


def test_scale_and_offset_of_the_features_do_not_matter(digits):
    features, labels = digits
    scaled = {split: 1e3 * x + 1e4 for split, x in features.items()}
    a, b = probe(features, labels), probe(scaled, labels)
    np.testing.assert_allclose(a["test_probe_accuracy"], b["test_probe_accuracy"], atol=2 / len(labels["test"]))


def members_of(features):
    return jax.tree.map(lambda x: jnp.stack([x, jnp.square(x), jnp.cos(x)]), features)


def member(tree, i):
    return jax.tree.map(lambda x: x[i], tree)


@pytest.mark.slow
def test_a_member_is_what_it_is_alone(digits):
    features, labels = digits
    members = members_of(features)
    together = jax.jit(lambda x: jax.lax.map(lambda one: probe(one, labels), x))(members)
    for i in range(3):
        assert member(together, i) == probe(member(members, i), labels)


def test_members_side_by_side_agree(digits):
    members = members_of(digits[0]["train"])
    options = {"num_classes": 10, "strengths": np.array([0.3, 0.1, 0.01]), "tolerance": 1e-4, "max_iterations": 500}
    together = jax.jit(jax.vmap(lambda x: fit(x, digits[1]["train"], **options)))(members)
    for i in range(3):
        np.testing.assert_allclose(
            together.weights[i], fit(members[i], digits[1]["train"], **options).weights, atol=2e-3
        )


@pytest.mark.parametrize("strengths", [(), (0.1, 0.0)])
def test_impossible_strengths_are_refused(digits, strengths):
    with pytest.raises(ValueError, match="strengths must be positive"):
        linear_probe(*digits, num_classes=10, strengths=strengths)
