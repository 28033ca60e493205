import math

import numpy as np
import pytest

from aejax import sweep
from aejax.errors import ConfigError
from aejax.experiment import Config


def test_product_varies_the_last_sweep_fastest():
    points = sweep.product(sweep.grid("a", [1, 2]), sweep.grid("b", [3, 4]))
    assert points == [{"a": 1, "b": 3}, {"a": 1, "b": 4}, {"a": 2, "b": 3}, {"a": 2, "b": 4}]


def test_zip_and_chain():
    left, right = sweep.grid("a", [1, 2]), sweep.grid("b", [3, 4])
    assert sweep.zip_together(left, right) == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]
    assert sweep.chain(left, right) == [{"a": 1}, {"a": 2}, {"b": 3}, {"b": 4}]
    with pytest.raises(ConfigError, match="different lengths"):
        sweep.zip_together(left, sweep.grid("b", [3]))


def test_numbers_of_numpy_pass_the_gate():
    configs = sweep.expand(Config(), sweep.grid("autoencoder.latent_size", np.array([8, 16])))
    assert [config.autoencoder.latent_size for config in configs] == [8, 16]


def test_a_field_swept_twice_is_refused():
    with pytest.raises(ConfigError, match="'a' is swept twice"):
        sweep.product(sweep.grid("a", [1]), sweep.grid("a", [2]))


def test_random_draws_are_a_function_of_the_seed():
    draws = {"a": sweep.log_uniform(1e-4, 1e-2)}
    points = sweep.random_draws(50, draws, seed=1)
    assert points == sweep.random_draws(50, draws, seed=1) != sweep.random_draws(50, draws, seed=2)
    assert all(1e-4 <= point["a"] <= 1e-2 for point in points)
    below = sum(math.log10(point["a"]) < -3 for point in points)
    assert 10 < below < 40  # Uniform in the logarithm: about half.


def test_parse_sweep_splits_outside_brackets_only():
    assert sweep.parse_sweep("a=1,2e-3,relu") == [{"a": 1}, {"a": 2e-3}, {"a": "relu"}]
    assert sweep.parse_sweep("w=[1,2],[3]") == [{"w": [1, 2]}, {"w": [3]}]
    assert sweep.parse_sweep('n="a,b]",c,"\\"["') == [{"n": "a,b]"}, {"n": "c"}, {"n": '"['}]


@pytest.mark.parametrize("text", ["a", "a=", "=1", "a=1,,2", "a=1,"])
def test_an_empty_sweep_is_refused(text):
    with pytest.raises(ConfigError, match="--sweep"):
        sweep.parse_sweep(text)


def test_expand_drops_configs_that_are_the_same():
    points = sweep.product(sweep.grid("optimizer.learning_rate", [1e-3, 0.001]), sweep.grid("seed", range(2)))
    assert [config.seed for config in sweep.expand(Config(), points)] == [0, 1]


def test_group_splits_by_static_part_only():
    rates = sweep.grid("optimizer.learning_rate", [1e-3, 1e-2])
    points = sweep.product(sweep.grid("optimizer", ["adam", "sgd"]), rates, sweep.grid("seed", range(3)))
    populations = sweep.group(sweep.expand(Config(), points))
    assert [len(population.members) for population in populations] == [6, 6]
    assert {population.members[0].optimizer.kind for population in populations} == {"adam", "sgd"}
    widths = sweep.grid("autoencoder.latent_size", [8, 16])
    assert len(sweep.group(sweep.expand(Config(), widths))) == 2


def test_a_part_is_chosen_then_refined():
    assert sweep.part("a", "x", {"k": 3, "b.c": []}) == {"a": "x", "a.k": 3, "a.b.c": []}


def test_the_members_of_a_sweep_share_what_they_have_in_common():
    """So that ten thousand of them fit into memory."""
    first, second = sweep.expand(Config(), sweep.grid("optimizer.learning_rate", [1e-3, 1e-2]))
    for part in ("autoencoder", "data", "evaluation", "generation", "training"):
        assert getattr(first, part) is getattr(second, part)
    assert (first.optimizer.learning_rate, second.optimizer.learning_rate) == (1e-3, 1e-2)


def test_a_label_names_points_and_changes_no_config():
    moved = sweep.labelled("moved images", {"training.epochs": 3})
    points = sweep.chain([moved], sweep.grid("training.epochs", [5]))
    points = sweep.product(points, sweep.grid("seed", [0, 1]))
    assert sweep.swept_fields(points) == {"training.epochs", "seed"}
    found = sweep.expand_with_labels(Config(), points)
    assert list(found.values()) == ["moved images", "moved images", "", ""]
    plain = sweep.product(sweep.grid("training.epochs", [3, 5]), sweep.grid("seed", [0, 1]))
    assert list(found) == sweep.expand(Config(), points) == sweep.expand(Config(), plain)


def test_labels_of_combined_points_are_combined():
    left, right = (sweep.labelled(name, {name: 1}) for name in ("a", "b"))
    assert sweep.product([left], [right]) == [{"a": 1, "b": 1, "label": "a · b"}]
    with pytest.raises(ConfigError, match="field 'a' is swept twice"):
        sweep.product([left], [left])
    with pytest.raises(ConfigError, match="label of a point should be a text, got 3"):
        sweep.expand(Config(), [{"label": 3}])
