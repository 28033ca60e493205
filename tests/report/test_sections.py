"""Sections that few studies have, made from rows as their results.json would hold them."""

import re

import pytest

from aejax.report.label_curves import ACCURACY, label_curves
from aejax.report.sections.codes import codes
from aejax.report.sections.labels import labels
from aejax.report.sections.layers import layers
from aejax.report.sections.overfitting import against_features, cures, gaps
from aejax.report.sections.robustness import mean_corruption_error, robustness
from aejax.report.sections.transfer import transfer
from aejax.report.tables import to_markdown
from tests.report.rows import cells, charts, make_content, make_row


def fit(size, seed, train, validation, accuracy, kind="plain", **kwargs):
    metrics = {"train_mse": train, "validation_mse": validation, "validation_probe_accuracy": accuracy}
    metrics |= {
        "gap": validation / train,
        "test_gap": 2.0,
        "overfits": float(validation > 2 * train),
        "past_minimum": 3.0,
    }
    config = {"autoencoder.latent_size": size, "autoencoder.kind": kind}
    return make_row(seed=seed, config=config, **metrics, **kwargs)


# Overfitting.


def test_overfitting_has_a_point_for_each_setting_in_the_color_of_its_cure():
    rows = [
        *(fit(8, seed, 0.1, 0.11 + 0.02 * seed, 0.9 + 0.01 * seed) for seed in (0, 1)),
        *(fit(16, seed, 0.1, 0.4, 0.8) for seed in (0, 1)),
        fit(16, 2, 0.1, 90.0, 0.1, status="diverged"),
        *(fit(32, seed, 0.1, 0.2, 0.85, kind="denoising") for seed in (0, 1)),
    ]
    section = against_features(make_content(rows))
    assert section.title == "Overfitting against features"
    (chart,) = charts(section.body)
    assert chart.title == "linear probe %, validation images"
    # What most settings share, or what goes with a family, is not said.
    assert sorted(point["series"] for point in chart.points) == ["denoising", *["latent_size"] * 2]
    # The mean of the ratios by seed, and of the accuracies.
    places = {point["setting"].removeprefix("autoencoder · "): (point["x"], point["y"]) for point in chart.points}
    assert places == {"latent_size 8": (1.2, 90.5), "latent_size 16": (4, 80), "denoising": (2, 85)}
    assert all(point["low"] <= point["y"] <= point["high"] for point in chart.points)


def test_gaps_are_ratios_with_the_seeds_that_are_flagged():
    rows = [
        *(fit(8, seed, 0.1, 0.15 + 0.1 * seed, 0.9) for seed in (0, 1)),
        make_row("pixels", test_probe_accuracy=0.9),
    ]
    body = gaps(make_content(rows)).body
    cells = re.findall(r"<td>([^<]*)", body)
    assert cells[1:3] == ["2.0 ± 6.4", "1 of 2"]
    assert gaps(make_content([make_row("pixels", test_probe_accuracy=0.9)])) is None


def test_the_cure_that_validation_chooses_stands_beside_the_plain_autoencoder():
    def cured(kind, seed, test_gap, validation):
        row = fit(8, seed, 0.1, validation, 0.9, kind=kind)
        return row | {"metrics": row["metrics"] | {"test_gap": test_gap, "test_mse": validation}}

    rows = [
        *(cured("plain", seed, 3.0 + seed, 0.3) for seed in (0, 1)),
        *(cured("denoising", seed, 1.5 + seed, 0.2) for seed in (0, 1)),
        *(cured("dropout", seed, 1.0, 0.4) for seed in (0, 1)),
    ]
    (sentence,) = cures(make_content(rows).settings)
    assert "Of 3 settings trained on the same 10 images, autoencoder · denoising" in sentence
    assert "a difference of -1.5 ± 0, paired over 2 seeds" in sentence
    assert cures(make_content(rows[2:]).settings) == []  # Nothing plain to compare with.
    assert cures(make_content(rows[:2]).settings) == []


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [fit(8, 0, 0.1, 0.2, 0.9), fit(8, 1, 0.1, 0.2, 0.9)],
        [fit(8, 0, 0.1, 0.2, 0.9), make_row(config={"autoencoder.latent_size": 16}, validation_probe_accuracy=0.5)],
        [fit(8, 0, 0.1, 0.2, 0.9), make_row(config={"autoencoder.latent_size": 16}, gap=2.0)],
    ],
)
def test_overfitting_needs_two_settings_with_both_numbers(rows):
    assert against_features(make_content(rows)) is None


