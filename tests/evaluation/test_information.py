"""Entropies and mutual information of counts."""

import itertools
import math

import numpy as np
import pytest

from aejax.errors import DataError
from aejax.evaluation.information import discretize, entropy, mutual_information, ratio, require_varying, varies


def plain_information(left, right):
    total = 0.0
    for x, y in itertools.product(set(left.tolist()), set(right.tolist())):
        joint = np.mean((left == x) & (right == y))
        if joint > 0:
            total += joint * math.log(joint / (np.mean(left == x) * np.mean(right == y)))
    return total


def test_bins_are_those_of_a_histogram_and_the_largest_number_is_in_the_last():
    code = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    bins = discretize(code, 7)
    assert bins.shape == (500, 3)
    assert bins.min() == 0
    assert bins.max() == 6
    for column, found in zip(code.astype(np.float64).T, bins.T, strict=True):
        np.testing.assert_array_equal(np.bincount(found, minlength=7), np.histogram(column, 7)[0])
        assert found[column.argmax()] == 6
        assert np.all(np.diff(found[np.argsort(column)]) >= 0)


def test_bins_of_whole_numbers_and_of_a_constant_column():
    code = np.stack([np.arange(20.0), np.arange(20.0) // 10, np.full(20, 3.5)], axis=1)
    bins = discretize(code)
    np.testing.assert_array_equal(bins[:, 0], np.arange(20))
    np.testing.assert_array_equal(np.unique(bins[:, 1]), [0, 19])
    assert len(np.unique(bins[:, 2])) == 1
    # A number on an edge lies in the upper bin, but for the largest.
    np.testing.assert_array_equal(discretize(np.arange(21.0)[:, None])[:, 0], np.minimum(np.arange(21), 19))


def test_entropy_in_nats():
    values = np.array([[0, 0, 7], [1, 0, 7], [2, 1, 7], [3, 1, 7]])
    np.testing.assert_allclose(entropy(values), [math.log(4), math.log(2), 0.0], atol=1e-12)


def test_information_is_that_of_its_definition():
    generator = np.random.default_rng(0)
    left = generator.integers(0, 5, (300, 3))
    right = np.stack([left[:, 0] // 2, (left[:, 1] + generator.integers(0, 2, 300)) % 7], axis=1)
    found = mutual_information(left, right)
    expected = [[plain_information(x, y) for y in right.T] for x in left.T]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_allclose(np.diag(mutual_information(left, left)), entropy(left), atol=1e-12)


def test_of_independent_columns_it_is_0_on_a_grid_and_biased_on_a_few_examples():
    grid = np.indices((3, 4, 7)).reshape(3, -1).T
    found = mutual_information(grid, grid)
    np.testing.assert_array_equal(found[~np.eye(3, dtype=bool)], 0.0)
    generator = np.random.default_rng(0)
    few = mutual_information(generator.integers(0, 20, (2000, 40)), generator.integers(0, 5, (2000, 20)))
    assert np.mean(few) == pytest.approx(19 * 4 / (2 * 2000), rel=0.05)


def test_the_share_of_nothing_is_nothing():
    np.testing.assert_array_equal(ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0])), [0.5, 0.0])


def test_factors_that_do_not_vary_are_told():
    factor = np.array([[0, 1, 2], [1, 1, 2], [0, 1, 0]])
    np.testing.assert_array_equal(varies(factor), [True, False, True])
    np.testing.assert_array_equal(varies(factor[:0]), [False] * 3)
    require_varying(factor[:, [0, 2]])
    for unfit in (factor, factor[:, :1], factor[:0, :2]):
        with pytest.raises(DataError, match="two factors or more"):
            require_varying(unfit)
