"""What swept fields do, alone and together, from rows as their results.json would hold them."""

import numpy as np
import pytest

from aejax.measures.zoo import find_metric
from aejax.report.fields import logarithmic, trend
from aejax.report.sections.interactions import interaction, interactions
from aejax.report.sections.sweeps import effects
from tests.report.rows import charts, make_content, make_row

PROBE, MSE = find_metric("probe_accuracy"), find_metric("mse")


def member(config, accuracy, seed=0):
    if accuracy is None:
        return make_row(seed=seed, config=config, status="diverged")
    return make_row(seed=seed, config=config, validation_probe_accuracy=accuracy)


# Fields alone.


def test_every_member_is_a_point_and_those_that_diverged_are_crosses():
    rates = (0.001, 0.01, 0.1)
    rows = [member({"optimizer.learning_rate": r}, 0.9 - r, seed) for r in rates for seed in range(4)]
    rows += [member({"optimizer.learning_rate": 10.0}, None, seed) for seed in range(3)]
    body = effects(make_content(rows)).body
    (chart,) = charts(body)
    members = {(point["x"], point["seed"], point["setting"]) for point in chart.of("members")}
    assert members == {(r, seed, f"autoencoder · learning_rate {r}") for r in rates for seed in range(4)}
    assert len({point["member"] for point in chart.of("members")}) == 12
    assert [(point["x"], point["seed"], point["edge"]) for point in chart.of("diverged")] == [
        (10, seed, "bottom") for seed in range(3)
    ]
    chosen = [(point["setting"], point["x"], point["y"]) for point in chart.of("chosen")]
    assert chosen == [("autoencoder · learning_rate 0.001", 0.001, 89.9)]
    assert "By linear probe the best optimizer.learning_rate is 0.001, the smallest tried" in body
    # Every value that was tried stands on the axis, also where all diverged.
    assert chart.spec["encoding"]["x"]["axis"]["values"] == [0.001, 0.01, 0.1, 10]


def test_measures_that_share_an_edge_share_a_warning():
    rows = [
        make_row(config={"autoencoder.latent_size": size}, validation_probe_accuracy=size / 10, validation_mse=1 / size)
        for size in (2, 4, 8)
    ]
    body = effects(make_content(rows)).body
    assert body.count("the best may lie beyond") == 1
    assert "By linear probe, MSE the best autoencoder.latent_size is 8, the largest tried" in body


def test_a_number_that_others_lack_is_a_choice_beside_null_but_is_a_scale_where_there_are_several():
    rows = [member({"optimizer.clip_norm": norm}, 0.5) for norm in (None, 1.0)]
    assert "optimizer.clip_norm null" in effects(make_content(rows)).body
    rows += [member({"optimizer.clip_norm": 2.0}, 0.5)]
    (chart,) = charts(effects(make_content(rows)).body)
    assert {point["x"] for point in chart.of("members")} == {1, 2}
    assert len(chart.of("members")) == 2


def test_a_trend_has_the_mean_and_the_best_tenth_of_each_value():
    x, y = np.repeat([1.0, 2.0], 11), np.concatenate([np.arange(11.0), [-np.inf] * 10, [5.0]])
    high = trend(x, y, PROBE)
    assert high.x.tolist() == [1, 2]
    assert high.mean.tolist() == [5, 5]  # Of those that did not diverge.
    assert high.best.tolist() == [9, -np.inf]  # Of all.
    assert trend(x, -y, MSE).best.tolist() == [-9, np.inf]


def test_where_no_settings_share_a_value_a_trend_is_of_neighbors():
    x = np.random.default_rng(0).permutation(100.0 + np.arange(200))
    line = trend(x, 3 * x, PROBE)
    assert np.all(np.diff(line.x) > 0)
    assert line.mean == pytest.approx(3 * line.x)
    assert np.all(line.best > line.mean)
    assert len(line.x) <= 60


def test_an_axis_is_logarithmic_where_numbers_are_spread_so():
    assert logarithmic([1e-4, 1e-3, 1e-2])
    assert logarithmic([4, 8, 16, 32])
    assert not logarithmic(np.arange(10, 110, 10))
    assert not logarithmic(np.random.default_rng(0).uniform(0.001, 1, 100))
    assert not logarithmic([0.0, 0.1, 100.0])
    assert not logarithmic([4, 8])


# Fields together.


