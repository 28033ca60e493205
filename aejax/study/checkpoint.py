"""Checkpoints of a population: numbered, checked against their digests when read, the newest two kept.

<population>/checkpoints/000007/state/       all members' arrays, by Orbax
<population>/checkpoints/000007/facts.json   what else is needed to go on, and the digest of everything

A checkpoint is written under another name and then renamed, so it is there as a whole or not at all.
"""

import errno
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from aejax.errors import UserError
from aejax.study.directory import TEMPORARY, read_json, write_json
from aejax.study.quiet import keep_orbax_quiet

KEPT = 2


class Checkpoints:
    """The checkpoints of one population below `path`."""

    def __init__(self, path: pathlib.Path):
        self.path = path / "checkpoints"

    def save(self, state: Any, facts: dict[str, Any]) -> int:
        """Saves a tree of host arrays and some facts (plain JSON); returns the checkpoint's number, from 1 on.

        Raises:
          OSError: if it could not be written; then nothing of it is left, and older ones are untouched.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        number = max(self._numbers(), default=0) + 1
        temporary = pathlib.Path(tempfile.mkdtemp(dir=self.path, prefix=TEMPORARY))
        try:
            try:
                with _checkpointer() as checkpointer:
                    checkpointer.save(temporary.absolute() / "state", state)
                    checkpointer.wait_until_finished()
            except Exception as error:  # TensorStore raises ValueError, RuntimeError and others for a full disk.
                raise _as_os_error(error, self.path) from error
            content = {"facts": facts, "digests": _digests(temporary / "state")}
            write_json(temporary / "facts.json", content | {"digest": _digest_of(content)})
            os.replace(temporary, self.path / f"{number:06d}")
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        self.keep(KEPT)
        return number

    def exist(self) -> bool:
        """Returns whether there is any."""
        return bool(self._numbers())

    def keep(self, num: int) -> None:
        """Deletes all but the newest."""
        for number in self._numbers()[:-num]:
            shutil.rmtree(self.path / f"{number:06d}", ignore_errors=True)

    def restore(self, shapes: Any, newest: int | None, say: Callable[[str], None]) -> tuple[Any, dict[str, Any]] | None:
        """Returns (state, facts) of the newest checkpoint that is whole, or None where there is none.

        Args:
          shapes: what the state looks like, a tree of `jax.ShapeDtypeStruct`.
          newest: the number of the last one that was saved, or None if none was.
          say: told in a line of each that is damaged or missing.

        Raises:
          UserError: if a checkpoint is whole but not of that structure.
        """
        numbers = self._numbers()
        if newest is not None and newest not in numbers:
            say(f"{self.path / f'{newest:06d}'} is missing; going on from the checkpoint before it, if there is one")
        for number in reversed(numbers):
            path = self.path / f"{number:06d}"
            problem = _problem(path)
            if problem is None:
                return self._read(path, shapes)
            say(f"{path} is damaged ({problem}); going on from the checkpoint before it, if there is one")
            shutil.rmtree(path)  # Its number is free for the one that will take its place.
        return None

    def _read(self, path: pathlib.Path, shapes: Any) -> tuple[Any, dict[str, Any]]:
        target = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
        try:
            with _checkpointer() as checkpointer:
                state = checkpointer.restore(path.absolute() / "state", target)
        except Exception as error:
            cause = str(error).strip().splitlines()[0]
            raise UserError(
                f"{path} does not hold what this version trains ({cause}); use the version that study.json names, "
                "or delete the population's directory and train again"
            ) from error
        return state, read_json(path / "facts.json")["facts"]

    def _numbers(self) -> list[int]:
        return sorted(int(path.name) for path in self.path.glob("[0-9]*") if path.name.isdigit())


def _checkpointer() -> Any:
    """Returns Orbax's, which would otherwise wait for every process of JAX to save its part."""
    import orbax.checkpoint as ocp  # Slow to import, and not every command saves.

    keep_orbax_quiet()
    own = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(own, {own}, barrier_sync_key_prefix=f"process {own}")
    return ocp.StandardCheckpointer(multiprocessing_options=alone)


def _digests(path: pathlib.Path) -> dict[str, str]:
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): _digest(file) for file in files}


def _digest(file: pathlib.Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _digest_of(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _problem(path: pathlib.Path) -> str | None:
    """Returns what is wrong with a checkpoint's files, or None."""
    try:
        content = read_json(path / "facts.json")
        if content.pop("digest") != _digest_of(content):
            return "facts.json has changed"
        digests = content["digests"]
    except (OSError, UserError, KeyError, TypeError, AttributeError):
        return "facts.json cannot be read"
    for name, digest in digests.items():
        file = path / "state" / name
        if not file.is_file():
            return f"state/{name} is missing"
        if _digest(file) != digest:
            return f"state/{name} has changed"
    return None


def _as_os_error(error: Exception, path: pathlib.Path) -> Exception:
    """Returns the operating system's error behind an error of TensorStore, or the error itself."""
    text = str(error)
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG):
        if os.strerror(number) in text:
            return OSError(number, os.strerror(number), str(path))
    return error
