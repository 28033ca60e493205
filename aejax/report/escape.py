"""Texts that people chose, such as names and swept values, as Markdown, LaTeX, CSV and JSON that mean nothing else."""

import json
import re
from typing import Any

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")  # Line ends among them.
# What Markdown would take for more than text: in a table, as emphasis, code, a link, HTML, an entity or a formula. An
# underscore inside a word is one.
_MARKDOWN = re.compile(r"[\\`*|$]|(?<![^\W_])_|_(?![^\W_])|~~|\](?=[(\[:])|<(?=[A-Za-z/!?])|&(?=#?\w+;)")
_BLOCK = re.compile(r"^(?:(\d+)(?=[.)])|(?=[#>+=-]))")  # What begins a heading, a quotation or a list.
_LATEX: dict[str, str | int | None] = {
    **{character: "\\" + character for character in "&%$#_{}"},
    **{character: f"{{{character}}}" for character in "[*"},  # They would belong to the command before them.
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
    "−": "$-$",
}
_FORMULA = tuple("=+-@\t\n")


def in_line(text: str) -> str:
    """Returns a text in one line, without characters that steer a terminal."""
    return _CONTROL.sub(" ", text)


def markdown(text: str) -> str:
    """Escapes a text for the inside of a line of Markdown; for its beginning see `markdown_line`."""
    return _MARKDOWN.sub(lambda found: "\\" + found[0], in_line(text))


def markdown_line(text: str) -> str:
    """Escapes a text with which a paragraph of Markdown begins."""
    return _BLOCK.sub(lambda found: f"{found[1] or ''}\\", markdown(text.strip()))


def latex(text: str) -> str:
    """Escapes a text for LaTeX, in one line."""
    return in_line(text).translate(str.maketrans(_LATEX))


def csv_cell(text: str) -> str:
    """Escapes a text for a spreadsheet: an apostrophe stands before one that it would take for a formula."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")  # Which would end the row.
    return f"'{text}" if text.startswith(_FORMULA) else text


def script_json(value: Any) -> str:
    """Returns a value as JSON that no text in it can lead out of the script element that it stands in."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)  # In ASCII: U+2028 is escaped, too.
    return text.translate({ord(character): f"\\u{ord(character):04x}" for character in "<>&"})