def test_additive_tables_have_no_interaction_and_a_swap_is_nothing_else():
    rows, columns = np.random.default_rng(0).normal(size=(5, 1)), np.random.default_rng(1).normal(size=(1, 4))
    assert interaction(rows + columns) == pytest.approx(0, abs=1e-12)
    assert interaction(np.array([[1.0, -1.0], [-1.0, 1.0]])) == pytest.approx(1)
    assert interaction(np.full((3, 3), 0.7)) == 0


def test_interaction_is_that_of_a_two_way_analysis_of_variance():
    table = np.random.default_rng(2).normal(size=(4, 3))
    mean, of_rows, of_columns = table.mean(), table.mean(1, keepdims=True), table.mean(0, keepdims=True)
    left = table - of_rows - of_columns + mean
    assert interaction(table) == pytest.approx(np.sum(left**2) / np.sum((table - mean) ** 2))


def test_missing_cells_add_no_interaction_and_too_many_leave_it_unknown():
    table = np.add.outer([1.0, 2.0, 4.0], [0.0, 3.0, 5.0])
    table[0, 0] = np.nan
    assert interaction(table) == pytest.approx(0, abs=1e-12)
    table[1:, 1:] = np.nan
    assert interaction(table) is None


def grid(accuracy, **more):
    """Rows of a grid of two fields, with an accuracy for each pair and two seeds around it."""
    return [
        member({"autoencoder.latent_size": size, "optimizer.learning_rate": rate} | more, value and value + off, seed)
        for size in (4, 8)
        for rate in (0.1, 0.2, 0.3)
        for seed, off in ((0, -0.01), (1, 0.01))
        for value in (accuracy(size, rate),)
    ]


def test_a_grid_is_a_table_of_the_best_of_what_else_varies_with_its_best_cell_marked():
    rows = grid(lambda size, rate: size / 10 - rate, **{"autoencoder.rate": 1})
    rows += grid(lambda size, rate: 0.05, **{"autoencoder.rate": 2})
    shown = charts(interactions(make_content(rows)).body)
    assert len(shown) == 3  # Of every pair of the three fields.
    chart = shown[2]  # What interacts most comes first.
    axes = [chart.spec["encoding"][axis]["title"] for axis in "yx"]
    assert axes == ["optimizer.learning_rate", "autoencoder.latent_size"]
    assert [(point["down"], point["across"], point["text"]) for point in chart.points] == [
        *(("0.1", "4", "30"), ("0.1", "8", "70 ★")),
        *(("0.2", "4", "20"), ("0.2", "8", "60")),
        *(("0.3", "4", "10"), ("0.3", "8", "50")),
    ]
    assert chart.title == "linear probe %: interaction 0 %"
    assert [round(100 * point["shade"]) for point in chart.points] == [33, 100, 17, 83, 0, 67]


def test_a_cell_that_diverged_is_named_and_not_colored():
    rows = grid(lambda size, rate: None if (size, rate) == (8, 0.3) else size / 10 - rate)
    section = interactions(make_content(rows))
    (chart,) = charts(section.body)
    *_, (low, high) = [chart.points[row : row + 2] for row in (0, 2, 4)]
    assert (low["down"], low["text"], high["text"]) == ("0.3", "10", "diverged")
    assert [point["shade"] for point in chart.points].count(0) == 2  # It, and the worst.


def test_no_table_is_made_of_fields_swept_one_after_the_other():
    rows = [member({"autoencoder.latent_size": size, "optimizer.learning_rate": 0.1}, 0.5) for size in range(1, 20)]
    rows += [member({"autoencoder.latent_size": 1, "optimizer.learning_rate": r / 100}, 0.5) for r in range(1, 20)]
    assert interactions(make_content(rows)) is None
    assert interactions(make_content(rows[:5])) is None


def test_scattered_settings_are_points_the_best_of_the_strongest_color():
    random = np.random.default_rng(0)
    draws = random.uniform(0.1, 1, (30, 2)).round(4).tolist()
    rows = [
        member({"autoencoder.weight": a, "optimizer.learning_rate": b}, None if b > 0.9 else a * b) for a, b in draws
    ]
    (chart,) = charts(interactions(make_content(rows)).body)
    alive = [a * b for a, b in draws if b <= 0.9]
    assert len(chart.of("settings")) == len(alive)
    assert sum("crossed" in point for point in chart.of("diverged")) == 30 - len(alive) > 0
    (strongest,) = (point for point in chart.of("settings") if point["shade"] == 1)
    assert float(strongest["mean"]) == pytest.approx(100 * max(alive), rel=1e-3)
