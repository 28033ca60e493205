import dataclasses
import functools
import json
from typing import Annotated, Literal

import jax
import pytest
from pydantic import Field

from aejax.config import (
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    combine,
    config_id,
    load,
    optional_part,
    override,
    partition,
    to_tree,
    traced,
)
from aejax.errors import ConfigError
from aejax.flag_values import parse_value


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slow:
    kind: Literal["slow"] = "slow"
    rate: PositiveFloat = traced(0.5)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fast:
    kind: Literal["fast"] = "fast"
    rate: PositiveFloat = traced(2.0)
    limit: PositiveFloat | None = traced(None)
    shape: Literal["round", "square"] = "round"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Root:
    seed: NonNegativeInt = traced(0)
    engine: Annotated[Slow | Fast, Field(discriminator="kind")] = Fast()
    single: Slow = Slow()
    spare: Annotated[Slow | Fast, Field(discriminator="kind")] | None = optional_part()
    widths: tuple[PositiveInt, ...] = (3, 4)


def test_override_reaches_nested_fields_and_converts_numbers():
    config = override(Root(), {"engine.rate": 1, "widths": [7]})
    assert config == Root(engine=Fast(rate=1.0), widths=(7,))
    assert type(config.engine.rate) is float  # An int would be another id for the same run.


def test_choosing_a_kind_resets_the_part_and_later_paths_refine_it():
    config = override(Root(engine=Fast(rate=9.0)), {"engine": "slow", "engine.rate": 0.1})
    assert config == Root(engine=Slow(rate=0.1))
    assert override(Root(), {"engine.kind": "slow"}) == Root(engine=Slow())
    assert override(Root(), {"single": "slow"}) == Root()
    assert override(Root(), {"engine": {"kind": "fast", "rate": 3.0}}) == Root(engine=Fast(rate=3.0))


def test_a_part_that_is_null_is_chosen_by_its_kind_and_left_out_again():
    config = override(Root(), {"spare": "fast", "spare.rate": 3})
    assert config == Root(spare=Fast(rate=3.0))
    assert override(config, {"spare": None}) == Root()
    with pytest.raises(ConfigError, match="spare"):
        override(Root(), {"spare": "slw"})
    with pytest.raises(ConfigError, match="engine"):
        override(Root(), {"engine": None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"engine.rat": 1.0}, "unknown field 'engine.rat'; did you mean 'engine.rate'?"),
        ({"limit": 1.0}, "unknown field 'limit'; did you mean 'engine.limit'?"),
        ({"seed.x": 1}, "unknown field 'seed.x'"),
        ({"widths.kind": 1}, "unknown field 'widths.kind'"),
        ({"engine": "fats"}, "engine: unknown choice 'fats'; did you mean 'fast'? (choices: slow, fast)"),
        ({"engine.shape": "oval"}, "engine.shape: unknown choice 'oval'"),
        ({"single": "fast"}, "single: unknown choice 'fast'"),
        ({"engine.rate": "quick"}, "engine.rate: should be a valid number, got 'quick'"),
        ({"engine.rate": float("nan")}, "engine.rate: should be a finite number"),
        ({"engine.rate": float("inf")}, "engine.rate: should be a finite number"),
        ({"engine.rate": -1.0}, "engine.rate: should be greater than 0, got -1.0"),
        ({"seed": 1.5}, "seed: should be a valid integer, got 1.5"),
        ({"seed": functools.reduce(lambda inner, _: [inner], range(300), 1)}, "seed: too many brackets"),
        ({"seed": True}, "seed: should be a valid integer, got True"),
        ({"widths": [1, -2]}, "widths.1: should be greater than 0, got -2"),
        ({"engine": {"kind": "fast", "speed": 1}}, "unknown field 'engine.speed'"),
    ],
)
def test_a_wrong_override_is_one_line_that_names_it(changes, message):
    with pytest.raises(ConfigError) as error:
        override(Root(), changes)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_gate_checks_what_python_built():
    with pytest.raises(ConfigError, match="seed"):
        load(Root, to_tree(Root(seed="zero")))


def test_json_round_trip_keeps_config_and_id():
    config = Root(engine=Slow(rate=0.25), widths=())
    again = load(Root, json.loads(json.dumps(to_tree(config))))
    assert again == config
    assert config_id(again) == config_id(config) != config_id(Root())


def test_a_field_that_a_later_version_adds_leaves_the_ids_of_configs_as_they_are():
    later = dataclasses.make_dataclass(
        "Later",
        [("brake", Slow, dataclasses.field(default=Slow(rate=0.125))), ("doors", int, dataclasses.field(default=4))],
        bases=(Root,),
        frozen=True,
        kw_only=True,
    )
    for changes in ({}, {"seed": 3}, {"engine": Slow()}, {"engine": Slow(rate=0.1)}, {"engine": Fast(limit=2.0)}):
        assert config_id(later(**changes)) == config_id(Root(**changes))
    ids = [config_id(config) for config in (later(), later(doors=5), later(brake=Slow()), later(brake=Slow(rate=2.0)))]
    assert len(set(ids)) == 4


def test_partition_and_combine_are_inverse_and_static_is_hashable():
    config = Root(seed=3, engine=Fast(rate=1.5))
    static, values = partition(config)
    assert values == {"seed": 3, "engine.rate": 1.5, "single.rate": 0.5}
    assert combine(static, values) == config
    assert hash(static) == hash(partition(Root(seed=4))[0])
    assert static == partition(Root(seed=4))[0]


def test_none_against_a_number_in_a_traced_field_is_another_static_part():
    assert partition(Root())[0] != partition(Root(engine=Fast(limit=1.0)))[0]


def test_combine_takes_tracers():
    static, values = partition(Root(engine=Fast(rate=1.5)))
    assert jax.jit(lambda values: combine(static, values).engine.rate * 2)(values) == 3.0


@pytest.mark.parametrize(
    "use",
    [
        lambda hidden: hidden + 1,
        lambda hidden: 2.0 * hidden,
        lambda hidden: hidden < 3,
        lambda hidden: hidden == 3,
        lambda hidden: bool(hidden),
        lambda hidden: float(hidden),
        lambda hidden: f"{hidden}",
        lambda hidden: jax.numpy.asarray(hidden),
    ],
)
def test_using_a_hidden_field_raises_and_names_it(use):
    static, _ = partition(Root())
    with pytest.raises(TypeError, match=r"engine\.rate"):
        use(static.engine.rate)


@pytest.mark.parametrize(
    ("text", "value"),
    [("3e-4", 3e-4), (".5", 0.5), ("3", 3), ("null", None), ("[1,2]", [1, 2]), ("relu", "relu"), ("true", True)],
)
def test_parse_value(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)
