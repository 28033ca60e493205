"""Scores that rest on predictors, beside loops over what the same predictors say."""

import itertools
import math

import numpy as np
import pytest

from aejax.evaluation import factor_predictors
from aejax.evaluation.factor_predictors import (
    active_units,
    beta_vae_score,
    cross_entropy,
    dci,
    explicitness,
    factor_vae_score,
    fit_beta_vae_score,
    fit_factor_vae_score,
    fit_forests,
    fit_linear_classifiers,
    fit_thresholds,
    separated_attributes,
)

SIZES = (2, 3, 5)


def mixed(seed, num=600):
    """Returns codes [num, 4], to whose units factors [num, 3] matter in part, and one of which is noise."""
    generator = np.random.default_rng(seed)
    factor = np.stack([generator.integers(size, size=num) for size in SIZES], axis=1)
    weight = np.array([[2.0, 0.3, 0.0, 0], [0.2, 1.0, 0.0, 0], [0.0, 0.5, 1.0, 0]])
    return np.tanh(factor @ weight) + generator.normal(size=(num, 4)) * np.array([[0.3, 0.3, 0.3, 1.0]]), factor


@pytest.fixture(scope="module")
def train():
    return mixed(0)


@pytest.fixture(scope="module")
def test():
    return mixed(1, 300)


def same_value(factor, shared, example, num, generator):
    """Returns for each example `num` others, which have its value of the factor that it is to share."""
    batch = np.zeros((len(example), num), int)
    for index in range(factor.shape[1]):
        rows = [row for row in range(len(example)) if shared[row] == index]
        alike = [np.flatnonzero(factor[:, index] == factor[example[row], index]) for row in rows]
        # One draw for all: from where the examples with the value begin among those sorted by value.
        low = np.array([[np.sum(factor[:, index] < factor[example[row], index])] for row in rows])
        high = low + np.array([[len(others)] for others in alike])
        drawn = generator.integers(low, high, size=(len(rows), num)) - low
        for row, others, place in zip(rows, alike, drawn, strict=True):
            batch[row] = others[place]
    return batch


def plain_differences(code, factor, num, pairs, seed):
    generator = np.random.default_rng(seed)
    shared = generator.integers(factor.shape[1], size=num)
    first = generator.integers(len(code), size=(num, pairs))
    second = same_value(factor, np.repeat(shared, pairs), first.reshape(-1), 1, generator).reshape(num, pairs)
    mean = [np.mean([abs(code[i] - code[j]) for i, j in zip(*row, strict=True)], axis=0) for row in zip(first, second)]  # noqa: B905
    return shared, np.array(mean)


def plain_least(code, factor, num, size, seed, deviation):
    generator = np.random.default_rng(seed)
    shared = generator.integers(factor.shape[1], size=num)
    batches = same_value(factor, shared, generator.integers(len(code), size=num), size, generator)
    return shared, [
        int(np.argmin([np.var(code[b, u]) / deviation[u] ** 2 for u in range(code.shape[1])])) for b in batches
    ]


@pytest.fixture
def small(monkeypatch):
    for name, value in {"NUM_FITTED": 300, "NUM_SCORED": 200, "BATCH_SIZE": 6}.items():
        monkeypatch.setattr(factor_predictors, name, value)


def test_beta_vae_score_from_its_definition(small, train, test):
    classifier = fit_beta_vae_score(*train, seed=3)
    shared, difference = plain_differences(*test, 200, 6, 4)
    expected = np.mean([said == true for said, true in zip(classifier.predict(difference), shared, strict=True)])
    assert beta_vae_score(classifier, *test, seed=4) == pytest.approx(expected, abs=1e-9)
    shared, difference = plain_differences(*train, 300, 6, 3)
    assert 0.6 < classifier.score(difference, shared) < 1


def test_factor_vae_score_from_its_definition(small, train, test):
    votes = fit_factor_vae_score(*train, seed=3)
    deviation = [np.sqrt(np.mean((unit - unit.mean()) ** 2)) for unit in train[0].T]
    table = np.zeros((4, 3))
    for factor, unit in zip(*plain_least(*train, 300, 6, 3, deviation), strict=True):
        table[unit, factor] += 1
    np.testing.assert_allclose(votes.deviation, deviation)
    np.testing.assert_array_equal(votes.factor, table.argmax(axis=1))
    shared, unit = plain_least(*test, 200, 6, 4, deviation)
    expected = np.mean([table[u].argmax() == factor for u, factor in zip(unit, shared, strict=True)])
    assert factor_vae_score(votes, *test, seed=4) == pytest.approx(expected, abs=1e-9)
    assert 0.4 < expected < 1


