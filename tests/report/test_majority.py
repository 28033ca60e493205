"""The majority class beside accuracies: in tables and the report of studies that recorded it, and nowhere else."""

import pytest

from aejax.report.glance import summary
from aejax.report.sections.answer import answer, leaderboard
from aejax.report.tables import make_table, to_csv, to_latex, to_markdown
from aejax.store.results import settings
from tests.report.rows import DATA, make_content, make_row

MAJORITY = {
    "validation_accuracy": 0.5,
    "test_accuracy": 0.5625,
    "validation_balanced_accuracy": 1 / 3,
    "test_balanced_accuracy": 1 / 3,
}


def rows_of(majority, config=(), **metrics):
    return [
        make_row("autoencoder", seed, config, **metrics) | {"data": DATA | ({"majority": majority} if majority else {})}
        for seed in range(3)
    ]


def accuracies(*names):
    return {f"{split}_{name}": 0.9 for name in names for split in ("validation", "test")}


@pytest.fixture
def rows():
    return rows_of(MAJORITY, **accuracies("probe_accuracy", "probe_balanced_accuracy", "mse"))


def test_tables_end_with_it(rows):
    table = make_table(settings(rows))
    assert table.heading == ["method", "linear probe %", "linear probe, balanced %", "MSE", "seconds", "n"]
    assert table.rows[-1] == ["majority class", "56.2", "33.3", "", "", "fixed"]
    text = to_markdown(rows)
    assert "'majority class' names the class that is most frequent" in text
    assert "'balanced': the mean over the classes" in text
    assert "1.5 times" in text
    assert "majority class & 56.2 & 33.3" in to_latex(rows)
    assert "majority class" not in to_csv(rows)  # That has members.


def test_the_report_says_it_in_the_headline_the_matrix_and_the_leaderboard(rows):
    content = make_content(rows)
    said = summary(content.findings, content.settings)
    assert "autoencoder reaches 90.0 ± 0 % (majority class: 56.2 %)" in said.replace("90 ±", "90.0 ±")
    body = answer(content).body
    assert body.count('<th scope="col">majority class</th>') == 1
    assert ["<td>56.2</td>" in body, "<td>33.3</td>" in body] == [True, True]
    assert ">majority class</td>" in leaderboard(content).body


def test_studies_that_did_not_record_it_are_shown_as_before(rows):
    old = rows_of(None, **rows[0]["metrics"])
    content = make_content(old)
    for text in (
        to_markdown(old),
        summary(content.findings, content.settings),
        answer(content).body,
        leaderboard(content).body,
    ):
        assert "majority" not in text


def test_without_an_accuracy_there_is_nothing_to_be_beside():
    rows = rows_of(MAJORITY, **accuracies("mse"))
    assert [row[0] for row in make_table(settings(rows)).rows] == ["autoencoder"]
    assert "majority" not in to_markdown(rows) + answer(make_content(rows)).body


def test_each_data_set_has_its_own():
    names = ("a.npz", "b.npz")
    rows = [
        row | {"data": row["data"] | {"name": name, "fingerprint": name}}
        for name, share in zip(names, (0.25, 0.75), strict=True)
        for row in rows_of(MAJORITY | {"test_accuracy": share}, {"data.name": name}, **accuracies("knn_accuracy"))
    ]
    last = make_table(settings(rows)).rows[-2:]
    assert [row[:3] for row in last] == [["majority class", "a.npz", "25.0"], ["majority class", "b.npz", "75.0"]]


def test_few_images_of_the_same_set_have_one():
    rows = [row for num in (100, 200) for row in rows_of(MAJORITY, {"data.train_size": num}, **accuracies("accuracy"))]
    table = make_table(settings(rows))
    assert [row[0] for row in table.rows] == ["autoencoder"] * 2 + ["majority class"]


def test_labels_that_are_known_are_counted(rows):
    labelled = {"train": 6, "validation": 3, "test": 7}
    some = [row | {"data": row["data"] | {"labelled": labelled}} for row in rows]
    text = to_markdown(some)
    assert "the linear probe is refitted, and k-NN searches, on 9 labelled images" in text
    assert "Images with a label: 6 of 10 train, 3 of 5 validation, 7 of 7 test" in text
