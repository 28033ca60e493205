"""Python files that a flag names: experiments, and functions of the user's."""

import importlib.util
import os
import pathlib
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

from aejax.errors import ConfigError, UserError, in_one_line


def import_file(path: pathlib.Path, flag: str) -> ModuleType:
    """Returns the module that a file is.

    Raises:
      ConfigError: if it is no Python file, or fails.
    """
    spec = importlib.util.spec_from_file_location(f"{flag.strip('-')}_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{flag}={path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    call(path, flag, spec.loader.exec_module, module)
    return module


def call(path: pathlib.Path, flag: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Returns what a function of a file gives.

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
