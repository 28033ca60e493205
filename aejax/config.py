"""The machinery of configs: typed, frozen, and split into what is compiled and what may vary within a population.

A config is a frozen keyword-only dataclass whose fields are plain values or further configs (*parts*). A part with
several alternatives is a union whose members are told apart by a literal field `kind`. Everything that comes from a
file, a flag or JSON passes one gate, `load`, which checks types strictly and refuses fields it does not know.
"""

import dataclasses
import difflib
import functools
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar, cast

import pydantic
from pydantic import Field

from aejax.errors import ConfigError

Config = TypeVar("Config")

PositiveInt = Annotated[int, Field(gt=0, lt=2**31)]  # Devices count with 32 bits.
NonNegativeInt = Annotated[int, Field(ge=0, lt=2**31)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
OpenRate = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


def traced(default: Any) -> Any:
    """Declares a field that may differ between the members of one population without another compilation."""
    return dataclasses.field(default=default, metadata={"traced": True})


def optional_part(**unsaid: Any) -> Any:
    """Declares a part that is null by default; an object that `override` sets it to has these values unless it says."""
    return dataclasses.field(default=None, metadata={"unsaid": unsaid})


class Hidden:
    """Stands for a traced field in the static part of a config; any use of it raises, naming the field.

    Without it, code that reads a traced field outside the compiled function would silently use one member's value.
    """

    def __init__(self, path: str):
        self.path = path

    def __repr__(self) -> str:
        return f"<traced {self.path}>"

    def __hash__(self) -> int:
        return hash((Hidden, self.path))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Hidden):
            return self.path == other.path
        return False if other is None else self._refuse()

    def _refuse(self, *_: Any) -> Any:
        raise TypeError(
            f"'{self.path}' is traced: it differs between members, so it has no value outside the compiled function"
        )

    __bool__ = __float__ = __int__ = __index__ = __array__ = __iter__ = __len__ = __call__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __pow__ = __rpow__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __neg__ = __abs__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __format__ = _refuse


def partition(config: Config) -> tuple[Config, dict[str, Any]]:
    """Returns (static, traced): the config with its traced fields hidden, and their values by path.

    `static` is hashable and keys a compiled program. A traced field that is None stays in `static`, so a population
    never mixes members that have a value with members that have none.
    """
    values: dict[str, Any] = {}

    def hide(part: Any, prefix: str) -> Any:
        changes: dict[str, Any] = {}
        for field in dataclasses.fields(part):
            value, path = getattr(part, field.name), prefix + field.name
            if dataclasses.is_dataclass(value):
                changes[field.name] = hide(value, path + ".")
            elif "traced" in field.metadata and value is not None:
                values[path] = value
                changes[field.name] = Hidden(path)
        return dataclasses.replace(part, **changes)

    return hide(config, ""), values


def combine(static: Config, values: Mapping[str, Any]) -> Config:
    """Returns the config that `partition` split: `values` may be numbers, or tracers inside a compiled function."""

    def fill(part: Any) -> Any:
        changes: dict[str, Any] = {}
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            if dataclasses.is_dataclass(value):
                changes[field.name] = fill(value)
            elif isinstance(value, Hidden):
                changes[field.name] = values[value.path]
        return dataclasses.replace(part, **changes)

    return fill(static)


def to_tree(config: Any) -> dict[str, Any]:
    """Returns the config as the plain tree that JSON would hold (tuples become lists)."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (dotted path, value) for every leaf of a config tree, in the order of the fields."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def unflatten(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the tree of which these are the leaves by dotted path: what `flatten` undoes."""
    tree: dict[str, Any] = {}
    for path, value in fields.items():
        *parents, name = path.split(".")
        part = tree
        for parent in parents:
            part = part.setdefault(parent, {})
        part[name] = value
    return tree


