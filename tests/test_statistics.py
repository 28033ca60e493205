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
    variance_shares,
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


def test_shares_of_variance_have_their_closed_form():
    """Group means −1 and 1, settings 1/2 around them, seeds ±1 around these: all sums of squares are known."""
    seeds = [-1.0, 1.0, -1.0, 1.0, -1.0, 1.0]
    groups = [[[group + setting + seed for seed in seeds] for setting in (-0.5, 0.5)] for group in (-1.0, 1.0)]
    shares = variance_shares(groups)
    # 24 values: 24 · 1 of groups, 24 · 1/4 of settings, 24 · 1 of seeds, of which 20 are free: a mean square of 1.2.
    expected = np.array([24 - 1 * 1.2, 6 - 2 * 1.2, 24 + 3 * 1.2]) / 54
    np.testing.assert_allclose([share.estimate for share in shares], expected, rtol=1e-12)
    for share in shares:
        assert 0 <= share.low < share.estimate < share.high < 1


def test_shares_of_variance_are_those_of_regressions_on_groups_and_on_settings():
    generator, sizes = np.random.default_rng(0), (2, 4, 3)
    groups = [generator.normal(generator.normal(), 1, (size, 1)) + generator.normal(size=(size, 7)) for size in sizes]
    values, num = np.concatenate([group.ravel() for group in groups]), 7 * sum(sizes)

    def left_by(labels):
        """The sum of squares that a regression on a dummy variable for each label leaves."""
        design = np.eye(max(labels) + 1)[labels]
        return np.sum((values - design @ np.linalg.lstsq(design, values)[0]) ** 2)

    total = left_by([0] * num)
    of_groups = left_by(np.repeat(np.arange(3), [7 * size for size in sizes]))
    of_settings = left_by(np.repeat(np.arange(9), 7))
    error = of_settings / (num - 9)
    expected = [(total - of_groups - 2 * error) / total, (of_groups - of_settings - 6 * error) / total]
    adjusted = 1 - error / (total / (num - 1))  # R².
    shares = variance_shares(groups)
    np.testing.assert_allclose([share.estimate for share in shares], [*expected, 1 - adjusted], rtol=1e-9)
    moved = variance_shares([3 - 2 * group for group in groups])  # No matter of origin, unit or sign.
    np.testing.assert_allclose([share.estimate for share in moved], [share.estimate for share in shares])


def test_where_there_is_nothing_to_part_there_are_no_shares():
    setting, others = [0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 3.0, 2.0, 4.0]
    assert variance_shares([[setting, others]]) is None
    assert variance_shares([[setting], [others]]) is None
    assert variance_shares([[setting[:4], others[:4]], [setting[:4]]]) is None
    assert variance_shares([[[1.0] * 5, [1.0] * 5], [[1.0] * 5]]) is None
    shares = variance_shares([[[1.0] * 5, [2.0] * 5], [[3.0] * 5]])  # Seeds say nothing.
    assert shares.seed == (0, 0, 0)
    assert shares.group.estimate == pytest.approx(1.5 / 2)


def test_intervals_of_shares_cover_the_truth_nearly_as_often_as_they_say():
    generator, num = np.random.default_rng(0), 100
    of_group, of_setting = np.array([-0.5, 0.0, 0.5]), np.array([-0.6, -0.2, 0.2, 0.6])
    mean = of_group[:, None, None] + of_setting[None, :, None]
    variance = np.array([np.mean(of_group**2), np.mean(of_setting**2), 1.0])
    truth, covered, found = variance / variance.sum(), np.zeros(3), np.zeros(3)
    for _ in range(num):
        shares = variance_shares(mean + generator.normal(size=(3, 4, 10)))
        covered += [share.low <= true <= share.high for share, true in zip(shares, truth, strict=True)]
        found += [share.estimate / num for share in shares]
    np.testing.assert_allclose(found, truth, atol=0.02)  # Not biased: without the correction seeds have 0.06 less.
    assert np.all(covered / num >= 0.88)
    assert np.all(covered / num <= 1)