# Robustness.


def corrupted(noise, blur):
    accuracies = {"noise": noise, "blur": blur}
    return {
        f"test_{name}_{severity}_probe_accuracy": value
        for name, values in accuracies.items()
        for severity, value in enumerate(values, 1)
    } | {"test_corrupted_probe_accuracy": (sum(noise) + sum(blur)) / 4}


PIXELS, OURS = corrupted((0.8, 0.6), (0.9, 0.9)), corrupted((0.9, 0.8), (0.8, 0.9))


def test_the_mean_corruption_error_is_relative_to_the_pixels():
    assert mean_corruption_error(PIXELS, PIXELS) == pytest.approx(1)
    # Noise: .3 / .6 of the pixels' errors; blur: .3 / .2.
    assert mean_corruption_error(OURS, PIXELS) == pytest.approx((0.5 + 1.5) / 2)
    assert mean_corruption_error(corrupted((1, 1), (1, 1)), PIXELS) == 0
    assert mean_corruption_error(PIXELS, corrupted((1, 1), (0.9, 0.9))) is None
    assert mean_corruption_error({}, PIXELS) is None
    assert mean_corruption_error(PIXELS, {}) is None


def test_robustness_shows_each_corruption_beside_the_pixels():
    clean = {"test_probe_accuracy": 0.95, "validation_probe_accuracy": 0.9}
    rows = [
        *(make_row(seed=seed, **clean, **OURS) for seed in (0, 1)),
        make_row("pixels", **clean, **PIXELS),
        make_row("supervised", **clean),  # Of an evaluation without corruptions.
    ]
    section = robustness(make_content(rows))
    heading, ours, pixels = cells(section)
    assert heading == ["setting", "clean", "noise", "blur", "all", "mCE %"]
    assert ours[0] == "autoencoder"
    assert [float(cell.split()[0]) for cell in ours[1:]] == pytest.approx([95, 85, 85, 85, 100])
    assert [float(cell) for cell in pixels[1:]] == pytest.approx([95, 70, 90, 80, 100])


def test_robustness_of_reconstructions_alone():
    metrics = {"test_mse": 0.1, "validation_mse": 0.1, "test_noise_1_mse": 0.2, "test_noise_2_mse": 0.4}
    section = robustness(make_content([make_row(**metrics, test_corrupted_mse=0.3)]))
    heading, row = cells(section)
    assert heading == ["setting", "clean", "noise", "all"]
    assert [float(cell.split()[0]) for cell in row[1:]] == pytest.approx([0.1, 0.3, 0.3])
    assert robustness(make_content([make_row(test_mse=0.1, validation_mse=0.1)])) is None


# Transfer.


