"""Links from docs to other files of the repository, which a code host follows: on the site they are downloads."""

import os
import pathlib
import re
from typing import Any

from sphinx.application import Sphinx

_LINK = re.compile(r"\]\((?P<path>(?:\.\./)+[^)#\s]+)(?:#[^)\s]*)?\)")
_SHOWN = ("results.md", "README.md")  # Of a directory.


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Marks links that leave docs as files; a directory's are to its table, or the nearest README above it."""
    docs = pathlib.Path(app.srcdir)
    here = (docs / docname).parent

    def marked(match: re.Match[str]) -> str:
        target = (here / match["path"]).resolve()
        if target.is_relative_to(docs) or not target.is_relative_to(docs.parent) or not target.exists():
            return match[0]  # Sphinx knows its own pages, and warns of what is not there.
        if target.is_dir():
            folders = (folder for folder in (target, *target.parents) if folder.is_relative_to(docs.parent))
            target = next(folder / name for folder in folders for name in _SHOWN if (folder / name).exists())
        return f"](path:{os.path.relpath(target, here)})"

    source[0] = _LINK.sub(marked, source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Connects the links to Sphinx, after what makes whole pages."""
    app.connect("source-read", _read, priority=600)
    return {"version": "1", "parallel_read_safe": True}
