"""The command `aejax`: finds the function of the command that is meant, and imports nothing but that."""

import difflib
import importlib
from collections.abc import Sequence
from typing import NamedTuple

import aejax
from aejax.cli import process
from aejax.errors import ConfigError


class Command(NamedTuple):
    """A command: the module whose function of the command's name it is, and its line of the overview."""

    module: str
    summary: str
    uses_jax: bool = False


COMMANDS = {
    "train": Command("aejax.cli.commands", "Train a study: an experiment by its name, or one of yours.", True),
    "experiments": Command("aejax.cli.experiments", "List the experiments and the question of each, or describe one."),
    "status": Command("aejax.cli.commands", "Show how far a study is."),
    "report": Command("aejax.cli.commands", "Write a study's tables and its page, or those of several studies."),
    "evaluate": Command("aejax.cli.compare", "Evaluate a trained study again, and compare.", True),
    "reproduce": Command("aejax.cli.compare", "Run a study again from its study.json, and compare.", True),
    "generate": Command("aejax.cli.generate", "Make images by a trained member of a study.", True),
    "score": Command("aejax.cli.new_images", "Score how strange images are to a trained model.", True),
    "encode": Command("aejax.cli.new_images", "Write the codes of images by a trained model.", True),
    "explain": Command("aejax.cli.explain", "Explain what the units of a trained study stand for.", True),
    "export": Command("aejax.cli.export", "Export a trained member, to be used without aejax.", True),
    "data": Command("aejax.cli.data", "Prepare data sets, and inspect them."),
    "benchmark": Command("aejax.benchmark.command", "Measure the speed of training beside other libraries."),
    "accelerator": Command("aejax.benchmark.accelerator", "Measure a GPU, in at most eight minutes."),
}


def main(*first: str) -> None:
    """Runs the command that `first` and the process's arguments say, and exits with its status."""
    process.main(lambda arguments: run([*first, *arguments]))


def run(arguments: Sequence[str]) -> int | None:
    """Runs the command that the first argument names; returns its exit status, where None stands for 0.

    Raises:
      UserError: if the name or what follows it is wrong, or the command fails.
    """
    name, *others = arguments or ["--help"]
    if name in ("--help", "-h", "help"):
        print(_overview())
        return None
    if name == "--version":
        print(f"aejax {aejax.__version__}")
        return None
    if name.startswith("-"):
        raise ConfigError(f"'{name}' comes after a command, as in: aejax train {name}; see aejax --help")
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        raise ConfigError(f"unknown command '{name}'; " + (f"did you mean {near[0]}?" if near else "see aejax --help"))
    command = COMMANDS[name]
    if command.uses_jax:
        from aejax.training.setup import set_up_jax

        set_up_jax()
    status: int | None = getattr(importlib.import_module(command.module), name)(others)
    return status


def _overview() -> str:
    """The help of `aejax` itself."""
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            "Trains, compares and explains autoencoders on images.",
            "",
            "  aejax train quickstart        # five seeds on the embedded digits, in a minute",
            "  aejax report runs/quickstart  # its tables and its page once more",
            "",
            "Commands:",
            *(f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()),
            "",
            "aejax COMMAND --help shows examples and flags; aejax --version, the version.",
        ]
    )


if __name__ == "__main__":
    main()
