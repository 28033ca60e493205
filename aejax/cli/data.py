"""The commands about data: a subcommand each, from its arguments to its exit status."""

import difflib
import importlib
from collections.abc import Callable, Sequence

from absl import flags

from aejax.cli.arguments import help_of, read_flags
from aejax.errors import ConfigError

# The subcommands by name: the module of the function of that name, and its line of the overview. A new one is a file
# and its line here.
SUBCOMMANDS = {
    "inspect": ("aejax.cli.data_inspect", "Show the images and classes of a data set, and what is wrong with them."),
    "prepare": (
        "aejax.cli.prepare",
        "Fetch the original files of (Fashion-, K)MNIST, CIFAR-10 or CIFAR-100.",
    ),
}


def data(arguments: Sequence[str], say: Callable[[str], None] = print) -> int | None:
    """Prepares and inspects data sets.

    Examples:

      The images and classes of a data set, with a picture of some of each class:
        aejax data inspect images.npz --sheet=sheet.png

      The original files of MNIST, checked against their published SHA-256:
        aejax data prepare mnist
    """
    name, *others = arguments or ["--help"]
    if name.startswith("-") or name == "help":
        width = max(map(len, SUBCOMMANDS))
        lines = [f"  {name:{width}}  {summary}" for name, (_, summary) in SUBCOMMANDS.items()]
        commands = "\n".join(["Commands:", *lines, "", "aejax data COMMAND --help shows its flags."])
        read_flags(flags.FlagValues(), ["--help"], help_of(data), more=commands)
        return None
    if name not in SUBCOMMANDS:
        near = difflib.get_close_matches(name, SUBCOMMANDS, n=1)
        advice = f"did you mean {near[0]}?" if near else f"it has {', '.join(SUBCOMMANDS)}"
        raise ConfigError(f"unknown command 'data {name}'; {advice}")
    module, _ = SUBCOMMANDS[name]
    status: int | None = getattr(importlib.import_module(module), name)(others, say)
    return status