def departures(config: Any) -> dict[str, Any]:
    """Returns the tree of what differs from the defaults, and the kind of every part in it."""
    default, tree = type(config)(), {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name == "kind" or value != getattr(default, field.name):
            tree[field.name] = departures(value) if dataclasses.is_dataclass(value) else value
    return tree


def config_id(config: Any) -> str:
    """Returns 12 hexadecimal digits that name the config: equal configs, and only those, share them.

    They are made of what differs from the defaults, so a field that a later version adds leaves them as they are.
    """
    text = json.dumps(departures(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@functools.cache
def _adapter(cls: Any) -> pydantic.TypeAdapter:
    return pydantic.TypeAdapter(cls)


def load(cls: type[Config], tree: Mapping[str, Any]) -> Config:
    """Returns the config that a tree describes. The one gate: strict types, no unknown fields.

    Raises:
      ConfigError: naming the first field that is wrong, in one line.
    """
    try:
        return _adapter(cast(Any, cls)).validate_json(json.dumps(tree), strict=True, extra="forbid")
    except pydantic.ValidationError as error:
        raise ConfigError(_describe(error.errors()[0], tree)) from None


def override(config: Config, changes: Mapping[str, Any]) -> Config:
    """Returns the config with the values at some dotted paths replaced, checked by the gate after each of them.

    A part set to a bare name becomes that kind with its defaults (`{"optimizer": "sgd"}`); later paths refine it.

    Raises:
      ConfigError: for a path that does not exist (naming the nearest), a wrong type or a wrong choice.
    """
    for path, value in changes.items():
        tree = to_tree(config)
        *parents, name = path.removesuffix(".kind").split(".")
        part = tree
        for depth, parent in enumerate(parents):
            if parent in part and part[parent] is None:
                missing = ".".join(parents[: depth + 1])
                raise ConfigError(f"{path}: {missing} is null and has no fields; set it as a whole, to an object")
            if not isinstance(part.get(parent), dict):
                raise ConfigError(_unknown(path, tree))
            part = part[parent]
        if name not in part or (path.endswith(".kind") and "kind" not in part[name]):
            raise ConfigError(_unknown(path, tree))
        chooses_kind = isinstance(part[name], dict) and "kind" in part[name] and not isinstance(value, dict)
        if isinstance(value, dict):
            value = _unsaid(config, parents, name) | value
        part[name] = {"kind": value} if chooses_kind else value
        config = load(type(config), tree)
    return config


def _unsaid(config: Any, parents: Iterable[str], name: str) -> dict[str, Any]:
    """Returns the values of an `optional_part` that an object need not say; none of another field."""
    part = functools.reduce(getattr, parents, config)
    fields = dataclasses.fields(part) if dataclasses.is_dataclass(part) else ()
    return next((field.metadata.get("unsaid", {}) for field in fields if field.name == name), {})


def parse_value(text: str) -> Any:
    """Returns the value that a flag's text stands for: JSON where it is JSON, else a number, else the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    try:
        return float(text)  # What JSON refuses: .5, 1., nan, inf. The gate decides whether the field wants it.
    except ValueError:
        return text


def parse_assignment(text: str, flag: str) -> tuple[str, str]:
    """Returns (path, text of the value) of `path=value`, as the flags `--set` and `--sweep` take it."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip() or not value.strip():
        raise ConfigError(f"{flag}={text}: expected path=value, for example {flag}=optimizer.learning_rate=3e-4")
    return path.strip(), value.strip()


def _unknown(path: str, tree: Mapping[str, Any]) -> str:
    fields = [name for name, _ in flatten(tree)]
    parts = {name.rsplit(".", depth)[0] for name in fields for depth in range(1, name.count(".") + 1)}
    known = sorted(parts.union(name for name in fields if not name.endswith(".kind")))
    # Both a misspelt path and a right name without its path ("learning_rate") should find their way home.
    same_name = [name for name in known if name.rsplit(".", 1)[-1] == path.rsplit(".", 1)[-1]]
    return f"unknown field '{path}'{_suggest(path, known, same_name)}"


def _suggest(given: str, known: list[str], first: list[str] | None = None) -> str:
    nearest = first or difflib.get_close_matches(given, known, n=1, cutoff=0.4)
    return f"; did you mean '{nearest[0]}'?" if nearest else ""


def _describe(error: Any, tree: Any) -> str:
    """Returns one line for a pydantic error, with the path as the user knows it."""
    names: list[str] = []
    for step in error["loc"]:
        if isinstance(tree, Mapping) and step not in tree and step == tree.get("kind"):
            continue  # The tag of a union, which is no field of the config.
        tree = tree[step] if isinstance(tree, list | Mapping) and _has(tree, step) else None
        names.append(str(step))
    path, given, kind = ".".join(names), error["input"], error["type"]
    if kind == "unexpected_keyword_argument":
        return f"unknown field '{path}'"
    if kind in ("union_tag_invalid", "literal_error"):
        choices = re.findall(r"'([^']*)'", error["ctx"].get("expected_tags") or error["ctx"]["expected"])
        tag = error["ctx"]["tag"] if kind == "union_tag_invalid" else given
        hint = _suggest(str(tag), choices)
        return f"{path.removesuffix('.kind')}: unknown choice {tag!r}{hint} (choices: {', '.join(choices)})"
    if isinstance(given, float) and not math.isfinite(given):
        return f"{path}: should be a finite number, got {given}"
    message = error["msg"].removeprefix("Input ")
    return f"{path}: {message}, got {given!r}"


def _has(tree: Any, step: Any) -> bool:
    return step in tree if isinstance(tree, Mapping) else isinstance(step, int) and step < len(tree)
