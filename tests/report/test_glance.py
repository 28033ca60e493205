"""The answer at a glance: what the headline and the matrix say where it is clear, and where it is not."""

import pytest

from aejax.report.glance import headline, matrix, summary
from aejax.report.sections.answer import answer
from tests.report.rows import DATA, make_content, make_row

RATE = "optimizer.learning_rate"


def rows(method, *accuracies, **config):
    """Rows of one setting, of which each has a seed and an accuracy on validation and test images."""
    fields = {path.replace("__", "."): value for path, value in config.items()}
    return [
        make_row(method, seed, fields, test_probe_accuracy=value, validation_probe_accuracy=value)
        for seed, value in enumerate(accuracies)
    ]


def sentence(*groups):
    content = make_content([row for group in groups for row in group])
    return summary(content.findings, content.settings)


GOOD, BAD = (0.90, 0.91, 0.92), (0.70, 0.71, 0.72)
PIXELS = [make_row("pixels", test_probe_accuracy=0.8, validation_probe_accuracy=0.8)]


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (
            [rows("autoencoder", *GOOD), rows("untrained", *BAD), PIXELS],
            "By linear probe, autoencoder reaches 91.0 ± 2.5 %, 11.0 ± 3.6 points better than the strongest baseline, "
            "pixels (n = 3).",
        ),
        (
            [rows("autoencoder", *BAD), PIXELS],
            "By linear probe, autoencoder reaches 71.0 ± 2.5 %, 9.0 ± 2.5 points worse than the strongest baseline, "
            "pixels (n = 3).",
        ),
        (
            [rows("autoencoder", 0.78, 0.8, 0.83), PIXELS],
            "By linear probe, autoencoder reaches 80.3 ± 6.3 %; undecided against the strongest baseline, pixels "
            "(difference +0.3 ± 6.3 points, n = 3).",
        ),
        (
            [rows("autoencoder", 0.9), PIXELS],
            "By linear probe, autoencoder reaches 90.0 (no interval) %; undecided against the strongest baseline, "
            "pixels (difference +10.0 points, n = 1 and no interval).",
        ),
        ([rows("autoencoder", *GOOD)], "By linear probe, autoencoder reaches 91.0 ± 2.5 % (n = 3)."),
        (
            [rows("autoencoder", *GOOD, **{"a.x": 1}), rows("autoencoder", *BAD, **{"a.x": 2})],
            "By linear probe, autoencoder · x 1, chosen among 2 settings (1 shown to be worse), reaches 91.0 ± 2.5 %, "
            "20 ± 0 points better than the next setting, autoencoder · x 2 (n = 3).",
        ),
        (
            # Beside the next one alone the difference would be shown (1.0 ± 0.9); beside three it is not.
            [
                rows("autoencoder", 0.900, 0.910, 0.920, **{"a.x": 1}),
                rows("autoencoder", 0.8936, 0.900, 0.9064, **{"a.x": 2}),
                rows("autoencoder", 0.9, 0.8, 0.7, **{"a.x": 3}),
                rows("autoencoder", 0.7, 0.9, 0.7, **{"a.x": 4}),
            ],
            "By linear probe, autoencoder · x 1, chosen among 4 settings (none shown to be worse), reaches "
            "91.0 ± 2.5 %; undecided against the next setting, autoencoder · x 2 (difference +1.0 ± 1.6 points, "
            "n = 3).",
        ),
        ([], ""),
    ],
    ids=["better", "worse", "undecided", "one seed", "alone", "settings", "several settings", "nothing"],
)
def test_the_headline_says_what_is_shown_and_no_more(groups, said):
    assert sentence(*groups) == said


def classifiers(method, *accuracies, labels=10):
    """Rows of networks with a classifier of their own, a seed each."""
    fields = {"fine_tuning.labels_per_class": labels}
    return [
        make_row(method, seed, fields, test_accuracy=value, validation_accuracy=value)
        for seed, value in enumerate(accuracies)
    ]


def test_what_only_classifiers_have_is_asked_of_those_that_images_without_labels_train():
    joint, scratch = classifiers("semi_supervised", *GOOD), classifiers("supervised", *BAD)
    errors = [make_row("autoencoder", 0, test_mse=0.1, validation_mse=0.1)]
    assert sentence(joint, scratch, errors) == (
        "By own classifier, semi_supervised reaches 91.0 ± 2.5 %, 20 ± 0 points better than the strongest baseline, "
        "supervised (n = 3)."
    )
    content = make_content([*joint, *classifiers("fine_tuned", *BAD), *scratch])
    verdicts = {finding.best.method: [one.verdict for one in finding.comparisons] for finding in content.findings}
    assert verdicts == {"semi_supervised": ["better"], "fine_tuned": ["undecided"]}
    alone = make_content([*scratch, *errors])
    assert [finding.metric.title for finding in alone.findings] == ["MSE"]


