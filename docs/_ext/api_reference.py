"""The API reference: docstrings, which are plain text with `code`, as Sphinx wants them; and the fields of configs."""

import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import config_fields
from sphinx.application import Sphinx


def to_rst(docstring: Sequence[str]) -> Iterator[str]:
    """Yields the lines of a docstring in reStructuredText; a paragraph that is indented is shown as it stands."""
    for blank, group in itertools.groupby(docstring, key=lambda line: not line.strip()):
        paragraph = list(group)
        if not blank and paragraph[0].startswith("  "):
            yield from ("::", "", *paragraph)
        else:
            yield from map(escape, paragraph)


def escape(line: str) -> str:
    """Returns a line in which code stays code, and no other sign is markup."""
    parts = re.split(r"(`[^`]+`)", line)
    signs = r"([*|\\]|(?<=\w)_(?!\w))"
    return "".join(f"`{part}`" if index % 2 else re.sub(signs, r"\\\1", part) for index, part in enumerate(parts))


def _process(app: Sphinx, what: str, name: str, cls: Any, options: Any, lines: list[str]) -> None:
    """Escapes a docstring, and adds a table of the fields to a config's."""
    lines[:] = to_rst(lines)
    if what == "class" and _is_config(cls):
        rows = config_fields.to_rows(config_fields.describe(cls))
        if len(rows) > 1:
            lines += ["", ".. list-table::", "   :header-rows: 1", ""]
            lines += [
                f"   {'  - ' if index else '* - '}{escape(cell)}" for row in rows for index, cell in enumerate(row)
            ]
            lines.append("")


def _hide_signature(app: Sphinx, what: str, name: str, cls: Any, *_: Any) -> tuple[str, None] | None:
    """Leaves out a config's signature: the table has its fields."""
    return ("", None) if what == "class" and _is_config(cls) else None


def _is_config(cls: Any) -> bool:
    """Whether it is a class of configs: frozen, with nothing but keywords."""
    frozen = dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen
    return frozen and all(field.kw_only for field in dataclasses.fields(cls))


def setup(app: Sphinx) -> dict[str, Any]:
    """Connects the processing to Sphinx, before napoleon's."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    app.connect("autodoc-process-signature", _hide_signature)
    return {"version": "1", "parallel_read_safe": True}
