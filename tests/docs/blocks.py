"""The blocks of code on a page, and the commands in them."""

import pathlib
import re
import shlex
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]
NAMED = re.compile(r"# (\w+\.py)\n")  # The first line of a block that is a file.
_BLOCK = re.compile(r"^(?P<fence>`{3,})(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=fence)$", re.DOTALL | re.MULTILINE)
_SHELL = ("", "bash", "console", "sh")
_PROGRAM = re.compile(r"(?:\S*/)?(?P<name>aejax|python[\d.]*)$")


class Block(NamedTuple):
    language: str
    text: str


def read_blocks(text):
    return [Block(match["language"].strip(), match["text"]) for match in _BLOCK.finditer(text)]


def python_of(text):
    """The blocks of Python on a page that are not a notebook's cells."""
    return [block.text for block in read_blocks(text) if block.language == "python"]


def files_of(text):
    """The blocks that are files, by name."""
    return {match[1]: block for block in python_of(text) if (match := NAMED.match(block))}


def commands_of(text):
    """The arguments of every command on a page, with the command's name first: `aejax train` or `scripts/train.py`."""
    return [command for block in read_blocks(text) if block.language in _SHELL for command in commands_in(block.text)]


def commands_in(text):
    """The same of lines in a shell."""
    commands = []
    for line in text.replace("\\\n", " ").splitlines():
        try:
            words = shlex.split(line.strip().removeprefix("$ "), comments=True)
        except ValueError:  # No line of a shell: a table, a tree of files.
            continue
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            command, words = words[:end], words[end + 1 :]
            while command and re.match(r"[A-Z_]+=", command[0]):
                command = command[1:]
            match = _PROGRAM.match(command[0]) if command else None
            if match and match["name"] == "aejax":
                commands.append(command[1:])
            elif match and command[1:2] and command[1].startswith("scripts/"):
                commands.append([pathlib.Path(command[1]).stem, *command[2:]])
    return commands
