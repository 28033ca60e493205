"""Intervals that cover what they say, differences that are paired, and summaries beside independent computations."""

import math

import numpy as np
import pytest

from aejax.statistics import (
    interquartile_mean,
    paired_difference,
    probability_of_improvement,
    resampled_interval,
    student_interval,
)


def test_intervals_are_students():
    # 1..5: standard deviation sqrt(2.5), t(0.975, 4) = 2.776445.
    mean, half, num = student_interval([1, 2, 3, 4, 5])
    assert (mean, num) == (3.0, 5)
    assert half == pytest.approx(2.776445 * math.sqrt(2.5) / math.sqrt(5), rel=1e-6)
    assert math.isnan(student_interval([1.0]).half_width)


def test_intervals_cover_the_truth_as_often_as_they_say():
    samples = np.random.default_rng(0).normal(size=(2000, 5))
    covered = [abs(interval.mean) <= interval.half_width for interval in map(student_interval, samples)]
    assert 0.935 < np.mean(covered) < 0.965


def test_intervals_over_folds_allow_for_shared_training_examples():
    # Nadeau and Bengio: (1 / 5 + 1 / 4) in the place of 1 / 5.
    plain, corrected = student_interval([1, 2, 3, 4, 5]), resampled_interval([1, 2, 3, 4, 5], 1 / 4)
    assert corrected.half_width == pytest.approx(2.776445 * math.sqrt(2.5) * math.sqrt(1 / 5 + 1 / 4), rel=1e-6)
    assert corrected.half_width > plain.half_width


def test_differences_are_paired_over_common_seeds():
    # Differences of seeds 0..4: 1..5, whatever the large common part; seed 9 has no partner.
    left = {seed: 100.0 * seed + seed + 1 for seed in range(5)} | {9: 1e6}
    right = {seed: 100.0 * seed for seed in range(5)}
    difference = paired_difference(left, right)
    assert difference == pytest.approx(student_interval([1, 2, 3, 4, 5]))
    assert difference.excludes_zero
    assert paired_difference({0: 1.0}, {1: 1.0}) is None
    assert not paired_difference({0: 1.0}, {0: 5.0}).excludes_zero  # One pair says nothing of chance.


def test_a_value_without_a_seed_is_the_same_for_all():
    difference = paired_difference({0: 1.0, 1: 2.0, 2: 3.0}, {None: 1.0})
    assert difference == pytest.approx(student_interval([0, 1, 2]))
    assert paired_difference({None: 1.0}, {0: 1.0, 1: 2.0}).mean == -0.5
    assert paired_difference({None: 1.5}, {None: 1.0}).mean == 0.5


def test_comparing_many_at_once_finds_a_difference_by_chance_in_one_study_of_twenty_at_most():
    generator, num_comparisons, found = np.random.default_rng(0), 10, 0
    for _ in range(400):
        values = generator.normal(size=(num_comparisons + 1, 5))
        best, *others = [dict(enumerate(row)) for row in values]
        found += any(paired_difference(best, other, num_comparisons).excludes_zero for other in others)
    assert 0.005 < found / 400 < 0.07


def test_the_interquartile_mean_is_of_the_middle_half():
    values = [*range(40)]
    assert interquartile_mean(values).estimate == np.mean(sorted(values)[10:30])
    assert interquartile_mean(values[:19]) is None
    wild = [*range(39), 1e9]
    estimate, low, high = interquartile_mean(wild)
    assert low < estimate < high < 40


def test_the_probability_of_improvement_counts_pairs():
    generator = np.random.default_rng(0)
    left, right = generator.normal(0.5, 1, 30), generator.normal(0, 1, 25)
    estimate, low, high = probability_of_improvement(left, right)
    assert estimate == pytest.approx(np.mean(left[:, None] > right[None]))
    assert low < estimate < high
    assert probability_of_improvement([1.0] * 20, [1.0] * 20).estimate == 0.5
    assert probability_of_improvement(left[:1], right) is None


def test_few_seeds_have_newcombes_interval_of_the_probability_of_improvement():
    left, right = [3.0, 4.0, 5.0, 6.0, 7.0], [1.0, 2.0, 3.0, 4.0, 5.0]
    estimate, low, high = probability_of_improvement(left, right)
    assert estimate == (5 + 5 + 5 + 4 + 3 - 3 * 0.5) / 25  # Three ties.

    def num_errors(theta):
        spread = 1 + 4 * (1 - theta) / (2 - theta) + 4 * theta / (1 + theta)
        return abs(estimate - theta) / math.sqrt(theta * (1 - theta) * spread / 25)

    assert [num_errors(low), num_errors(high)] == pytest.approx([1.959964, 1.959964], rel=1e-5)
    assert 0 < low < estimate < high < 1
    # Turned around it says the same.
    assert probability_of_improvement(right, left) == pytest.approx((1 - estimate, 1 - high, 1 - low))
    # Where all exceed all the interval has a length still; looking at many, a greater one.
    every = [probability_of_improvement(np.add(left, 10), right, num) for num in (1, 10)]
    assert [x.high for x in every] == [1, 1]
    assert 0.3 < every[1].low < every[0].low < 0.8


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0, 2.0])
def test_newcombes_interval_covers_the_truth_as_often_as_it_says(shift):
    generator, num = np.random.default_rng(0), 600
    truth = 0.5 * math.erfc(-shift / 2)  # P(N(shift, 1) > N(0, 1)).
    covered = 0
    for left, right in zip(generator.normal(shift, 1, (num, 5)), generator.normal(0, 1, (num, 5)), strict=True):
        _, low, high = probability_of_improvement(left, right)
        covered += low <= truth <= high
    assert 0.92 < covered / num < 0.99