def test_transfer_stands_beside_the_own_data_and_in_the_tables():
    config = {"evaluation.transfer.name": "fashion", "evaluation.transfer.classes": [5, 6]}
    metrics = {
        "test_probe_accuracy": 0.9,
        "test_transfer_probe_accuracy": 0.7,
        "validation_transfer_probe_accuracy": 0.6,
    }
    rows = [make_row(method, config=config, **metrics) for method in ("autoencoder", "pixels")]
    heading, ours, _ = cells(transfer(make_content(rows)))
    assert heading == ["setting", "trained on", "transferred to", "linear probe %", "transfer probe %"]
    assert ours == ["autoencoder", "toy", "fashion [5, 6]", "90.0 (no interval)", "70.0 (no interval)"]
    assert "transfer probe: autoencoder reaches 70.0" in to_markdown(rows)
    own = [row | {"config": row["config"] | {"evaluation.transfer.name": "own"}} for row in rows]
    used = {"name": "toy", "train": 5, "validation": 1, "test": 2, "fingerprint": "f"}
    own = [row | {"data": row["data"] | {"others": {"transfer": used}}} for row in own]
    assert cells(transfer(make_content(own)))[1][2] == "toy [5, 6]"
    assert transfer(make_content([make_row(test_probe_accuracy=0.9, validation_probe_accuracy=0.9)])) is None


# Labels.


def network(method, seed, labels, accuracy, rate=0.1, **kwargs):
    config = {"fine_tuning.labels_per_class": labels, "optimizer.learning_rate": rate}
    metrics = {"test_accuracy": accuracy, "validation_accuracy": accuracy}
    return make_row(method, seed, config=config, **metrics, **kwargs)


NETWORKS = [
    *(network("fine_tuned", seed, 1, 0.6 + 0.01 * seed) for seed in (0, 1)),
    *(network("supervised", seed, 1, 0.4 + 0.01 * seed) for seed in (0, 1)),
    *(network("fine_tuned", seed, 10, 0.80 + 0.1 * seed) for seed in (0, 1)),
    *(network("supervised", seed, 10, 0.85 - 0.01 * seed) for seed in (0, 1)),
    *(network("supervised", seed, 10, 0.5, rate=0.5) for seed in (0, 1)),  # What validation does not choose.
    *(network("fine_tuned", seed, None, 0.95) for seed in (0, 1)),
    *(network("supervised", seed, None, 0.96) for seed in (0, 1)),
]


def test_accuracy_against_labels_says_where_pretraining_wins_and_where_it_stops():
    content = make_content(NETWORKS)
    (curves,) = label_curves(content.settings)
    # All labels are those of the training images: 10 of 3 classes.
    assert [list(curve.points) for curve in curves.curves] == [[1, 10 / 3, 10], [1, 10 / 3, 10]]
    assert {num: verdict for num, (_, _, verdict) in curves.differences.items()} == {
        1: "better",
        10: "undecided",
        10 / 3: "worse",
    }
    assert curves.differences[10].difference.mean == pytest.approx(0.005)
    sentence = curves.sentence()
    assert "pre-trained is better than from scratch with 1 (+20 ± 0) labels a class, undecided with 10" in sentence
    assert sentence.endswith("the best of at most 1 and 2 settings each by validation.")
    assert sentence in to_markdown(NETWORKS)
    section = labels(content)
    assert sentence.replace("'", "&#x27;") in section.body
    heading, first, *_ = cells(section)
    assert heading == ["labels a class", "fine_tuned %", "chosen", "supervised %", "chosen"]
    assert first[0] == "1"
    assert first[1].startswith("60.5")
    accuracy, ahead = charts(section.body)
    assert next((point["x"], point["y"]) for point in accuracy.of("fine_tuned")) == (1, 60.5)
    assert [point["x"] for point in ahead.of("pre-trained − from scratch")] == pytest.approx([1, 10 / 3, 10], rel=1e-5)


def test_networks_of_other_autoencoders_and_without_validation_are_not_compared():
    sizes = [
        [row | {"config": row["config"] | {"autoencoder.latent_size": size}} for row in NETWORKS] for size in (8, 9)
    ]
    twice = label_curves(make_content(sizes[0] + sizes[1]).settings)
    assert len(twice) == 2
    assert len({curves.title for curves in twice}) == 2
    metrics = {"test_accuracy": 0.9}
    blind = [row | {"metrics": metrics} for row in NETWORKS]
    assert label_curves(make_content(blind).settings) == []
    assert "own classifier" in to_markdown(blind)


