"""Quality against cost, and the history of a search."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aejax.report.embed import figures
from aejax.report.sections.pareto import pareto_front, quality_against_cost
from aejax.report.sections.search import history_charts
from aejax.store.trials import Trial, best_so_far
from tests.report.rows import cells, charts, make_content, make_row

POINTS = st.lists(st.tuples(st.integers(1, 6), st.integers(-3, 3)), min_size=1, max_size=20)


@given(POINTS, st.booleans())
def test_nothing_dominates_a_point_on_the_front_and_something_every_point_off_it(points, higher_is_better):
    front = pareto_front(*zip(*points, strict=True), higher_is_better)
    sign = 1 if higher_is_better else -1

    def dominates(other, point):
        no_worse = other[0] <= point[0] and sign * other[1] >= sign * point[1]
        return no_worse and other != point

    for index, point in enumerate(points):
        assert any(dominates(other, point) for other in points) == (index not in front)
    assert len(set(front)) == len(front)
    costs = [points[index][0] for index in front]
    assert costs == sorted(costs)


def trained(size, seconds, accuracy, method="autoencoder", **kwargs):
    metrics = {} if kwargs.get("status") else {"validation_probe_accuracy": accuracy, "test_probe_accuracy": accuracy}
    cost = {"train_seconds": seconds, "parameters": 1000 * size}
    return make_row(method, config={"autoencoder.latent_size": size}, cost=cost, **metrics, **kwargs)


SETTINGS = [
    trained(4, 1.0, 0.6),
    trained(8, 2.0, 0.5),  # Dominated.
    trained(16, 3.0, 0.8),
    trained(32, 0.5, 0.9, status="diverged"),
    make_row("pixels", validation_probe_accuracy=0.7, test_probe_accuracy=0.7),
]


def test_the_front_is_named_in_chart_and_table_without_what_diverged():
    section = quality_against_cost(make_content(SETTINGS))
    seconds, _ = charts(section.body)  # And parameters; no TFLOP were recorded.
    marks = {(point["setting"], point["x"], point["y"]) for point in seconds.of("autoencoder")}
    assert marks == {(f"autoencoder · latent_size {n}", x, y) for n, x, y in ((4, 1, 60), (8, 2, 50), (16, 3, 80))}
    assert [(point["x"], point["y"]) for point in seconds.of("Pareto front")] == [(1, 60), (3, 80), (3, 80)]
    assert [point["y"] for point in seconds.of("pixels, free")] == [70, 70]
    heading, *rows = cells(section)
    assert heading[:4] == ["measure", "setting", "on the front of", "seconds"]
    assert [row[1].split(" · ")[1] for row in rows] == ["latent_size 4", "latent_size 16"]
    assert rows[0][2:6] == ["seconds, parameters", "1", "", "4,000"]


def test_costs_that_are_not_the_whole_and_other_validation_images_are_left_out():
    fine_tuned = trained(4, 0.1, 0.99, method="fine_tuned")
    few = trained(4, 0.1, 0.99, method="supervised")
    few["config"]["fine_tuning.labels_per_class"] = 10
    _, *rows = cells(quality_against_cost(make_content([*SETTINGS, fine_tuned, few])))
    assert {row[1].split(" · ")[0] for row in rows} == {"autoencoder"}
    supervised = trained(4, 0.1, 0.99, method="supervised")
    _, *rows = cells(quality_against_cost(make_content([*SETTINGS, supervised])))
    assert [row[1].split(" · ")[0] for row in rows] == ["supervised"]


def test_there_is_no_front_of_two_settings_or_of_one_cost():
    assert quality_against_cost(make_content(SETTINGS[:2])) is None
    same = [row | {"cost": {"train_seconds": 1.0}} for row in SETTINGS]
    assert quality_against_cost(make_content(same)) is None


TRIALS = [Trial(0, 0, None, 5.0), Trial(2, 0, 0.4, 10.0), Trial(1, 1, 0.2, 30.0), Trial(3, 0, 0.3, 10.0)]


@pytest.mark.parametrize(("maximize", "best"), [(True, [None, 0.4, 0.4, 0.4]), (False, [None, 0.4, 0.2, 0.2])])
def test_the_best_so_far_only_gets_better(maximize, best):
    assert best_so_far(TRIALS, maximize=maximize) == best


def test_a_search_is_drawn_by_number_and_by_the_seconds_of_all_trials_in_colors_of_their_rungs():
    by_number, by_seconds = charts(figures(history_charts(TRIALS, "validation MSE", maximize=False)))
    for chart, places in ((by_number, (2, 3, 1, 0)), (by_seconds, (15, 55, 45, 5))):
        marks = [
            (point["series"], point["trial"], point.get("y"), point["x"]) for point in chart.points if "trial" in point
        ]
        expected = [("rung 0", 2, 0.4), ("rung 0", 3, 0.3), ("rung 1", 1, 0.2), ("diverged", 0, None)]
        assert marks == [(*mark, place) for mark, place in zip(expected, places, strict=True)]
    # By number trial 1 comes before 2 and 3, and stays the best.
    assert [point["y"] for point in by_number.of("best so far")] == [0.2] * 3
    assert [point["y"] for point in by_seconds.of("best so far")] == [0.4, 0.2, 0.2]
    assert history_charts([Trial(0, 0, None, 5.0)], "validation MSE", maximize=False) == []
