"""What can be said of numbers from a few independent seeds: intervals, paired differences, and robust summaries."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

CONFIDENCE = 0.95
# Where the largest class has more than so many times the images of the smallest, accuracies have balanced ones beside
# them; elsewhere the two are nearly the same.
UNBALANCED = 1.5
ENOUGH_FOR_BOOTSTRAP = 20  # With five values a percentile bootstrap covers 84 % where it says 95.
FEWEST_SEEDS = 5  # Of a setting, for shares of variance: their intervals resample all settings' seeds together.
RESAMPLES = 2000


class Interval(NamedTuple):
    """A mean, half the width of its confidence interval (NaN where there is none), and the number of values."""

    mean: float
    half_width: float
    num: int

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside; False where there is no interval."""
        return abs(self.mean) > self.half_width


class IntervalEstimate(NamedTuple):
    """An estimate and the ends of its confidence interval."""

    estimate: float
    low: float
    high: float

    def reversed(self) -> "IntervalEstimate":
        """Returns a probability's complement: of a measure of which less is better, the chance to be better."""
        return IntervalEstimate(1 - self.estimate, 1 - self.high, 1 - self.low)

    def show(self) -> str:
        """Returns it as a person reads it, for instance `0.72 [0.55, 0.86]`."""
        return f"{self.estimate:.3g} [{self.low:.3g}, {self.high:.3g}]"


def student_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Returns the mean of values from independent seeds with Student's t interval, right for normal values."""
    num = len(values)
    if num < 2:
        return Interval(float(np.mean(values)) if num else math.nan, math.nan, num)
    half = _student_quantile((1 + confidence) / 2, num - 1) * np.std(values, ddof=1) / math.sqrt(num)
    return Interval(float(np.mean(values)), float(half), num)


def resampled_interval(differences: Sequence[float], test_share: float) -> Interval:
    """Returns the mean of differences over the folds of repeated cross-validation, with the corrected t interval.

    Folds share most of their training examples, so their differences are not independent, and Student's interval would
    be too narrow. The variance of the mean is taken to be (1 / folds + `test_share`) times that of a difference.

    Args:
      differences: of each fold, of all repetitions.
      test_share: test examples for each training example, 1/4 of five folds.

    Source: Nadeau and Bengio, "Inference for the generalization error", 2003, section 3; of repeated folds: Bouckaert
    and Frank, "Evaluating the replicability of significance tests for comparing learning algorithms", 2004.
    """
    plain = student_interval(differences)
    return plain._replace(half_width=plain.half_width * math.sqrt(1 + plain.num * test_share))


@functools.cache
def _student_quantile(probability: float, degrees: int) -> float:
    from scipy.special import stdtrit  # SciPy is slow to import and needed at the end alone; its stats is slower.

    return float(stdtrit(degrees, probability))


def paired_difference(
    left: Mapping[Any, float], right: Mapping[Any, float], num_comparisons: int = 1
) -> Interval | None:
    """Returns the interval of left − right over the seeds they share, or None where they share none.

    Args:
      left: values by seed.
      right: likewise; a single value under None is one that no seed enters.
      num_comparisons: how many differences are looked at together. Each interval is widened (Bonferroni) so that all
        of them hold at once with 95 % confidence.
    """
    if None in left or None in right:
        seeds = [seed for seed in (*left, *right) if seed is not None] or [None]
        pairs = [(left.get(seed, left.get(None)), right.get(seed, right.get(None))) for seed in dict.fromkeys(seeds)]
    else:
        pairs = [(left[seed], right[seed]) for seed in left if seed in right]
    differences = [a - b for a, b in pairs if a is not None and b is not None]
    if not differences:
        return None
    return student_interval(differences, 1 - (1 - CONFIDENCE) / num_comparisons)


def interquartile_mean(values: Sequence[float]) -> IntervalEstimate | None:
    """Returns the mean of the middle half (Agarwal et al., 2021) with a bootstrap interval, or None below 20 values."""
    import scipy.stats

    if len(values) < ENOUGH_FOR_BOOTSTRAP:
        return None
    return _bootstrap((values,), lambda x: float(scipy.stats.trim_mean(x, 0.25)))


def probability_of_improvement(
    left: Sequence[float], right: Sequence[float], num_comparisons: int = 1
) -> IntervalEstimate | None:
    """Returns how probable it is that a value of `left` exceeds one of `right`; ties count half.

    The Mann-Whitney statistic over the number of pairs (Agarwal et al., 2021): from 20 values on either side with a
    bootstrap interval, below that with Newcombe's, which is right for five. None where a side has fewer than two
    values: these say nothing of chance.

    Args:
      left: values from independent seeds.
      right: likewise.
      num_comparisons: how many probabilities are looked at together. Each interval is widened (Bonferroni) so that all
        of them hold at once with 95 % confidence.
    """
    num_pairs, fewest = len(left) * len(right), min(len(left), len(right))
    if fewest < 2:
        return None
    confidence = 1 - (1 - CONFIDENCE) / num_comparisons

    def statistic(x: Sequence[float], y: Sequence[float]) -> float:
        exceeds = np.subtract.outer(np.asarray(x), np.asarray(y))
        return float(np.sum(exceeds > 0) + 0.5 * np.sum(exceeds == 0)) / num_pairs

    if fewest >= ENOUGH_FOR_BOOTSTRAP:
        return _bootstrap((left, right), statistic, confidence)
    return _newcombe(statistic(left, right), len(left), len(right), confidence)


