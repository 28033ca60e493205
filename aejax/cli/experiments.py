"""The experiments that come with the package: where their files are, and what each asks."""

import ast
import difflib
import glob
import os
import pathlib
from collections.abc import Callable, Sequence

from absl import flags

from aejax.cli.arguments import help_of, read_flags
from aejax.errors import ConfigError

_INSTALLED = pathlib.Path(__file__).parent.parent / "experiments"
# A checkout has them beside the package.
DIRECTORY = _INSTALLED if _INSTALLED.is_dir() else _INSTALLED.parent.parent / "experiments"


def experiments(arguments: Sequence[str], say: Callable[[str], None] = print) -> None:
    """Lists the experiments that come with aejax, their variants and their questions, or describes one.

    Examples:

      All, a question each:
        aejax experiments

      What one compares, what it costs, and what came out:
        aejax experiments features

    Each is trained by its name, and with a variant if it has any (default: the first): aejax train features:fashion
    """
    names = read_flags(flags.FlagValues(), arguments, help_of(experiments))
    if names is None:
        return
    if len(names) > 1:
        raise ConfigError(f"leftover argument '{names[1]}'; name one experiment, or none")
    if names:
        path = find_experiment(names[0].partition(":")[0])
        say(f"{path}\n\n{_docstring(path)}")
        return
    for name in shipped():
        path = DIRECTORY / f"{name}.py"
        say(f"{name}: {_docstring(path).partition(chr(10))[0]}")
        if variants := _variants(path):
            say("    " + "  ".join(f"{name}:{variant}" for variant in variants))


def shipped() -> list[str]:
    """The names of the experiments that come with the package."""
    return sorted(path.stem for path in DIRECTORY.glob("*.py"))


def find_experiment(text: str) -> pathlib.Path:
    """Returns the file of an experiment that is named, or whose path is given.

    Raises:
      ConfigError: if there is none, with the nearest one that there is.
    """
    is_name = not text.endswith(".py") and os.path.basename(text) == text
    if is_name and text in shipped():
        return DIRECTORY / f"{text}.py"
    path = pathlib.Path(text)
    if os.path.isfile(path):  # False for a name that no file can have.
        return path
    files = filter(os.path.isfile, glob.glob(os.path.join(glob.escape(str(path.parent)), "*.py")))
    near_files = difflib.get_close_matches(str(path), map(os.path.normpath, sorted(files)), n=1)
    near_names = difflib.get_close_matches(path.stem, shipped(), n=1)
    near = near_names + near_files if is_name else near_files + near_names
    if is_name:
        meant = f"did you mean {near[0]}?" if near else "see aejax experiments, or give the path of a file"
        raise ConfigError(f"unknown experiment '{text}'; {meant}")
    raise ConfigError(f"--config={text}: no such file" + (f"; did you mean {near[0]}?" if near else ""))


def _parse(path: pathlib.Path) -> ast.Module:
    """The syntax of a file: what it says of itself is read without importing it, which takes seconds."""
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{path}: not a Python file ({error})") from None


def _docstring(path: pathlib.Path) -> str:
    return ast.get_docstring(_parse(path)) or ""


def _variants(path: pathlib.Path) -> list[str]:
    """The names of a file's variants, if it writes them down as a literal."""
    for node in _parse(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "VARIANTS":
            return list(ast.literal_eval(node.value))
    return []
