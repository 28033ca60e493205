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
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeVar, cast

import pydantic
import pydantic_core
from pydantic import Field

from aejax import registry
from aejax.errors import ConfigError, shortened
from aejax.flag_values import SHOWN, TOO_DEEP
from aejax.moved import as_now, moved_fields, moved_paths

AnyConfig = TypeVar("AnyConfig")

PositiveInt = Annotated[int, Field(gt=0, lt=2**31)]  # Devices count with 32 bits.
NonNegativeInt = Annotated[int, Field(ge=0, lt=2**31)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
ClosedRate = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
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


def partition(config: AnyConfig) -> tuple[AnyConfig, dict[str, Any]]:
    """Returns (static, traced): the config with its traced fields hidden, and their values by path.

    `static` is hashable and keys a compiled program. A traced field that is None stays in `static`, so a population
    never mixes members that have a value with members that have none.
    """
    values: dict[str, Any] = {}

    def hide(part: Any, prefix: str) -> Any:
        changes: dict[str, Any] = {}
        for name, is_traced in _fields(part):
            value = getattr(part, name)
            if is_traced and value is not None:
                values[prefix + name] = value
                changes[name] = Hidden(prefix + name)
            elif hasattr(value, "__dataclass_fields__"):
                hidden = hide(value, f"{prefix}{name}.")
                if hidden is not value:
                    changes[name] = hidden
        return dataclasses.replace(part, **changes) if changes else part

    return hide(config, ""), values


def _fields(config: Any) -> tuple[tuple[str, bool], ...]:
    """Returns the name of every field of a config, and whether it is traced."""
    return _fields_of_class(cast(Any, type(config)))


@functools.cache
def _fields_of_class(cls: Any) -> tuple[tuple[str, bool], ...]:
    return tuple((field.name, "traced" in field.metadata) for field in dataclasses.fields(cls))


def combine(static: AnyConfig, values: Mapping[str, Any]) -> AnyConfig:
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

    return cast(AnyConfig, fill(static))


def outlasting(path: str, num: float, of: str, epochs: int, consequence: str) -> Iterator[str]:
    """Yields a warning if what the field at a path lets last `num` epochs outlasts training, whose field is `of`."""
    if 0 < epochs <= num:
        yield f"{path}={num:g} and {of}={epochs}: {consequence} before training ends"


def to_tree(config: Any) -> dict[str, Any]:
    """Returns the config as the plain tree that JSON would hold (tuples become lists)."""
    return cast(dict[str, Any], pydantic_core.to_jsonable_python(config))


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
    """Returns the tree of what differs from the defaults, with moved fields where they were, and kinds of parts."""
    default, tree = _default(cast(Any, type(config))), {}
    for name, _ in _fields(config):
        value = getattr(config, name)
        if name == "kind" or value != getattr(default, name):
            tree[name] = departures(value) if dataclasses.is_dataclass(value) else value
            up = {old: new for old, new in moved_fields(cast(Any, type(value))).items() if new in tree[name]}
            tree |= {old: tree[name].pop(new) for old, new in up.items()}
            if up and not tree[name]:
                del tree[name]
    return tree


@functools.cache
def _default(cls: Any) -> Any:
    return cls()


def config_id(config: Any) -> str:
    """Returns 12 hexadecimal digits that name the config: equal configs, and only those, share them.

    They are made of what differs from the defaults, so a field that a later version adds leaves them as they are.
    """
    text = json.dumps(departures(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@functools.lru_cache(maxsize=64)
def _adapter(cls: Any, kinds: int) -> pydantic.TypeAdapter[Any]:
    del kinds  # When others are added, what is known of the class is out of date.
    return pydantic.TypeAdapter(cls)


def load(cls: type[AnyConfig], tree: Mapping[str, Any]) -> AnyConfig:
    """Returns the config that a tree describes. The one gate: strict types, no unknown fields.

    Raises:
      ConfigError: naming the first field that is wrong, in one line.
    """
    try:
        tree = as_now(cls, tree)
        adapter = _adapter(cast(Any, cls), registry.version())
        return cast(AnyConfig, adapter.validate_json(json.dumps(tree), strict=True, extra="forbid"))
    except pydantic.ValidationError as error:
        raise ConfigError(_describe(error.errors(), tree)) from None
    except (TypeError, ValueError, RecursionError):
        raise ConfigError(_not_json(tree)) from None


def override(config: AnyConfig, changes: Mapping[str, Any]) -> AnyConfig:
    """Returns the config with the values at some dotted paths replaced, checked by the gate after each of them.

    A part set to a bare name becomes that kind with its defaults (`{"optimizer": "sgd"}`); later paths refine it.

    Raises:
      ConfigError: for a path that does not exist (naming the nearest), a wrong type or a wrong choice.
    """
    for path, value in changes.items():
        tree, path = to_tree(config), moved_paths(cast(Any, type(config))).get(path, path)
        *parents, name = path.removesuffix(".kind").split(".")
        part: Any = tree
        for parent in parents:
            part = part.get(parent) if isinstance(part, dict) else None
        old = part.get(name) if isinstance(part, dict) else None
        has_kind = isinstance(old, dict) and "kind" in old
        if not isinstance(part, dict) or name not in part or (path.endswith(".kind") and not has_kind):
            raise ConfigError(_unknown(path, config, tree))
        if isinstance(value, dict):
            value = _unsaid(config, parents, name) | value
        of_kinds = has_kind or (old is None and any(hasattr(cls, "kind") for cls in _may_be(config, path)))
        may_be_none = value is None and _is_optional(config, parents, name)
        part[name] = {"kind": value} if of_kinds and not (may_be_none or isinstance(value, dict)) else value
        config = load(type(config), tree)
    return config


def share_parts(configs: Iterable[AnyConfig]) -> list[AnyConfig]:
    """Returns the configs, in which equal parts are one object: those of a sweep take little more memory than one."""
    first: dict[Any, Any] = {}

    def shared(config: AnyConfig) -> AnyConfig:
        parts = {name: getattr(config, name) for name, _ in _fields(config)}
        own = {name: first.setdefault(part, part) for name, part in parts.items() if dataclasses.is_dataclass(part)}
        return cast(AnyConfig, dataclasses.replace(cast(Any, config), **own))

    return list(map(shared, configs))


def _unsaid(config: Any, parents: Sequence[str], name: str) -> dict[str, Any]:
    """Returns the values of an `optional_part` that an object need not say; none of another field."""
    unsaid: dict[str, Any] = _metadata(config, parents, name).get("unsaid", {})
    return unsaid


def _is_optional(config: Any, parents: Sequence[str], name: str) -> bool:
    return "unsaid" in _metadata(config, parents, name)


def _metadata(config: Any, parents: Sequence[str], name: str) -> Mapping[str, Any]:
    part = functools.reduce(lambda part, parent: getattr(part, parent, None), parents, config)
    fields = dataclasses.fields(part) if dataclasses.is_dataclass(part) else ()
    return next((field.metadata for field in fields if field.name == name), {})


# What other libraries call some choices and fields.
_ALSO_CALLED = {
    "bce": "bernoulli",
    "binary_cross_entropy": "bernoulli",
    "cross_entropy": "bernoulli",
    "latent_dim": "latent_size",
    "lr": "learning_rate",
    "mse": "mean_squared_error",
}


def _unknown(path: str, config: Any, tree: Mapping[str, Any]) -> str:
    """Returns the error of a path at which the config has no field, and where to look instead."""
    fields, parts = _fields_and_parts(tree)
    parent, _, name = path.rpartition(".")
    if parent in fields:
        if _may_be(config, parent):
            return f"{path}: {parent} is null and has no fields; set it as a whole, to an object"
        return f"unknown field '{path}'; '{parent}' is a value, without fields"
    kinds = [cls.kind for cls in _may_be(config, parent) if name in cls.__dataclass_fields__ and hasattr(cls, "kind")]
    if kinds:
        return f"unknown field '{path}': not of this {parent}, but of {parent}={', '.join(kinds)}; set that before it"
    meant = nearest_field(path, tree)
    if meant is not None:
        return f"unknown field '{path}'; did you mean '{meant}'?"
    if parent in parts:
        own = [field.rpartition(".")[2] for field in (*fields, *parts) if field.rpartition(".")[0] == parent]
        return f"unknown field '{path}'; {parent} has {', '.join(own)}"
    return f"unknown field '{path}'; see aejax train --help for all"


def nearest_field(path: str, tree: Mapping[str, Any]) -> str | None:
    """Returns the field or part of a config's tree that somebody may mean who writes an unknown path; None: no such.

    Both a misspelt path and a right name without its path ("learning_rate") should find their way home.
    """
    fields, parts = _fields_and_parts(tree)
    parent, _, name = path.rpartition(".")
    names = {field: field.rpartition(".")[2] for field in (*fields, *parts)}
    nearest = _nearest(name, list(names.values()))
    same = [field for field in names if names[field] == nearest]  # The first is of the main parts.
    return max(same, key=lambda field: _alike(parent, field), default=None)


def _fields_and_parts(tree: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Returns the dotted paths of what may be set in a config: its values, in the order of fields, and its parts."""
    paths = [path for path, _ in flatten(tree)]
    parts = {path.rsplit(".", depth)[0] for path in paths for depth in range(1, path.count(".") + 1)}
    return [path for path in paths if not path.endswith(".kind")], sorted(parts)


def _may_be(config: Any, path: str) -> list[Any]:
    """Returns the classes of configs that the part at a path may be of; none where it is a value, or where none is."""
    *parents, name = path.split(".")
    for parent in parents:
        config = getattr(config, parent, None)
    hint = typing.get_type_hints(type(config), include_extras=True).get(name)
    return list(registry.config_classes(hint))


def _alike(parent: str, field: str) -> float:
    """Returns how alike a path is to that of a field's parent; 0 unless they nearly are."""
    likeness = difflib.SequenceMatcher(None, parent, field.rpartition(".")[0]).ratio()
    return likeness if likeness > 0.6 else 0.0


def _nearest(given: str, names: list[str]) -> str | None:
    """Returns the known name closest to an unknown one, or None."""
    given = _ALSO_CALLED.get(given, given)
    return next(iter(difflib.get_close_matches(given, names, n=1, cutoff=0.75)), None)


def _describe(errors: list[Any], tree: Any) -> str:
    """Returns one line for the first of pydantic's errors, with the path as the user knows it."""
    error = errors[0]
    path, given, kind = _path(error["loc"], tree), error["input"], error["type"]
    shown = shortened(repr(given), SHOWN)
    if kind == "json_invalid":
        return _not_json(tree)
    if kind == "unexpected_keyword_argument":
        return f"unknown field '{path}'"
    if kind == "missing":
        return f"the field '{path}' is missing"
    if kind == "union_tag_not_found":
        return f"{path}: the field 'kind' is missing, got {shown}"
    others = [other for other in errors[1:] if _path(other["loc"], tree) == path]  # Of a union.
    if not others and kind in ("union_tag_invalid", "literal_error"):
        choices = re.findall(r"'([^']*)'", error["ctx"].get("expected_tags") or error["ctx"]["expected"])
        tag = error["ctx"]["tag"] if kind == "union_tag_invalid" else given
        nearest = _nearest(str(tag), choices)
        hint = "" if nearest is None else f"; did you mean '{nearest}'?"
        chosen = f"unknown choice {shortened(repr(tag), SHOWN)}{hint}"
        return f"{path.removesuffix('.kind')}: {chosen} (choices: {', '.join(choices)})"
    if isinstance(given, float) and not math.isfinite(given):
        return f"{path}: should be a finite number, got {given}"
    if kind == "tuple_type":
        return f'{path}: should be a list in brackets, such as [1, 2] or ["a", "b"], got {shown}'
    message = error["msg"].removeprefix("Input ").removeprefix("Value error, ")
    more = [other["msg"].removeprefix("Input should be ") for other in others]
    return f"{path}: {' or '.join([message, *more])}, got {shown}"


def _path(steps: Sequence[str | int], tree: Any) -> str:
    """Returns the dotted path of a place where pydantic found an error, without what is no field of the config."""
    names = []
    for step in steps:
        if isinstance(tree, list | tuple) and isinstance(step, int):
            tree = tree[step] if step < len(tree) else None
        elif not isinstance(tree, Mapping):
            break  # The alternatives of a union of values.
        elif step in tree or step != tree.get("kind"):
            tree = tree.get(step)
        else:
            continue  # The tag of a union of configs.
        names.append(str(step))
    return ".".join(names)


def _not_json(tree: Mapping[str, Any]) -> str:
    """Returns the error of a tree that is no JSON, or none that pydantic reads, with the field that is to blame."""
    try:
        for path, value in flatten(tree):
            try:
                pydantic_core.from_json(json.dumps(value, ensure_ascii=False).encode())
            except UnicodeEncodeError:
                return f"{path}: should be text, got bytes that are not UTF-8: {shortened(ascii(value), SHOWN)}"
            except TypeError:
                return f"{path}: should be of plain numbers, texts and lists, got {shortened(repr(value), SHOWN)}"
    except (ValueError, RecursionError):
        pass
    return f"{path}: {TOO_DEEP}"
