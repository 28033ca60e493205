"""Checkpoints of a population: numbered, checked against their digests when read, the newest two kept.

<population>/checkpoints/000007/state/       all members' arrays, by Orbax
<population>/checkpoints/000007/midway/      how far a round came in an epoch, if it was amid one
<population>/checkpoints/000007/preprocessing.npz   of the images, if its kind has arrays
<population>/checkpoints/000007/facts.json   what else is needed to go on, and the digest of everything

A checkpoint is written under another name and then renamed, so it is there as a whole or not at all. One that is
damaged is never removed: who has locked the population sets it aside, others leave it alone.
"""

import dataclasses
import errno
import os
import pathlib
import shutil
import tempfile
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from aejax.data.description import DataDescription
from aejax.errors import UserError, is_out_of_memory
from aejax.store.files import (
    TEMPORARY,
    Damaged,
    check_digest,
    digest_of,
    read,
    read_npz,
    set_aside,
    write_arrays,
    write_json,
)
from aejax.store.quiet import keep_orbax_quiet

FACTS = "facts.json"
PREPROCESSING = "preprocessing.npz"
MIDWAY = "midway"
KEPT = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointFacts:
    """The content of facts.json: numbers that are needed to go on, and the digest of every file of the state.

    The others are None where an earlier version wrote it.
    """

    facts: dict[str, Any]
    digests: dict[str, str]
    members: tuple[str, ...] | None = None  # Ids in the order of the arrays.
    data: DataDescription | None = None  # What the members were trained on.
    preprocessing: str | None = None  # The digest of its file; None: it has no arrays, likewise.
    midway: dict[str, str] | None = None  # The digests of its files; None: no round was amid an epoch.


class Checkpoint(NamedTuple):
    """A checkpoint that is whole."""

    path: pathlib.Path
    facts: CheckpointFacts

    def read(self, shapes: Any) -> Any:
        """The state, arrays in host memory.

        Args:
          shapes: what it looks like, a tree of `jax.ShapeDtypeStruct`.

        Raises:
          UserError: if it is not of that structure.
        """
        return self._read("state", shapes)

    def read_midway(self, shapes: Any) -> Any:
        """How far a round came in an epoch, or None where none was amid one; likewise."""
        return None if self.facts.midway is None else self._read(MIDWAY, shapes)

    def _read(self, name: str, shapes: Any) -> Any:
        target = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
        import orbax.checkpoint as ocp  # Slow to import, and not every command reads or saves.

        try:
            with ocp.StandardCheckpointer(multiprocessing_options=_alone()) as checkpointer:
                return checkpointer.restore(self.path.absolute() / name, target)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            cause = str(error).strip().splitlines()[0]
            raise UserError(
                f"{self.path} does not hold what this version trains ({cause}); use the version that study.json "
                "names, or delete the population's directory and train again"
            ) from error

    def read_preprocessing(self) -> dict[str, np.ndarray]:
        """The arrays of the preprocessing, which has none where its file is not there."""
        return {} if self.facts.preprocessing is None else read_npz(self.path / PREPROCESSING)


