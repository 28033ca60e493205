"""An experiment's file, read: its question and cost, a config, and a sweep or a search."""

import dataclasses
import inspect
import pathlib
import re
from typing import TypeVar

from aejax import sweep as sweeps
from aejax.cli.experiments import DIRECTORY, find_experiment
from aejax.config import load
from aejax.errors import ConfigError, printable
from aejax.experiment import Config
from aejax.search.run import Search
from aejax.user_files import call, import_file

Made = TypeVar("Made", Config, Search)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """The content of an experiment file: its name, question and cost, one seed's config, and the other points."""

    name: str
    question: str
    cost: str
    config: Config
    sweep: sweeps.Sweep
    search: Search | None = None
    folder: pathlib.Path | None = None  # Where the file lies, unless it comes with aejax.


def load_experiment(reference: str) -> Experiment:
    """Reads an experiment: by its name, if it comes with the package, or `path.py`; with a variant: `name:variant`.

    The file defines `get_config()` and perhaps `sweep()` or `search()`. If it defines `VARIANTS`, a tuple of names of
    which the first is the default, all take the variant's name. The first line of its docstring is the question; its
    paragraph `Cost: ...` says how long it takes.

    Raises:
      ConfigError: if the file is missing or fails, if the variant is unknown, or if the sweep is empty.
    """
    text, _, variant = reference.partition(":")
    path = find_experiment(text)
    module = import_file(path, "--config")
    if not hasattr(module, "get_config"):
        raise ConfigError(f"--config={path}: it defines no get_config()")
    variants = call(path, "--config", lambda: tuple(map(str, getattr(module, "VARIANTS", ()))))
    if variant and variant not in variants:
        known = f"variants: {', '.join(variants)}" if variants else "it has none"
        raise ConfigError(f"--config={reference}: unknown variant '{variant}'; {known}")
    arguments = (variant or variants[0],) if variants else ()

    def made(name: str, cls: type[Made]) -> Made:
        """Returns the config that a function of the file makes: it passes the same gate as flags and other files."""
        config = call(path, "--config", getattr(module, name), *arguments)
        if not isinstance(config, cls):
            raise ConfigError(f"--config={path}: {name}() should return a {cls.__name__}, got {config!r}")
        return load(cls, dataclasses.asdict(config))

    def points() -> sweeps.Sweep:
        return [{str(field): value for field, value in point.items()} for point in module.sweep(*arguments)]

    sweep = call(path, "--config", points) if hasattr(module, "sweep") else [{}]
    if not sweep:
        raise ConfigError(f"{path}: its sweep is empty")
    text = inspect.getdoc(module) or ""
    cost = re.search(r"^Cost: (.*?)(?=^\S+:|^$|\Z)", text, re.MULTILINE | re.DOTALL)
    return Experiment(
        name=printable(path.stem) + (f"-{variant}" if variant else ""),
        question=text.partition("\n")[0],
        cost=" ".join(cost[1].split()) if cost else "",
        config=made("get_config", Config),
        sweep=sweep,
        search=made("search", Search) if hasattr(module, "search") else None,
        folder=None if path.parent.resolve() == DIRECTORY.resolve() else path.parent,
    )
