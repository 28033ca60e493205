"""The API reference: docstrings, plain text with `code`, as Sphinx wants them; and the fields of data classes."""

import dataclasses
import inspect
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import config_fields
from sphinx.application import Sphinx


def to_rst(docstring: Sequence[str]) -> Iterator[str]:
    """Yields the lines of a docstring in reStructuredText; paragraphs that are indented are shown as they stand."""
    shown = False
    for blank, group in itertools.groupby(docstring, key=lambda line: not line.strip()):
        paragraph = list(group)
        if blank:
            yield from paragraph
        elif paragraph[0].startswith("  "):
            yield from (*([] if shown else ["::", ""]), *paragraph)
            shown = True
        else:
            yield from escape("\n".join(paragraph)).splitlines()
            shown = False


def escape(text: str) -> str:
    """Returns a text in which code stays code, and no other sign is markup."""
    parts = re.split(r"(`[^`]+`)", text)
    signs = r"([*|\\]|(?<=\w)_(?!\w))"
    return "".join(f"`{part}`" if index % 2 else re.sub(signs, r"\\\1", part) for index, part in enumerate(parts))


def _process(app: Sphinx, what: str, name: str, cls: Any, options: Any, lines: list[str]) -> None:
    """Escapes a docstring, and adds a table of its fields to that of a data class."""
    lines[:] = to_rst(lines)
    if what == "class" and _has_fields(cls):
        rows = config_fields.to_rows(config_fields.describe(cls))
        if len(rows) > 1:
            lines += ["", ".. list-table::", "   :header-rows: 1", ""]
            lines += [
                f"   {'  - ' if index else '* - '}{escape(cell)}" for row in rows for index, cell in enumerate(row)
            ]
            lines.append("")


def _restore(app: Sphinx, what: str, name: str, part: Any, options: Any, lines: list[str]) -> None:
    """Puts a property's docstring back, in which napoleon takes what comes before a colon for a type."""
    if what == "property":
        lines[:] = to_rst((inspect.getdoc(part) or "").splitlines())


def _hide_signature(app: Sphinx, what: str, name: str, cls: Any, *_: Any) -> tuple[str, None] | None:
    """Leaves out a data class's signature: the table has its fields."""
    return ("", None) if what == "class" and _has_fields(cls) else None


def _has_fields(cls: Any) -> bool:
    """Whether it is a data class that holds values and does little else: a config, a measure."""
    return dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen


def setup(app: Sphinx) -> dict[str, Any]:
    """Connects the processing to Sphinx, before napoleon's and after it."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    app.connect("autodoc-process-docstring", _restore, priority=600)
    app.connect("autodoc-process-signature", _hide_signature)
    return {"version": "1", "parallel_read_safe": True}
