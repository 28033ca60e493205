"""Kinds of parts by name (families, networks, likelihoods, ...): ours, and those that a user's own file adds.

A part is chosen in a config by its field `kind`. Its config class, a frozen dataclass with such a field, is either all
there is of it, as of a likelihood, or is read by the class that does the work, whose annotation `config` names it.
"""

import dataclasses
import hashlib
import inspect
import itertools
import pathlib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, Literal, NamedTuple, TypeVar, cast

import pydantic

from aejax.errors import ConfigError

Part = TypeVar("Part")

_versions = itertools.count()
_version = next(_versions)
_origins: dict[str, str | None] = {}


def version() -> int:
    """A number that changes whenever a kind is added anywhere: what is derived from all kinds is out of date then."""
    return _version


def origins() -> dict[str, str | None]:
    """The SHA-256 of each file from outside the package that added a kind, by its name; None of what was typed in."""
    return dict(_origins)


class Registry(Mapping[str, Part], Generic[Part]):
    """The parts of one sort by their kinds, in the order in which they were added.

    As metadata of an annotation it stands for a config of any of these kinds: `Annotated[Family, FAMILIES]`.
    """

    def __init__(self, sort: str, parts: Iterable[Part]):
        """Takes what a part is called in messages, and the parts that there are at first."""
        self.sort = sort
        self._parts: dict[str, Part] = {}
        self._configs: dict[str, type] = {}
        for part in parts:
            self.register(part)

    def register(self, part: Part) -> Part:
        """Adds a part under the kind of its config class, and returns it: it serves as a decorator.

        Raises:
          ConfigError: if it has no kind, or one that is taken.
        """
        configs = list(_config_classes(part))
        for config in configs:
            kind = getattr(config, "kind", None)
            if not isinstance(kind, str) or typing.get_type_hints(config).get("kind") != Literal[kind]:
                raise ConfigError(
                    f"{_source(config)}: {config.__name__} is no {self.sort}: its config class needs the field kind: "
                    'Literal["name"] = "name"'
                )
            if kind in self._configs:
                raise ConfigError(
                    f"{_source(config)}: there is a {self.sort} '{kind}' already, of {_source(self._configs[kind])}; "
                    "choose another kind, and register each once"
                )
        for config in cast(Any, configs):
            self._parts[config.kind], self._configs[config.kind] = part, config
        note_origin(part)
        return part

    def config(self, kind: str) -> Any:
        """The config class of a kind."""
        return self._configs[kind]

    @property
    def configs(self) -> tuple[type, ...]:
        """The config classes of all kinds."""
        return tuple(self._configs.values())

    def __getitem__(self, kind: str) -> Part:
        return self._parts[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    __eq__ = object.__eq__  # Annotations are compared and hashed with what they hold.
    __hash__ = object.__hash__

    def beside(self, *others: type) -> "ExtendedRegistry":
        """These kinds after others, whose config classes no part reads, such as that of none."""
        return ExtendedRegistry(self, others)

    def __get_pydantic_core_schema__(self, source: Any, handler: pydantic.GetCoreSchemaHandler) -> Any:
        return handler.generate_schema(_union(self.configs))


class ExtendedRegistry(NamedTuple):
    """The kinds of a registry and some others, as metadata of an annotation."""

    registry: Registry[Any]
    others: tuple[type, ...]

    @property
    def configs(self) -> tuple[type, ...]:
        """The config classes of all kinds."""
        return (*self.others, *self.registry.configs)

    def __get_pydantic_core_schema__(self, source: Any, handler: pydantic.GetCoreSchemaHandler) -> Any:
        return handler.generate_schema(_union(self.configs))


def config_classes(hint: Any) -> tuple[type, ...]:
    """The config classes that a field may have, by its annotation with extras; none where it is a plain value."""
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, Registry | ExtendedRegistry):
            return extra.configs
    if isinstance(hint, type):
        return (hint,) if dataclasses.is_dataclass(hint) else ()
    return tuple(itertools.chain.from_iterable(map(config_classes, typing.get_args(hint))))


def _union(configs: tuple[type, ...]) -> Any:
    """The type of a config that is of one of these classes, told apart by their kinds."""
    return typing.Annotated[typing.Union[configs], pydantic.Field(discriminator="kind")]  # noqa: UP007


def _config_classes(part: Any) -> Iterator[type]:
    """Yields the config classes that a part is made of: of a tuple, those of its first."""
    if isinstance(part, tuple):
        part = part[0]
    hint = typing.get_type_hints(part).get("config", part)
    yield from typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def note_origin(part: Any) -> None:
    """Notes the file from outside the package, if it is from there, that adds a class, or a function."""
    global _version
    _version = next(_versions)
    part = part[0] if isinstance(part, tuple) else getattr(part, "func", part)
    if _is_ours(part):
        return
    try:
        _origins[_source(part)] = hashlib.sha256(pathlib.Path(inspect.getfile(part)).read_bytes()).hexdigest()
    except (TypeError, OSError):  # There is no file: a notebook, or what somebody typed.
        _origins[_source(part)] = None


def _source(cls: Any) -> str:
    """Where a class is defined: our module, or the name of a file of the user's."""
    if _is_ours(cls):
        return str(cls.__module__)
    try:
        return pathlib.Path(inspect.getfile(cls)).name
    except TypeError:
        return f"<{cls.__module__}>"


def _is_ours(cls: Any) -> bool:
    return bool(cls.__module__.partition(".")[0] == __name__.partition(".")[0])
