"""How many digits of a number people read."""

import math

import pytest

from aejax.measures.base import Metric
from aejax.statistics import Interval

ERROR = Metric("mse", "MSE", "", higher_is_better=False)
SHARE = Metric("accuracy", "accuracy", "%", higher_is_better=True)


@pytest.mark.parametrize(
    ("metric", "mean", "half", "shown"),
    [
        (SHARE, 0.96222, 0.0093, "96.2 ± 0.9"),
        (SHARE, 0.9460, 0.0111, "94.6 ± 1.1"),
        (SHARE, 0.96669, 0.00049, "96.67 ± 0.05"),  # More than three where the interval would be empty.
        (SHARE, 0.31, 0.17, "31 ± 17"),
        (SHARE, 0, 0, "0 ± 0"),
        (SHARE, 1, 0, "100 ± 0"),
        (SHARE, 0.95, math.nan, "95.0 (no interval)"),
        (ERROR, 0.0026832, 0.000136, "0.00268 ± 0.00014"),
        (ERROR, 0.0142822, 0.0000702, "0.01428 ± 0.00007"),
        (ERROR, 0.9512, 0, "0.951 ± 0"),
        (ERROR, 0.00008, 0.00017, "0.00008 ± 0.00017"),
        (ERROR, -12345.6, 67.8, "-12346 ± 68"),
        (ERROR, math.inf, math.nan, "inf (no interval)"),
    ],
)
def test_a_mean_has_the_digits_that_its_interval_allows(metric, mean, half, shown):
    assert metric.show(Interval(mean, half, 5)) == shown


@pytest.mark.parametrize(
    ("metric", "mean", "shown"),
    [
        (SHARE, 0.97222, "97.2"),
        (SHARE, 1.0, "100"),
        (ERROR, 0.002599, "0.00260"),
        (ERROR, 1234.5, "1234"),
        (ERROR, 0, "0"),
    ],
)
def test_a_number_without_interval_has_three(metric, mean, shown):
    assert metric.show(Interval(mean, math.nan, 1), seeded=False) == shown
