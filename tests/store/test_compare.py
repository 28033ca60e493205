"""Two runs compared: metrics that are bitwise equal, within a tolerance, or different."""

import math

import pytest

from aejax.store.compare import compare_rows, only_in_one, outside_intervals, to_text


def row(metrics, method="autoencoder", name="a"):
    return {"method": method, "id": name, "metrics": metrics}


def test_numbers_are_equal_close_or_different():
    old = [
        row({"x": 1.0, "y": 1.0, "z": 1.0, "n": math.nan, "gone": 0.0}),
        row({"x": 2.0, "y": 2.0, "z": 2.0}, name="b"),
    ]
    new = [row({"x": 1.0, "y": 1.0, "z": 1.0, "n": math.nan}), row({"x": 2.0, "y": 2.002, "z": 3.0}, name="b")]
    verdicts = {comparison.metric: comparison for comparison in compare_rows(old, new, 0.01)}
    assert {name: comparison.verdict for name, comparison in verdicts.items()} == {
        "x": "bitwise equal",
        "y": "within tolerance",
        "z": "different",
        "n": "bitwise equal",
        "gone": "different",
    }
    assert verdicts["z"].largest == pytest.approx(1 / 3)
    assert verdicts["x"].num == 2
    assert to_text(list(verdicts.values())).endswith("all metrics: different")
    assert only_in_one(old, new[:1]) == ["autoencoder b: only the first run has results of it"]


def members(values, method="autoencoder", **metrics):
    """Rows of one setting: a member for each value of its error, and the same other metrics."""
    return [
        {
            "method": method,
            "id": f"{method}{seed}",
            "config": {"seed": seed},
            "metrics": {"test_mse": value, **metrics},
            "status": "finished",
            "cost": {},
        }
        for seed, value in enumerate(values)
    ]


def test_a_mean_outside_of_its_interval_is_a_line():
    old = members([1.0, 2.0, 3.0])  # 2 ± 2.484: Student's quantile with two degrees is 4.303.
    assert outside_intervals(old, members([4.48, 4.48, 4.48]), 0.02) == []
    assert outside_intervals(old, members([4.49, 4.49, 4.49]), 0.02) == [
        "autoencoder: MSE: 4.49 ± 0, where it was 2.0 ± 2.5"
    ]
    assert outside_intervals(old, members([-0.49] * 3), 0.02) != []
    assert outside_intervals(old, members([math.nan] * 3), 0.02) != []


def test_a_number_without_an_interval_may_differ_by_the_tolerance():
    for old in (members([2.0]), members([2.0, 2.0])):  # One value, or no spread.
        assert outside_intervals(old, members([2.03] * len(old)), 0.02) == []
        assert len(outside_intervals(old, members([2.05] * len(old)), 0.02)) == 1


def test_a_number_that_only_one_run_has_is_a_line():
    old, new = members([1.0, 2.0], test_ssim=0.5), members([1.0, 2.0])
    assert outside_intervals(old, new, 0.02) == ["autoencoder: SSIM: nothing, where it was 0.5 ± 0"]
    assert len(outside_intervals(new, old, 0.02)) == 1
    assert len(outside_intervals(old, [], 0.02)) == 2


def test_what_tables_do_not_show_may_differ():
    assert outside_intervals(members([1.0], train_loss=1.0), members([1.0], train_loss=9.0), 0.02) == []