def _newcombe(estimate: float, num_left: int, num_right: int, confidence: float) -> IntervalEstimate:
    """Returns a probability of improvement with its score interval.

    Source: Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic. Part 2:
    asymptotic methods and evaluation", 2006, method 5: the ends are the θ that lie z standard errors from the estimate,
    where the standard error is that of θ, not of the estimate, so that the interval stays within [0, 1] and is none of
    length 0 where every value exceeds every other.
    """
    import scipy.optimize
    from scipy.special import ndtri

    z = float(ndtri((1 + confidence) / 2))
    mean_num = (num_left + num_right) / 2 - 1

    def excess(theta: float) -> float:
        spread = 1 + mean_num * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (estimate - theta) ** 2 - z**2 * theta * (1 - theta) * spread / (num_left * num_right)

    # Excess is positive at 0 and 1 and negative beside the estimate; at an estimate of 0 or 1 itself it is zero.
    step = 1e-9
    low = float(scipy.optimize.brentq(excess, 0.0, estimate - step)) if estimate > 0 else 0.0
    high = float(scipy.optimize.brentq(excess, estimate + step, 1.0)) if estimate < 1 else 1.0
    return IntervalEstimate(estimate, low, high)


def _bootstrap(
    samples: tuple[Sequence[float], ...], statistic: Any, confidence: float = CONFIDENCE
) -> IntervalEstimate:
    import scipy.stats

    estimate = statistic(*samples)
    if all(np.ptp(sample) == 0 for sample in samples):
        return IntervalEstimate(estimate, estimate, estimate)
    interval = scipy.stats.bootstrap(
        samples,
        statistic,
        confidence_level=confidence,
        n_resamples=RESAMPLES,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return IntervalEstimate(estimate, float(interval.low), float(interval.high))


class VarianceShares(NamedTuple):
    """What share of a variance, from 0 to 1, is between groups, between settings within them, and between seeds."""

    group: IntervalEstimate
    setting: IntervalEstimate
    seed: IntervalEstimate


def variance_shares(groups: Sequence[Sequence[Sequence[float]]]) -> VarianceShares | None:
    """Returns the shares of the variance of a study's values that lie in groups, in their settings, and in seeds.

    Groups may have different numbers of settings; every setting has as many seeds. The sum of squared deviations from
    the mean of all N values is that of the groups' means, plus that of the m settings' means from their group's, plus
    that of seeds from their setting's mean, with mean square E = SS_seed / (N − m). A mean of few seeds varies by
    chance, so each of the first two has some of the last: df · E of it, which is taken there and added to that of the
    seeds (Kelley's ε²). So the share of the seeds is 1 − the adjusted R² of settings, and the three add to 1. They are
    about these groups and settings, not about others that might have been tried.

    Intervals of 95 % are from a bootstrap: each setting's deviations from its mean are resampled, scaled by
    √(n / (n − 1)) because those of n seeds vary too little, and added to the means; the shares of the resamples are
    moved by as much as brings their mean to the estimate, because the resampled means vary by chance once more.
    Estimates and their intervals are cut off at 0 and 1.

    None where there are fewer than two groups, no group with two settings or fewer than `FEWEST_SEEDS` seeds, and where
    all values are the same.

    Args:
      groups: for each group for each setting the values by seed: numbers that are finite.
    """
    values = np.array([setting for group in groups for setting in group], float)
    if len(groups) < 2 or len(values) == len(groups) or values.shape[1] < FEWEST_SEEDS or np.ptp(values) == 0:
        return None
    member = np.repeat(np.eye(len(groups)), [len(group) for group in groups], axis=0)
    estimate = _shares_of_squares(values, member)
    num = values.shape[1]
    mean = values.mean(axis=1, keepdims=True)
    residual = (values - mean) * math.sqrt(num / (num - 1))
    drawn = np.random.default_rng(0).integers(num, size=(RESAMPLES, *values.shape))
    resampled = _shares_of_squares(mean + np.take_along_axis(residual[None], drawn, axis=2), member)
    moved = resampled - resampled.mean(axis=0) + estimate
    low, high = np.quantile(moved, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    shares = np.clip([estimate, low, high], 0.0, 1.0).T
    return VarianceShares(*(IntervalEstimate(*map(float, share)) for share in shares))


def _shares_of_squares(values: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Returns the three shares, [..., 3], of values [..., settings, seeds].

    `member` is 1 where a setting is of a group, else 0: [settings, groups].
    """
    (num_settings, num_groups), num_seeds = member.shape, values.shape[-1]
    of_setting = values.mean(axis=-1)
    of_group = (of_setting @ member / member.sum(axis=0)) @ member.T  # Of each setting that of its group.
    overall = of_setting.mean(axis=-1, keepdims=True)
    between = num_seeds * np.sum((of_group - overall) ** 2, axis=-1)
    within = num_seeds * np.sum((of_setting - of_group) ** 2, axis=-1)
    left = np.sum((values - of_setting[..., None]) ** 2, axis=(-2, -1))
    by_chance = left / (num_settings * (num_seeds - 1))
    degrees = np.array([num_groups - 1, num_settings - num_groups, 1 - num_settings])
    squares = np.stack([between, within, left], axis=-1) - degrees * by_chance[..., None]
    shares: np.ndarray = squares / np.sum(squares, axis=-1, keepdims=True)
    return shares