def test_of_several_numbers_of_labels_the_curves_speak_alone():
    groups = [
        classifiers(method, *values, labels=labels)
        for labels in (10, 100)
        for method, values in (("fine_tuned", GOOD), ("supervised", BAD))
    ]
    content = make_content([row for group in groups for row in group])
    assert content.findings == []
    assert content.answer.startswith("own classifier: pre-trained is better than from scratch with 10 (+20 ± 0), 100")


def test_autoencoders_are_ranked_by_a_measure_of_their_own():
    errors = [
        make_row("autoencoder", 0, {"a.x": x}, test_mse=mse, validation_mse=mse) for x, mse in ((1, 0.2), (2, 0.1))
    ]
    content = make_content([*errors, *classifiers("fine_tuned", *GOOD)])
    assert content.findings[0].metric.title == "own classifier"
    assert [setting.label for setting in content.subjects()] == ["x 2", "x 1"]


def test_the_measure_of_a_search_is_the_main_one():
    errors = [
        row | {"metrics": row["metrics"] | {"test_mse": 0.1 + 0.01 * i, "validation_mse": 0.1}}
        for i, row in enumerate(rows("autoencoder", *GOOD))
    ]
    content = make_content(errors)
    assert headline(content.findings, content.settings, "validation_mse").sentence.startswith("By MSE, autoencoder")
    assert headline(content.findings, content.settings).finding.metric.title == "linear probe"


def test_other_test_images_are_said_to_stand_below():
    first, second = (
        [row | {"config": row["config"] | {"data.classes": classes}} for row in rows("autoencoder", *GOOD)]
        for classes in ([0, 1], [1, 2])
    )
    assert sentence(first, second).endswith("(n = 3). On other test images (1 further set) see below.")


def test_the_matrix_has_a_cell_for_each_measure_and_baseline():
    own = rows("autoencoder", *GOOD)
    for seed, row in enumerate(own):
        row["metrics"] |= {"test_mse": 0.1 + 0.01 * seed, "validation_mse": 0.1}
    content = make_content([*own, *rows("untrained", *BAD), *rows("supervised", 0.95, 0.96, 0.97), *PIXELS])
    found = matrix(content.findings)
    assert found.columns == ["untrained", "supervised", "pixels"]
    assert [row.finding.metric.title for row in found.rows] == ["linear probe", "MSE"]
    assert [cell.verdict for cell in found.rows[0].cells] == ["better", "worse", "better"]
    assert found.rows[1].cells == [None, None, None]
    body = answer(content).body
    assert '<td class="verdict better" tabindex="0"' in body
    assert "<b>▼ worse</b> <span>-5 ± 0</span>" in body
    assert body.index('class="headline"') < body.index('class="answers"') < body.index("<details>")


def test_a_study_without_results_has_no_answer():
    body = answer(make_content([])).body
    assert "No results yet" in body
    assert "headline" not in body
    assert "<table" not in body


# Studies beside each other.


def of_study(study, *values, metric="nll", data=(), bits=False, **config):
    """Rows of one setting of a study, one for each seed."""
    fields = {path.replace("__", "."): value for path, value in config.items()}
    names = [f"{split}_{metric}" for split in ("validation", "test")]
    return [
        make_row(
            "autoencoder",
            seed,
            fields,
            **dict.fromkeys(names, value),
            **({"test_bits_per_dimension": 1.0} if bits else {}),
        )
        | {"study": study, "data": DATA | dict(data)}
        for seed, value in enumerate(values)
    ]


def columns(*groups):
    content = make_content([row for group in groups for row in group])
    return [(row.best.study, [c.other.study for c in row.cells if c]) for row in matrix(content.findings).rows]


def test_densities_of_one_study_do_not_stand_beside_probabilities_of_another():
    density, other = of_study("a", 5.0, 6.0, 7.0), of_study("b", 80.0, 81.0, 82.0)
    assert columns(density, other) == [("a", ["b"]), ("b", ["a"])]
    discrete = of_study("b", 80.0, 81.0, 82.0, bits=True)
    assert columns(density, discrete) == [("a", []), ("b", [])]


def test_neither_do_numbers_of_other_outliers():
    studies = [
        of_study(
            name, 0.5, 0.6, 0.7, metric="anomaly_mse_auroc", data={"others": {"outliers": DATA | {"fingerprint": f}}}
        )
        for name, f in (("a", "x"), ("b", "y"), ("c", "x"))
    ]
    assert columns(*studies) == [("a", ["c"]), ("b", []), ("c", ["a"])]


def test_a_study_has_one_column_whatever_its_settings_call_the_same_images():
    one = of_study("a", 0.9, 0.91, 0.92, metric="probe_accuracy")
    worse, better = (
        of_study("b", *values, metric="probe_accuracy", data__maximum=white)
        for values, white in (((0.5, 0.51, 0.52), 255.0), ((0.7, 0.71, 0.72), 16.0))
    )
    content = make_content([*one, *worse, *better])
    (finding,) = (finding for finding in content.findings if finding.best.study == "a")
    (comparison,) = finding.comparisons
    assert comparison.other.mean("test_probe_accuracy") == pytest.approx(0.71)
