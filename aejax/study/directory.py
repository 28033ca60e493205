"""A study on disk: what lies where, who may write to it, and how.

<workdir>/study.json                      which configs, on which data, and every start: command, versions, devices
<workdir>/populations/<id>/status.json    its members, and how far they are
<workdir>/populations/<id>/metrics.jsonl  a line for each member and epoch
<workdir>/populations/<id>/checkpoints/   the state of all members; see `aejax.study.checkpoint`
<workdir>/populations/<id>/pictures.npz   reconstructions and weights of some members
<workdir>/populations/<id>/results.json   what came of every member: written last, it marks the population as finished
<workdir>/search/                         a study too: the trials of a search, which the study's settings won
<workdir>/results.csv, .md, .tex, report.html: made from the above by `aejax.report`

A published study holds some of them, compressed: study.json.gz for study.json.
"""

import contextlib
import errno
import fcntl
import functools
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from aejax.errors import InUse, UserError

SEARCH = "search"  # The study of the trials by which the study's settings were found lies there, if there is one.
TEMPORARY = ".tmp-"  # What a killed process left behind begins so.
PACKED = ".gz"  # Ends the names of compressed files.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # What file systems say that have none.


class StudyDirectory:
    """The files of one study below `path`."""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = pathlib.Path(path)
        self.record = self.path / "study.json"

    def check(self) -> None:
        """Checks that a study lies here, or that one may be begun here.

        Raises:
          UserError: if something else is in its place.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise UserError(f"{self.path} is not a directory; choose another")
        files = [file.name for file in self.path.iterdir() if not file.name.startswith(".") and file.name != SEARCH]
        if files and not exists(self.record):
            raise UserError(
                f"{self.path} holds other files ({sorted(files)[0]}, ...) and no study; choose another directory"
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the directory if it is missing, and keeps every other process from writing to it meanwhile.

        What executes a population locks that: see `lock`.

        Raises:
          InUse: if another process is at it.
        """
        with lock(self.path, "or choose another --workdir"):
            remove_leftovers(self.path.iterdir())
            yield

    def population(self, method: str, ids: list[str] | tuple[str, ...]) -> pathlib.Path:
        """Returns the directory of a population of a method, by the ids of its members in any order."""
        digest = hashlib.sha256(f"{method}:{','.join(sorted(ids))}".encode()).hexdigest()[:12]
        return self.path / "populations" / f"{method}-{digest}"

    def populations(self) -> list[pathlib.Path]:
        """Returns the directories of all populations that were begun."""
        return sorted({path.parent for path in self.path.glob("populations/*/status.json*")})


@contextlib.contextmanager
def lock(path: pathlib.Path, *otherwise: str, patience: float = 0.0) -> Iterator[None]:
    """Makes a directory if it is missing, and keeps every other process out that locks it too.

    Args:
      path: of the directory.
      *otherwise: what one may do other than wait, for the error's message.
      patience: how many seconds to wait for another process.

    Raises:
      InUse: if another process is at it, on whatever machine that sees the directory.
      UserError: if its file system has no locks.
    """
    path.mkdir(parents=True, exist_ok=True)
    with (path / ".lock").open("a+", encoding="utf-8") as file:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.2)
                    continue
                file.seek(0)
                user = file.read().strip() or "another process"
                advice = ", ".join(["wait for it to end", *otherwise])
                raise InUse(f"{path} is in use by {user}; {advice}") from None
            except OSError as error:
                if error.errno in NO_LOCKS:
                    raise UserError(
                        f"{path}: its file system has no locks ({error.strerror}), so two processes might write at "
                        "once; mount it with locks (Lustre: -o flock) or choose another --workdir"
                    ) from None
                raise
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}")
        file.flush()
        yield


def remove_leftovers(paths: Iterable[pathlib.Path]) -> None:
    """Removes, of some files and directories, what killed processes left half-written."""
    for path in list(paths):
        if path.name.startswith(TEMPORARY):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def exists(path: pathlib.Path) -> bool:
    """Returns whether a file is there, as it is or compressed."""
    return path.exists() or packed(path).exists()


def packed(path: pathlib.Path) -> pathlib.Path:
    """Returns where a file lies compressed."""
    return path.with_name(path.name + PACKED)


def unpacked(path: pathlib.Path) -> pathlib.Path:
    """Returns what a file is called where it is not compressed."""
    return path.with_name(path.name.removesuffix(PACKED))


def read_bytes(path: pathlib.Path) -> bytes:
    """Returns what a file holds, which may be there compressed.

    Raises:
      OSError: if it is not there, or cannot be read or unpacked.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if not packed(path).exists():
            raise
    try:
        return gzip.decompress(packed(path).read_bytes())
    except (EOFError, zlib.error) as error:
        raise OSError(f"{packed(path)} is damaged: {error}") from None


def read_json(path: pathlib.Path) -> Any:
    """Returns what a JSON file of a study holds, which may be there compressed.

    Raises:
      UserError: if it holds no JSON.
    """
    try:
        return json.loads(read_bytes(path))
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); delete it, or the directory it is in, and train again") from None


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes a mapping as JSON, atomically: a line for each value, and for each item of a list in it."""
    write_atomically(path, to_json(value))


def to_json(value: dict[str, Any]) -> str:
    """Returns the JSON of a mapping: a line for each value, and for each item of a list in it."""
    compact = functools.partial(json.dumps, separators=(",", ":"))
    lines = [
        f"{compact(name)}: [\n  " + ",\n  ".join(map(compact, part)) + "\n ]"
        if isinstance(part, list | tuple) and part
        else f"{compact(name)}: {compact(part)}"
        for name, part in value.items()
    ]
    return "{\n " + ",\n ".join(lines) + "\n}\n"


def write_atomically(path: pathlib.Path, content: str | bytes) -> None:
    """Writes a file so that a reader, or a crash, sees the old one or the new one, never a part."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
