"""The commands about data: finds the one that is meant, and imports nothing but that."""

import difflib
import importlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from aejax.errors import ConfigError


class DataCommand(NamedTuple):
    """A command after `aejax data`: the module whose function of its name it is, and its line of the overview."""

    module: str
    summary: str


COMMANDS = {
    "inspect": DataCommand("aejax.cli.data_inspect", "Show what is in a data set, and what is wrong with it."),
}


def data(arguments: Sequence[str], say: Callable[[str], None] = print) -> None:
    """Shows data sets.

    Examples:

      What is in one, and what is wrong with it?
        aejax data inspect images.npz --sheet=sheet.png
    """
    name, *others = arguments or ["--help"]
    if name in ("--help", "-h", "help"):
        width = max(map(len, COMMANDS))
        lines = [f"  aejax data {name:{width}}  {command.summary}" for name, command in COMMANDS.items()]
        say("\n".join(["Commands about data:", *lines, "", "aejax data COMMAND --help shows examples and flags."]))
        return
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        meant = f"did you mean {near[0]}?" if near else "see aejax data --help"
        raise ConfigError(f"unknown command 'data {name}'; {meant}")
    getattr(importlib.import_module(COMMANDS[name].module), name)(others, say=say)
