"""Fields of configs that an earlier version had elsewhere: its paths still find them, and ids stay as they were."""

import dataclasses
import functools
import typing
from typing import Any


def moved(default: Any, was: str) -> Any:
    """Declares a field that an earlier version had one part further up, by the name `was`.

    Configs that were recorded then, flags and sweeps find it by its old path too, and ids are made of that.
    """
    return dataclasses.field(default=default, metadata={"was": was})


@functools.cache
def moved_fields(cls: Any) -> dict[str, str]:
    """Returns the fields of a class that were moved: the old name, in the part above -> the name."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return {field.metadata["was"]: field.name for field in fields if "was" in field.metadata}


@functools.cache
def _parts(cls: Any) -> dict[str, Any]:
    """Returns the parts of a config that are of one class, which alone have fields that were moved, by name."""
    return {name: part for name, part in typing.get_type_hints(cls).items() if dataclasses.is_dataclass(part)}


@functools.cache
def moved_paths(cls: Any) -> dict[str, str]:
    """Returns the dotted paths of fields that were moved: old -> now."""
    paths: dict[str, str] = {}
    for name, part in _parts(cls).items():
        paths |= {old: f"{name}.{new}" for old, new in moved_fields(part).items()}
        paths |= {f"{name}.{old}": f"{name}.{new}" for old, new in moved_paths(part).items()}
    return paths


def as_now(cls: Any, tree: Any) -> Any:
    """Returns a config's tree with its fields where they are now; what is no config's tree stays as it is."""
    if not isinstance(tree, dict):
        return tree
    tree = dict(tree)
    for name, part in _parts(cls).items():
        for old, new in moved_fields(part).items():
            if old in tree and isinstance(own := tree.get(name, {}), dict):
                tree[name] = own | {new: tree.pop(old)}
        if name in tree:
            tree[name] = as_now(part, tree[name])
    return tree
