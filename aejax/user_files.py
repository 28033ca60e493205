"""Python files that a flag names: experiments, functions of the user's, and plugins, which add kinds of parts."""

import hashlib
import importlib.util
import os
import pathlib
import sys
import traceback
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from aejax import registry
from aejax.errors import ConfigError, UserError, in_one_line

_plugins: set[pathlib.Path] = set()


def import_file(path: pathlib.Path, flag: str) -> ModuleType:
    """Returns the module that a file is.

    Raises:
      ConfigError: if it is no Python file, or fails.
    """
    name = f"{flag.strip('-')}_{path.stem}_{hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{flag}={path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Where Python looks for the source of what it defines.
    call(path, flag, spec.loader.exec_module, module)
    return module


def load_plugins(paths: Iterable[str], flag: str = "--plugin") -> None:
    """Imports files that add kinds of parts; one that was imported before is left out.

    Raises:
      ConfigError: if one is missing or fails, or adds nothing, or a kind that is taken.
    """
    for text in paths:
        path = pathlib.Path(text).absolute()
        if not os.path.isfile(path):
            raise ConfigError(f"{flag}={text}: no such file; name a Python file")
        if path in _plugins:
            continue
        before = registry.version()
        import_file(path, flag)
        if registry.version() == before:
            raise ConfigError(
                f"{flag}={text}: it adds nothing; register a family, network, likelihood, sampler or the like, such as "
                "with @FAMILIES.register"
            )
        _plugins.add(path)


def loaded_plugins() -> list[str]:
    """The absolute paths of the files that `load_plugins` imported, for another process to do the same."""
    return sorted(map(str, _plugins))


def call(path: pathlib.Path, flag: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function that a file defines, and returns its result.

    Raises:
      ConfigError: if it fails or would end the process, with the line of the file where it does.
    """
    try:
        return function(*arguments)
    except (UserError, KeyboardInterrupt):
        raise
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == os.path.abspath(path)]
        where = f", line {lines[-1]}" if lines else ""
        raise ConfigError(f"{flag}={path}{where}: {in_one_line(error)}") from error


def load_function(reference: str, flag: str) -> Callable[..., Any]:
    """Returns the function that `path.py:name` stands for.

    Raises:
      ConfigError: if there is no such file, or no such function in it.
    """
    text, _, name = reference.rpartition(":")
    path = pathlib.Path(text)
    if not name or not os.path.isfile(path):  # Nor may it be a name that no file can have.
        raise ConfigError(f"{flag}={reference}: no such file; name a function in one: path.py:function")
    function = getattr(import_file(path, flag), name, None)
    if not callable(function):
        raise ConfigError(f"{flag}={reference}: {path} defines no function '{name}'")
    return function
