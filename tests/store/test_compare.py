"""Two runs compared: metrics that are bitwise equal, within a tolerance, or different."""

import math

import pytest

from aejax.store.compare import compare_rows, only_in_one, to_text


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
