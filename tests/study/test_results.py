import csv
import io
import math

import numpy as np
import pytest

from aejax.study.results import settings, to_csv, to_markdown, varying_fields
from aejax.study.statistics import student_interval

DATA = {"name": "toy", "fingerprint": "f", "num_classes": 3, "train": 10, "validation": 5, "test": 7}


def make_row(method, seed, rate, accuracy, status="finished"):
    config = {"optimizer.learning_rate": rate, "seed": seed, "data.name": "toy"}
    if method == "pixels":
        config = {"data.name": "toy"}
    return {
        "method": method,
        "id": f"{method}{seed}{rate}",
        "config": config,
        "metrics": {"test_probe_accuracy": accuracy},
        "status": status,
        "cost": {"train_seconds": 2.0},
        "data": DATA,
    }


ROWS = [
    *(make_row("pixels", None, None, 0.5) for _ in range(1)),
    *(make_row("autoencoder", seed, rate, 0.9 + 0.01 * seed) for rate in (0.1, 0.01) for seed in (2, 0, 10, 1)),
]


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


def test_csv_has_a_row_for_each_member_and_a_column_for_each_field_that_varies():
    assert varying_fields(ROWS) == ["optimizer.learning_rate", "seed"]
    table = list(csv.DictReader(io.StringIO(to_csv(ROWS))))
    assert len(table) == 9
    assert [row["seed"] for row in table if row["method"] == "autoencoder"] == ["0", "1", "2", "10"] * 2
    assert table[0]["optimizer.learning_rate"] == "0.01"
    assert table[-1]["method"] == "pixels"
    assert table[-1]["seed"] == table[-1]["optimizer.learning_rate"] == ""


def test_csv_does_not_depend_on_the_order_in_which_members_finished():
    assert to_csv(ROWS) == to_csv(ROWS[::-1])


def test_settings_average_over_seeds_and_leave_out_the_diverged():
    rows = [*ROWS, make_row("autoencoder", 11, 0.1, 0.0, status="diverged")]
    groups = settings(rows)
    assert [(group.method, len(group.rows)) for group in groups] == [
        ("autoencoder", 4),
        ("autoencoder", 5),
        ("pixels", 1),
    ]
    interval = groups[1].interval("test_probe_accuracy")
    assert interval.num == 4
    assert interval.mean == pytest.approx(0.9 + 0.01 * 13 / 4)
    text = to_markdown(rows)
    assert "Diverged" in text
    assert "(seed 11)" in text


def test_the_table_says_what_is_exact_and_what_is_not():
    text = to_markdown(ROWS)
    pixels = next(line for line in text.splitlines() if line.startswith("| pixels"))
    assert "50.00" in pixels
    assert "fixed" in pixels
    member = next(line for line in text.splitlines() if line.startswith("| autoencoder"))
    assert "93.2 ± 7.3" in member
    assert "toy: trained on 10 images, selection on 5 validation images, tested once on 7 images" in text
    assert "on 15 labelled images" in text
    single = to_markdown([make_row("autoencoder", 0, 0.1, 0.9)])
    assert "90.00 (no interval)" in single


def test_data_without_labels_are_said_to_have_none():
    row = make_row("autoencoder", 0, 0.1, 0.9) | {"data": DATA | {"num_classes": None}, "metrics": {"test_mse": 0.1}}
    assert "it has no labels" in to_markdown([row])
