"""The fields of a config as the code has them: defaults, types, what may vary in a population, and their comments."""

import ast
import dataclasses
import functools
import inspect
import textwrap
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from aejax.config import to_tree
from aejax.registry import config_classes

_LARGEST = 2**31  # What devices count with; no bound that a reader asks for.


class FieldWords(NamedTuple):
    """A field: its name, its default and type as text, whether it is traced, and what the code says of it."""

    name: str
    default: str
    type: str
    traced: bool
    comment: str


def describe(cls: Any) -> list[FieldWords]:
    """The fields of a config's class in their order, its own before those of its bases; `kind` is left out."""
    hints = typing.get_type_hints(cls, include_extras=True)
    comments: dict[str, str] = {}
    declared: dict[str, int] = {}  # How far up.
    for depth, base in enumerate(cls.__mro__):
        if dataclasses.is_dataclass(base):
            comments = _comments(base) | comments
            declared |= dict.fromkeys(inspect.get_annotations(base), depth)
    return [
        FieldWords(
            field.name,
            show(field.default),
            _show_type(hints[field.name]),
            "traced" in field.metadata,
            comments.get(field.name, ""),
        )
        for field in sorted(dataclasses.fields(cls), key=lambda field: declared[field.name])
        if field.name != "kind"
    ]


def to_rows(fields: Sequence[FieldWords]) -> list[list[str]]:
    """The cells of a table of fields, a row each, below its header."""
    rows = [["field", "default", "what it is"]]
    for field in fields:
        values = f"{field.type}; may vary within a population" if field.traced else field.type
        rows.append([f"`{field.name}`", f"`{field.default}`", f"{field.comment} ({values})".strip()])
    return rows


def to_markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first row is its header."""
    header, *rest = (["\\|".join(cell.split("|")) for cell in row] for row in rows)
    lines = [header, ["---"] * len(header), *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def show(value: Any) -> str:
    """A value as a flag spells it; of a part its kind, and what differs from that kind's defaults."""
    if value is dataclasses.MISSING:
        return "required"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if not hasattr(value, "kind"):
            return "an object"
        default, own = to_tree(type(value)()), to_tree(value)
        others = ", ".join(f"{name}={show(own[name])}" for name in own if own[name] != default[name])
        return f"{value.kind} ({others})" if others else str(value.kind)
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(show, value))}]"
    if callable(value):
        return "a function"
    if value == "":
        return '""'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _show_type(hint: Any) -> str:
    """A field's type in words: the choices, kinds or numbers that it may be."""
    classes = [cls for cls in config_classes(hint) if cls is not types.NoneType]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = [_show_type(option) for option in typing.get_args(hint) if option is not types.NoneType]
        return " or ".join([*options, *["`null`"] * (types.NoneType in typing.get_args(hint))])
    if classes:
        return ", ".join(f"`{getattr(cls, 'kind', cls.__name__)}`" for cls in classes)
    if typing.get_origin(hint) is Literal:
        return ", ".join(f"`{show(choice)}`" for choice in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        return f"list of {_show_type(typing.get_args(hint)[0])}"
    if typing.get_origin(hint) is typing.Annotated:
        value, *extras = typing.get_args(hint)
        signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
        limits = [limit for extra in extras for limit in getattr(extra, "metadata", ())]
        bounds = [
            (sign, getattr(limit, name)) for name, sign in signs.items() for limit in limits if hasattr(limit, name)
        ]
        shown = [f"{sign} {show(bound)}" for sign, bound in bounds if bound != _LARGEST]
        return " ".join([_show_type(value), ", ".join(shown)]).strip()
    names = {int: "integer", float: "number", bool: "`true`, `false`", str: "text"}
    return names.get(hint, getattr(hint, "__name__", str(hint)))


@functools.cache
def _comments(cls: Any) -> dict[str, str]:
    """The comments of a class's own fields: what stands behind them, or on the lines before them."""
    lines = textwrap.dedent(inspect.getsource(cls)).splitlines()
    (tree,) = ast.parse("\n".join(lines)).body
    assert isinstance(tree, ast.ClassDef)
    comments = {}
    for node in tree.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        end = node.end_lineno or node.lineno
        # Columns of the tree are bytes.
        behind = lines[end - 1].encode()[node.end_col_offset :].decode().strip()
        words = [behind.lstrip("# ")] if behind else []
        above = node.lineno - 2
        while not behind and lines[above].lstrip().startswith("#"):
            words.insert(0, lines[above].lstrip("# "))
            above -= 1
        if words:
            comments[node.target.id] = " ".join(words)
    return comments