def test_charts_beside_baselines_are_of_one_number_of_labels_each():
    shown = make_content(NETWORKS).beside_baselines(ACCURACY, 3)
    numbers = [(setting.method, setting.rows[0]["config"]["fine_tuning.labels_per_class"]) for setting in shown]
    assert sorted(numbers, key=str) == sorted(
        [(method, number) for method in ("fine_tuned", "supervised") for number in (1, 10, None)], key=str
    )


def test_probes_of_few_labels_have_a_curve_for_each_method_that_saw_no_others():
    def probed(method, seed, values):
        metrics = {f"{s}_few_labels_{n}_accuracy": v for n, v in values.items() for s in ("test", "validation")}
        return make_row(method, seed, **metrics)

    rows = [
        *(probed("autoencoder", seed, {1: 0.5 + seed / 100, 10: 0.8}) for seed in (0, 1)),
        probed("pixels", 0, {1: 0.4, 10: 0.7}),
        probed("supervised", 0, {1: 0.9, 10: 0.9}),
    ]
    (curves,) = label_curves(make_content(rows).settings)
    assert [curve.name for curve in curves.curves] == ["autoencoder", "pixels"]
    assert curves.sentence() == ""
    assert len(charts(labels(make_content(rows)).body)) == 1
    _, *body = cells(labels(make_content(rows)))
    assert [row[0] for row in body] == ["1", "10"]
    assert labels(make_content([make_row(test_probe_accuracy=0.9)])) is None
    # A single number of labels is no curve.
    assert label_curves(make_content([probed("autoencoder", 0, {1: 0.5})]).settings) == []


# Layers.


def test_layers_stand_in_their_order_beside_the_features():
    metrics = {"test_probe_accuracy": 0.9, "validation_probe_accuracy": 0.9}
    deep = {"test_encoder/Conv_0_probe_accuracy": 0.7, "test_latent_probe_accuracy": 0.8}
    config = {"evaluation.layers": ["encoder/Conv_0", "latent"]}
    rows = [
        *(make_row(seed=seed, config=config, **metrics, **deep) for seed in (0, 1)),
        make_row("pixels", config=config, **metrics),
    ]
    heading, *body = cells(layers(make_content(rows)))
    assert heading == ["setting", "encoder/Conv_0", "latent", "features"]
    assert [[float(cell.split()[0]) for cell in row[1:]] for row in body] == [[70, 80, 90]]
    assert layers(make_content([make_row(config=config, **metrics)])) is None


# Rate and distortion.


def coded(beta, seed, rate, distortion, active=3.0):
    names = ("mutual_information", "total_correlation", "dimension_wise_kl", "effective_rank")
    metrics = {"rate": rate, "distortion": distortion, "active_units": active, "collapsed": float(active == 0)}
    metrics |= dict.fromkeys(names, 1.0)
    return make_row(
        seed=seed,
        config={"autoencoder.beta": beta},
        **{f"{split}_{name}": value for split in ("validation", "test") for name, value in metrics.items()},
    )


def test_rate_and_distortion_are_drawn_in_the_order_of_their_rates_and_collapse_is_said():
    rows = [
        *(coded(4.0, seed, 10.0 + seed, 90.0) for seed in (0, 1)),
        *(coded(1.0, seed, 25.0, 70.0) for seed in (0, 1)),
        *(coded(100.0, seed, 0.0, 200.0, active=float(seed)) for seed in (0, 1)),
    ]
    section = codes(make_content(rows))
    assert section.title == "Rate and distortion"
    (chart,) = charts(section.body)
    tips = [(point["setting"], point["x"], point["y"]) for point in chart.points if "setting" in point]
    assert tips == [("beta 100", 0, 200), ("beta 4", 10.5, 90), ("beta 1", 25, 70)]
    assert "no unit is active in 1 of 6 members" in section.body
    assert "1 of 2" in section.body
    assert codes(make_content([fit(8, 0, 0.1, 0.2, 0.9)])) is None