def test_units_of_tiny_range_do_not_vote(train):
    code = np.concatenate([train[0], 1e-3 * train[1][:, :1], np.ones((len(train[0]), 1))], axis=1)
    np.testing.assert_array_equal(active_units(code), [True] * 4 + [False] * 2)
    assert fit_factor_vae_score(code, train[1]).active.sum() == 4
    assert not active_units(np.ones((5, 2))).any()
    # The scale of a code is its own.
    np.testing.assert_array_equal(active_units(1e-6 * code), active_units(code))


def plain_decrease(forest):
    """Returns by how much splits on each unit lower the impurity, weighted by the share of examples."""
    total = [0.0] * forest.n_features_in_
    for tree in (estimator.tree_ for estimator in forest.estimators_):
        weight = tree.weighted_n_node_samples / tree.weighted_n_node_samples[0] * tree.impurity
        for node in range(tree.node_count):
            left, right = tree.children_left[node], tree.children_right[node]
            if left >= 0:
                total[tree.feature[node]] += weight[node] - weight[left] - weight[right]
    return total


def test_dci_from_importances(train, test):
    forests = fit_forests(*train)
    decrease = [plain_decrease(forest) for forest in forests]
    importance = [[row[unit] / sum(row) for row in decrease] for unit in range(4)]

    def purity(values, base):
        total = sum(values)
        return 1 + sum(value / total * math.log(value / total, base) for value in values if value > 0)

    whole = sum(map(sum, importance))
    right = [forest.predict(test[0]) == value for forest, value in zip(forests, test[1].T, strict=True)]
    found = dci(forests, *test)
    assert found.disentanglement == pytest.approx(
        sum(sum(row) / whole * purity(row, 3) for row in importance), abs=1e-9
    )
    assert found.completeness == pytest.approx(np.mean([purity(row, 4) for row in zip(*importance)]), abs=1e-9)  # noqa: B905
    assert found.informativeness == pytest.approx(np.mean(np.concatenate(right)), abs=1e-9)
    assert 0.2 < found.disentanglement < 0.9


def test_separated_attributes_from_predictions(train, test):
    trees = fit_thresholds(*train)
    gaps = []
    for index, size in enumerate(SIZES):
        value, scores = test[1][:, index], []
        for unit in range(4):
            predicted = trees[index][unit].predict(test[0][:, [unit]])
            scores.append(np.mean([np.mean(predicted[value == one] == one) for one in range(size)]))
            assert trees[index][unit].get_n_leaves() <= size
        scores.sort()
        gaps.append(scores[-1] - scores[-2])
    assert separated_attributes(trees, *test) == pytest.approx(np.mean(gaps), abs=1e-9)


def test_thresholds_weigh_rare_values_as_much_as_frequent_ones():
    unit = np.concatenate([np.linspace(0, 1, 1000), np.linspace(0.9, 1.9, 20)])
    value = np.repeat([0, 1], [1000, 20])
    tree = fit_thresholds(unit[:, None], np.stack([value, np.arange(1020) % 2], axis=1))[0][0]
    assert tree.tree_.threshold[0] == pytest.approx(0.9, abs=0.01)  # By numbers alone it would be 1.


def test_explicitness_and_cross_entropy_from_probabilities(train, test):
    classifiers = fit_linear_classifiers(*train)
    areas, costs = [], []
    for index, size in enumerate(SIZES):
        value, probability = test[1][:, index], classifiers[index].predict_proba(test[0])
        of_one = []
        for one in range(size):
            pairs = itertools.product(probability[value == one, one], probability[value != one, one])
            of_one.append(np.mean([(high > low) + 0.5 * (high == low) for high, low in pairs]))
        areas.append(2 * np.mean(of_one) - 1)
        costs.append(np.mean([-math.log(row[true]) for row, true in zip(probability, value, strict=True)]))
    assert explicitness(classifiers, *test) == pytest.approx(np.mean(areas), abs=1e-9)
    np.testing.assert_allclose(cross_entropy(classifiers, *test), costs, atol=1e-9)


def test_classifiers_do_not_depend_on_the_scale_of_a_unit(train, test):
    scale = np.array([[1e-3, 1.0, 1e3, 1.0]])
    plain = cross_entropy(fit_linear_classifiers(*train), *test)
    scaled = cross_entropy(fit_linear_classifiers(train[0] * scale, train[1]), test[0] * scale, test[1])
    np.testing.assert_allclose(scaled, plain, atol=1e-6)
