"""Sweeps: lists of overrides, what they expand to, and how the configs group into populations.

An override is a mapping from dotted paths to values; a sweep is a list of them, one for each point. The combinators
below take and return such lists, so they compose:

    product(grid("optimizer.learning_rate", [1e-4, 1e-3]), grid("seed", range(5)))
"""

import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from aejax.config import config_id, override, partition, share_parts
from aejax.errors import ConfigError
from aejax.flag_values import parse_assignment, parse_value

LABEL = "label"  # The key of a point that is no field: what to call its settings.
MOST = 10_000  # Members of a study that one command asks for, and trials of a search.

Override = Mapping[str, Any]
Sweep = list[Override]


def grid(path: str, values: Iterable[Any]) -> Sweep:
    """Returns one point for each value of one field; numpy's numbers are taken as Python's."""
    return [{path: value.item() if isinstance(value, np.generic) else value} for value in values]


def part(path: str, kind: str, fields: Mapping[str, Any]) -> Override:
    """Returns the override that chooses a whole part of the config by its kind, and refines fields of it."""
    return {path: kind} | {f"{path}.{name}": value for name, value in fields.items()}


def labelled(label: str, point: Override) -> Override:
    """Returns a point whose settings tables and reports call by a label, in the place of the fields that it sets.

    It changes no config. Points that differ by more than the label are called by that too, and where two labelled
    points are combined, by both labels.
    """
    return {LABEL: label, **point}


def product(*sweeps: Sweep) -> Sweep:
    """Returns every combination of the points, the last sweep varying fastest.

    Raises:
      ConfigError: if two sweeps set the same field, or if there are more than `MOST`.
    """
    num = math.prod(map(len, sweeps))
    if num > MOST:
        raise ConfigError(f"{' x '.join(str(len(sweep)) for sweep in sweeps)} points are {num}, and {MOST} is the most")
    points: Sweep = [{}]
    for sweep in sweeps:
        points = [_merge(left, right) for left in points for right in sweep]
    return points


def zip_together(*sweeps: Sweep) -> Sweep:
    """Returns the first points merged, then the second, and so on.

    Raises:
      ConfigError: if the sweeps differ in length or two set the same field.
    """
    if len({len(sweep) for sweep in sweeps}) > 1:
        raise ConfigError(f"zip_together: sweeps of different lengths, {[len(sweep) for sweep in sweeps]}")
    points: Sweep = []
    for row in zip(*sweeps, strict=True):
        points += product(*([point] for point in row))
    return points


def chain(*sweeps: Sweep) -> Sweep:
    """Returns the points of the first sweep, then those of the second, and so on."""
    return [point for sweep in sweeps for point in sweep]


def random_draws(num: int, draws: Mapping[str, Callable[[np.random.Generator], Any]], seed: int = 0) -> Sweep:
    """Returns `num` points; each field is drawn by its function of a numpy generator, the same for the same seed."""
    generator = np.random.default_rng(seed)
    return [{path: draw(generator) for path, draw in draws.items()} for _ in range(num)]


def log_uniform(low: float, high: float) -> Callable[[np.random.Generator], float]:
    """Returns a draw for `random_draws` whose logarithm is uniform between those of `low` and `high`."""
    return lambda generator: float(np.exp(generator.uniform(np.log(low), np.log(high))))


def parse_sweep(text: str) -> Sweep:
    """Returns the sweep that a flag `--sweep path=value,value,...` stands for.

    Commas inside brackets or quotes do not separate.

    Raises:
      ConfigError: if there is no path, no value, or an empty one.
    """
    path, values = parse_assignment(text, "--sweep")
    if path == LABEL:
        raise ConfigError(f"--sweep={text}: a label is no field; an experiment's sweep gives it (sweeps.labelled)")
    items, depth = [""], 0
    for token in re.findall(r'"(?:[^"\\]|\\.)*"|.', values, re.DOTALL):
        depth += (token in "[{") - (token in "]}")
        if token == "," and depth == 0:
            items.append("")
        else:
            items[-1] += token
    if not all(item.strip() for item in items):
        raise ConfigError(f"--sweep={text}: an empty value; expected path=value,value,...")
    return grid(path, [parse_value(item.strip()) for item in items])


def swept_fields(sweep: Sweep) -> set[str]:
    """Returns the paths that a sweep sets."""
    return {path for point in sweep for path in fields_of(point)}


def fields_of(point: Override) -> Override:
    """Returns a point without its label."""
    return {path: value for path, value in point.items() if path != LABEL}


def expand(config: Any, sweep: Sweep) -> list[Any]:
    """Returns the config of every point, each checked by the gate; points that give the same config are one member."""
    return list(expand_with_labels(config, sweep))


def expand_with_labels(config: Any, sweep: Sweep) -> dict[Any, str]:
    """Returns the configs as `expand` does, each with the label of its point, which is empty where it has none."""
    members = share_parts(override(config, fields_of(point)) for point in sweep)
    first: dict[str, tuple[Any, str]] = {}
    for member, point in zip(members, sweep, strict=True):
        first.setdefault(config_id(member), (member, _label_of(point)))
    return dict(first.values())


def _label_of(point: Override) -> str:
    label = point.get(LABEL, "")
    if not isinstance(label, str):
        raise ConfigError(f"the label of a point should be a text, got {label!r}")
    return label


@dataclasses.dataclass(frozen=True)
class Population:
    """Configs that differ in traced fields only: one compiled program trains them together."""

    static: Any
    members: tuple[Any, ...]


def group(configs: Sequence[Any]) -> list[Population]:
    """Returns the populations that the configs fall into, in order of first appearance."""
    members: dict[Any, list[Any]] = {}
    for config in configs:
        members.setdefault(partition(config)[0], []).append(config)
    return [Population(static, tuple(configs)) for static, configs in members.items()]


def _merge(left: Override, right: Override) -> Override:
    twice = sorted(set(fields_of(left)) & set(fields_of(right)))
    if twice:
        raise ConfigError(f"field '{twice[0]}' is swept twice")
    labels = [label for point in (left, right) if (label := _label_of(point))]
    return {**left, **right} | ({LABEL: " · ".join(labels)} if labels else {})
