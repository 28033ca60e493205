import csv
import gzip
import io
import itertools
import json
import shutil

import pytest

from aejax.report.findings import findings
from aejax.report.sections.answer import leaderboard
from aejax.report.tables import make_table, to_csv, to_latex, to_markdown
from aejax.report.write import write_report
from aejax.store.contents import read_study
from aejax.store.directory import StudyDirectory
from aejax.store.results import settings, varying_fields
from tests.report.rows import make_content
from tests.report.test_published import RESULTS

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


def test_a_part_that_is_null_in_some_rows_tells_settings_apart():
    part = "evaluation.transfer"
    rows = [
        row | {"config": row["config"] | extra}
        for row in (make_row("autoencoder", seed, 0.1, 0.9) for seed in (0, 1))
        for extra in ({part: None}, {f"{part}.name": "other", f"{part}.classes": None})
    ]
    assert varying_fields(rows) == [part, "seed"]
    assert [len(group.rows) for group in settings(rows)] == [2, 2]


def test_a_setting_is_called_by_what_tells_it_from_most():
    rows = [
        make_row("autoencoder", 0, None, 0.5) | {"config": {"a.kind": kind, "a.rate": rate, "a.size": size, "seed": 0}}
        for kind, rate, size in [("x", 0.1, 8), ("x", 0.2, 8), ("y", 0.1, 8), ("z", None, 16), ("v", 0.1, 8)]
    ]
    labels = {setting.label: setting.kinds for setting in settings(rows)}
    assert labels == {
        "x": "x",
        "x · rate 0.2": "x · rate",
        "y": "y",
        "v": "v",
        "z": "z",
    }


def test_a_label_goes_before_the_fields_that_it_does_not_imply():
    def one(label, **fields):
        config = {"a.kind": "x", "a.size": 8, "a.rate": 0.1, "seed": 0} | {f"a.{name}": v for name, v in fields.items()}
        return make_row("autoencoder", 0, None, 0.5) | {"config": config} | ({"label": label} if label else {})

    rows = [one("", size=1), one("", size=2), one("moved", kind="y", size=3, rate=0.2)]
    rows += [one("wide", size=4, rate=rate) for rate in (0.3, 0.4)]
    labels = [setting.label for setting in settings(rows)]
    assert sorted(labels) == ["moved", "size 1", "size 2", "wide · rate 0.3", "wide · rate 0.4"]


def test_names_tell_all_settings_apart():
    values = itertools.product(["x", "y"], [None, 1, 2], [0.1, 0.2])
    rows = [
        make_row("autoencoder", 0, None, 0.5)
        | {"config": {"a.kind": kind, "a.size": size, "b.rate": rate, "seed": 0} | ({"a.x": 1} if kind == "x" else {})}
        for kind, size, rate in values
    ]
    for num in range(2, len(rows) + 1):
        names = [setting.name for setting in settings(rows[:num])]
        assert len(set(names)) == num, names


def test_tables_have_all_numbers_that_vary_and_names_the_fewest():
    def row(kind, size, rate):
        config = {"a.kind": kind, "a.size": size, "b.rate": rate, "b.epochs": 1 if kind == "x" else 2, "seed": 0}
        return make_row("autoencoder", 0, None, 0.5) | {"config": config}

    groups = settings([row("x", 1, 0.11), row("x", 2, 0.12), row("y", 3, 0.13), row("y", 4, 0.14)])
    assert [group.label for group in groups] == ["x · size 1", "x · size 2", "y · size 3", "y · size 4"]
    # Epochs go with the family.
    assert make_table(groups).heading[:4] == ["method", "a", "size", "rate"]


def test_many_fields_share_a_column():
    def heading(num):
        configs = [{"seed": 0} | {f"a.f{i}": int(i == own) for i in range(num)} for own in range(num)]
        table = make_table(settings([make_row("autoencoder", 0, None, 0.5) | {"config": config} for config in configs]))
        return table.heading, [line[1] for line in table.rows]

    assert heading(6)[0][:7] == ["method", *(f"f{i}" for i in range(6))]
    assert heading(7)[0][:2] == ["method", "setting"]
    assert sorted(heading(7)[1]) == [f"f{i} 1" for i in range(7)]


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