class Checkpoints:
    """The checkpoints of one population, whose directory is `path`; `members` are the ids of its members in order."""

    def __init__(self, path: pathlib.Path, members: Sequence[str]):
        self.path, self._members = path / "checkpoints", tuple(members)

    def save(
        self,
        state: Any,
        facts: dict[str, Any],
        data: DataDescription | None = None,
        preprocessing: Mapping[str, np.ndarray] = types.MappingProxyType({}),
        midway: Any = None,
    ) -> int:
        """Saves a checkpoint; returns its number, from 1 on.

        Args:
          state: a tree of host arrays.
          facts: plain JSON.
          data: what the members are trained on.
          preprocessing: the arrays of its preprocessing.
          midway: a tree of host arrays, if a round is amid an epoch.

        Raises:
          OSError: if it could not be written; then nothing of it is left, and older ones are untouched.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        number = max(self._numbers(), default=0) + 1
        temporary = pathlib.Path(tempfile.mkdtemp(dir=self.path, prefix=TEMPORARY))
        try:
            try:
                _write(temporary.absolute() / "state", state)
                if midway is not None:
                    _write(temporary.absolute() / MIDWAY, midway)
            except Exception as error:  # TensorStore raises ValueError, RuntimeError and others for a full disk.
                raise _as_os_error(error, self.path) from error
            content = CheckpointFacts(
                facts=facts,
                digests=_digests(temporary / "state"),
                members=self._members,
                data=data,
                preprocessing=write_arrays(temporary / PREPROCESSING, preprocessing) if preprocessing else None,
                midway=None if midway is None else _digests(temporary / MIDWAY),
            )
            write_json(temporary / FACTS, dataclasses.asdict(content))
            os.replace(temporary, self._path_of(number))
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
            shutil.rmtree(self._path_of(number), ignore_errors=True)

    def newest(self, newest: int | None, say: Callable[[str], None], *, writes: bool) -> Checkpoint | None:
        """The newest checkpoint that is whole, or None where there is none.

        Args:
          newest: the number of the last one that was saved, or None if none was.
          say: takes a line for each that is damaged or missing.
          writes: whether this process has locked the population and goes on with it: then damaged ones are set aside.

        Raises:
          OSError: if one cannot be read now; then nothing was changed.
        """
        numbers = self._numbers()
        lost = [] if newest is None or newest in numbers else [f"{self._path_of(newest)} is missing"]
        whole = None
        for number in reversed(numbers):
            path = self._path_of(number)
            try:
                whole = Checkpoint(path, self._check(path))
                break
            except Damaged as damage:
                # Its number is then free for the checkpoint that will take its place.
                aside = f" and was set aside as {set_aside(path).name}" if writes else ""
                lost.append(f"{path} is damaged ({damage.reason}){aside}")
        for line in lost:
            say(f"{line}; " + ("no other is whole" if whole is None else f"the newest whole one is {whole.path.name}"))
        return whole

    def _check(self, path: pathlib.Path) -> CheckpointFacts:
        """Returns the facts of a checkpoint, after comparing its files with their digests.

        Raises:
          OSError: if one cannot be read now.
          Damaged: if one is not what was written, or if it is a checkpoint of other members.
        """
        if not path.is_dir():
            raise Damaged(path, "it is no directory")
        try:
            facts = read(CheckpointFacts, path / FACTS)
        except FileNotFoundError:
            raise Damaged(path, f"{FACTS} is missing") from None
        except Damaged as damage:
            raise Damaged(path, f"{FACTS}: {damage.reason}") from None
        if facts.members not in (None, self._members):
            raise Damaged(path, "it is of other members")
        digests = {f"state/{name}": digest for name, digest in facts.digests.items()}
        digests |= {f"{MIDWAY}/{name}": digest for name, digest in (facts.midway or {}).items()}
        for name, digest in (digests | ({PREPROCESSING: facts.preprocessing} if facts.preprocessing else {})).items():
            check_digest(path, name, digest)
        return facts

    def _path_of(self, number: int) -> pathlib.Path:
        return self.path / f"{number:06d}"

    def _numbers(self) -> list[int]:
        return sorted(int(path.name) for path in self.path.glob("[0-9]*") if path.name.isdigit())


def _write(path: pathlib.Path, state: Any) -> None:
    """Writes a tree by Orbax.

    Not compressed: floats would be a tenth smaller, in twice the time, and in memory twice once more.
    """
    import orbax.checkpoint as ocp

    handler = ocp.PyTreeCheckpointHandler(use_compression=False, multiprocessing_options=_alone())
    with ocp.Checkpointer(handler, multiprocessing_options=_alone()) as checkpointer:
        checkpointer.save(path, args=ocp.args.PyTreeSave(state))


def _alone() -> Any:
    """Returns the options by which Orbax does not wait for every process of JAX to save its part."""
    import orbax.checkpoint as ocp

    keep_orbax_quiet()
    own = jax.process_index()
    return ocp.options.MultiprocessingOptions(own, {own}, barrier_sync_key_prefix=f"process {own}")


def _digests(path: pathlib.Path) -> dict[str, str]:
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): digest_of(file) for file in files}


def _as_os_error(error: Exception, path: pathlib.Path) -> Exception:
    """Returns the operating system's error behind an error of TensorStore, or the error itself."""
    text = str(error)
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG):
        if os.strerror(number) in text:
            return OSError(number, os.strerror(number), str(path))
    return error