def test_the_table_names_classifiers_whose_search_had_not_converged():
    rows = [make_row("autoencoder", seed, None, 0.9) for seed in range(3)]
    norms = {"svm_gradient_norm": 0.2, "probe_gradient_norm": 0.001}
    assert "search ended" not in to_markdown(rows)
    rows[1] = rows[1] | {"metrics": rows[1]["metrics"] | norms}
    text = to_markdown(rows)
    assert "its gradient was 1% of the first" in text
    assert f"svm of autoencoder {rows[1]['id']} (seed 1)." in text
    assert "probe of autoencoder" not in text


def test_the_table_says_what_is_exact_and_what_is_not():
    text = to_markdown(ROWS)
    pixels = next(line for line in text.splitlines() if line.startswith("| pixels"))
    assert "50.0" in pixels
    assert "fixed" in pixels
    member = next(line for line in text.splitlines() if line.startswith("| autoencoder"))
    assert "93.2 ± 7.3" in member
    assert "toy: trained on 10 images, selection on 5 validation images, tested once on 7 images" in text
    assert "on 15 labelled images" in text
    single = to_markdown([make_row("autoencoder", 0, 0.1, 0.9)])
    assert "90.0 (no interval)" in single


def test_data_without_labels_are_said_to_have_none():
    row = make_row("autoencoder", 0, 0.1, 0.9) | {"data": DATA | {"num_classes": None}, "metrics": {"test_mse": 0.1}}
    assert "it has no labels" in to_markdown([row])


def test_latex_is_a_tabular_with_everything_escaped():
    rows = [row | {"config": row["config"] | {"autoencoder.latent_size": 3}} for row in ROWS]
    text = to_latex(rows)
    assert r"\begin{tabular}{lllll}" in text
    assert r"autoencoder & 0.01 & 93.2 $\pm$ 7.3 & 2 & 4 \\" in text
    assert r"linear probe \%" in text
    assert r"learning\_rate" in text


def test_a_probe_of_few_labels_says_how_many_draws_it_is_of():
    few = [row | {"metrics": {"test_few_labels_10_accuracy": row["metrics"]["test_probe_accuracy"]}} for row in ROWS]
    text = to_markdown(few)
    assert "probe, 10 a class %" in text
    assert "the same draws for every method (10" in text
    assert "draws" not in to_markdown(ROWS)


def test_settings_tested_on_other_images_are_not_chosen_among():
    rows = []
    for classes, pixels in (([0, 1], 0.7), ([0, 2], 0.8)):
        for row in ROWS:
            row = row | {"config": row["config"] | {"data.classes": classes}}
            accuracy = pixels if row["method"] == "pixels" else row["metrics"]["test_probe_accuracy"]
            metrics = {"validation_probe_accuracy": accuracy, "test_probe_accuracy": accuracy}
            rows.append(row | {"metrics": metrics, "id": f"{row['id']}{classes}"})
    found = findings(settings(rows))
    assert [finding.num_settings for finding in found] == [2, 2]  # Of the learning rates, for each.
    others = [[comparison.other.rows[0]["config"]["data.classes"] for comparison in x.comparisons] for x in found]
    assert others == [[[0, 1]], [[0, 2]]]


def test_seconds_are_written_alike_in_both_tables():
    rows = [row | {"cost": {"train_seconds": 123.4}} for row in ROWS]
    assert make_table(settings(rows)).rows[0][-2] == "123"
    assert '<td data-value="123.4">123</td>' in leaderboard(make_content(rows)).body


def test_no_name_of_a_setting_steers_the_terminal(tmp_path):
    path = tmp_path / "study"
    shutil.copytree(RESULTS / "quickstart", path)
    record = json.loads(gzip.decompress((path / "study.json.gz").read_bytes()))
    record["labels"] = {row["id"]: "a\x1b[2J\nb" for row in read_study(StudyDirectory(path)).rows}
    (path / "study.json.gz").write_bytes(gzip.compress(json.dumps(record).encode()))
    said = write_report([StudyDirectory(path)], tmp_path / "report")
    assert "a [2J b" in said.splitlines()[0]
    assert all(line.isprintable() for line in said.splitlines())
