"""Files of a study: read whole or refused, written atomically, never through a link, set aside and not deleted.

A JSON file carries the digest of its content, so a change by anything but this project is noticed. Two kinds of
trouble are told apart: a file that cannot be read now (an `OSError`: wait, mount, get permission), and one that is
`Damaged`, which no waiting mends.
"""

import contextlib
import errno
import fcntl
import functools
import hashlib
import io
import json
import os
import pathlib
import shutil
import stat
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Annotated, Any, TypeVar

import numpy as np
from pydantic import AfterValidator

from aejax.cache import read_arrays
from aejax.config import load
from aejax.errors import ConfigError, InUse, UserError

Content = TypeVar("Content")

TEMPORARY = ".tmp-"  # The names of half-written files begin with it; a killed process leaves them behind.
ASIDE = ".damaged"  # Ends the names of damaged files that were set aside.
PACKED = ".gz"  # Ends the names of compressed files.
DIGEST = "digest"  # The field of a JSON file that holds the digest of the others.
MAX_UNPACKED = 2**26  # Bytes of a compressed file's content: those of published studies are far smaller.
MAX_BYTES = 2**31  # Of any file that is read as a whole.
LARGEST = 1e100  # Of numbers, in size: far beyond float32, whose squares this project computes with.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}  # The errors of file systems without locks.


def _check_range(value: Any) -> Any:
    if not all(map(is_measured, value if isinstance(value, tuple) else [value])):
        raise ValueError(f"should not be larger than {LARGEST:g}, as nothing is that this project measures")
    return value


def is_measured(value: float) -> bool:
    """Whether a number may be a result: NaN, infinite, or not larger than any that this project measures."""
    return not LARGEST < abs(value) < float("inf")


InRange = AfterValidator(_check_range)  # Of a number, or of a tuple of numbers.
Number = Annotated[int | float, InRange]


class Damaged(UserError):
    """A file or directory of a study does not hold what was written; `reason` says why in a few words."""

    def __init__(self, path: pathlib.Path, reason: str, advice: str = ""):
        super().__init__(f"{path} is damaged ({reason})" + (f"; {advice}" if advice else ""))
        self.path, self.reason = path, reason


def exists(path: pathlib.Path) -> bool:
    """Whether there is a file of that name, as it is or compressed."""
    return os.path.lexists(path) or os.path.lexists(packed(path))


def packed(path: pathlib.Path) -> pathlib.Path:
    """The path of a file's compressed copy."""
    return path.with_name(path.name + PACKED)


def unpacked(path: pathlib.Path) -> pathlib.Path:
    """The path of a file without the ending of compressed ones."""
    return path.with_name(path.name.removesuffix(PACKED))


def read_bytes(path: pathlib.Path) -> bytes:
    """The content of a file, which may be there compressed.

    Raises:
      FileNotFoundError: if there is no such file.
      OSError: if it cannot be read now.
      Damaged: if it is no regular file, cannot be unpacked, or is larger than any file of a study.
    """
    try:
        with _open_to_read(path) as file:
            return file.read()
    except FileNotFoundError:
        if not os.path.lexists(packed(path)):
            raise
    with _open_to_read(packed(path)) as file:
        return _unpack(packed(path), file.read())


def _open_to_read(path: pathlib.Path) -> IO[bytes]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # A pipe would wait for its other end.
    except NotADirectoryError:
        raise Damaged(path.parent, "it is no directory") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # A link to itself; a socket.
            raise Damaged(path, "it is no file") from None
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
        os.close(descriptor)
        reason = "it is no file" if not stat.S_ISREG(status.st_mode) else f"it has {status.st_size / 1e9:.3g} GB"
        raise Damaged(path, reason)
    return os.fdopen(descriptor, "rb")


def _unpack(path: pathlib.Path, content: bytes) -> bytes:
    unpack = zlib.decompressobj(wbits=31)  # The format of gzip.
    try:
        unpacked_content = unpack.decompress(content, MAX_UNPACKED)
    except zlib.error as error:
        raise Damaged(path, str(error)) from None
    if unpack.unconsumed_tail:
        raise Damaged(path, f"it unpacks to more than {MAX_UNPACKED >> 20} MiB")
    if not unpack.eof:
        raise Damaged(path, "its end is missing")
    return unpacked_content


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """The mapping in a JSON file, which may be compressed, without its digest.

    Raises:
      OSError: if it is not there, or cannot be read now.
      Damaged: if it holds no mapping, or not the one that was written.
    """
    content = read_bytes(path)
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Damaged(path, reason if content else "it is empty") from None
    if not isinstance(tree, dict):
        raise Damaged(path, "it holds no JSON object")
    # Files of earlier versions, published ones among them, have no digest.
    if DIGEST in tree and tree.pop(DIGEST) != digest_of_json(tree):
        raise Damaged(path, "its content has changed since it was written")
    return tree


def read(cls: type[Content], path: pathlib.Path) -> Content:
    """The content of a JSON file as a dataclass or named tuple, through the gate that configs pass.

    Raises:
      OSError: if it is not there, or cannot be read now.
      Damaged: if it holds something else.
    """
    tree = read_json(path)
    try:
        return load(cls, tree)
    except ConfigError as error:
        raise Damaged(path, str(error)) from None


def digest_of_json(tree: Any) -> str:
    """The SHA-256 of a tree as canonical JSON, hexadecimal."""
    return digest_of_bytes(json.dumps(tree, sort_keys=True).encode())


def digest_of_bytes(content: bytes) -> str:
    """The SHA-256 of bytes, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_of(path: pathlib.Path) -> str:
    """The SHA-256 of a file's bytes, hexadecimal.

    Raises:
      FileNotFoundError: if there is no such file.
      OSError: if it cannot be read now.
      Damaged: if it is no regular file.
    """
    with _open_to_read(path) as file:
        digest = hashlib.sha256()
        while block := file.read(2**20):
            digest.update(block)
        return digest.hexdigest()


def check_digest(folder: pathlib.Path, name: str, digest: str) -> None:
    """Checks that a file of a directory is the one that was written.

    Raises:
      OSError: if it cannot be read now.
      Damaged: if the directory lacks it, or if it has another digest.
    """
    try:
        actual = digest_of(folder / name)
    except FileNotFoundError:
        raise Damaged(folder, f"{name} is missing") from None
    if actual != digest:
        raise Damaged(folder, f"{name} has changed")


def write_arrays(path: pathlib.Path, arrays: Mapping[str, np.ndarray], *, compressed: bool = False) -> str:
    """Writes arrays as an .npz file, atomically, and returns the file's digest."""
    content = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(content, allow_pickle=False, **arrays)
    write_atomically(path, content.getvalue())
    return digest_of_bytes(content.getvalue())


def read_npz(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file.

    Raises:
      OSError: if it is not there, or cannot be read now.
      Damaged: if it holds something else.
    """
    try:
        return read_arrays(path)
    except ValueError as error:
        raise Damaged(path, str(error)) from None
    except IsADirectoryError:
        raise Damaged(path, "it is no file") from None


def write_json(path: pathlib.Path, value: dict[str, Any]) -> None:
    """Writes a mapping and its digest as JSON, atomically: a line for each value, and for each item of a list in it."""
    write_atomically(path, to_json(value))


def to_json(value: dict[str, Any]) -> str:
    """A mapping and its digest as JSON: a line for each value, and for each item of a list in it."""
    digest = digest_of_json(json.loads(json.dumps(value)))
    compact = functools.partial(json.dumps, separators=(",", ":"))
    lines = [
        f"{compact(name)}: [\n  " + ",\n  ".join(map(compact, part)) + "\n ]"
        if isinstance(part, list | tuple) and part
        else f"{compact(name)}: {compact(part)}"
        for name, part in (value | {DIGEST: digest}).items()
    ]
    return "{\n " + ",\n ".join(lines) + "\n}\n"


def write_atomically(path: pathlib.Path, content: str | bytes) -> None:
    """Writes a file so that a reader, or a crash, sees the old one or the new one, never a part.

    A link at its path is replaced, not followed.

    Raises:
      OSError: naming the file, if it could not be written; then the old one is still there.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        os.unlink(temporary)
        if isinstance(error, OSError):
            error.filename = error.filename or str(path)
        raise


def open_in_place(path: pathlib.Path) -> IO[bytes]:
    """Opens a file to be read and appended to where it lies, which is made if it is missing.

    Raises:
      UserError: if it is no regular file: nothing is written through a link.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    wrong = UserError(
        f"{path} is no regular file, so nothing is written to it; remove it and run the same command again"
    )
    try:
        descriptor = os.open(path, flags, 0o644)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise wrong from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise wrong
    return os.fdopen(descriptor, "r+b")


def set_aside(path: pathlib.Path) -> pathlib.Path:
    """Renames a damaged file or directory to a name that says so, and returns that: `status.json.damaged`.

    Only those call it that have locked the directory.
    """
    aside, number = path.with_name(path.name + ASIDE), 2
    while os.path.lexists(aside):
        aside, number = path.with_name(f"{path.name}{ASIDE}-{number}"), number + 1
    os.rename(path, aside)
    return aside


def refuse_links(root: pathlib.Path, *, apart: str) -> None:
    """Checks that no link below a directory leads out of it; the directory itself may be one.

    What lies in the folder `apart` of it is others' business.

    Raises:
      UserError: naming the first that does.
    """
    top = os.path.realpath(root)
    for folder, folders, names in os.walk(top):
        if folder == top and apart in folders:
            folders.remove(apart)
        for name in (*folders, *names):
            path = os.path.join(folder, name)
            if os.path.islink(path) and os.path.commonpath([top, os.path.realpath(path)]) != top:
                shown = root / os.path.relpath(path, top)
                raise UserError(f"{shown} is a link that leads out of {root}; put what it leads to in its place")


@contextlib.contextmanager
def lock(path: pathlib.Path, *otherwise: str, patience: float = 0.0) -> Iterator[None]:
    """Makes a directory if it is missing, and keeps every other process out that locks it too.

    Args:
      path: of the directory.
      *otherwise: what one may do other than wait, for the error's message.
      patience: how many seconds to wait for another process.

    Raises:
      InUse: if another process is at it, on whatever machine that sees the directory.
      UserError: if its file system has no locks, or the lock is a link.
    """
    path.mkdir(parents=True, exist_ok=True)
    with open_in_place(path / ".lock") as file:
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
                user = file.read(200).decode(errors="replace").strip() or "another process"
                advice = ", ".join(["wait for it to end", *otherwise])
                raise InUse(f"{path} is in use by {user}; {advice}") from None
            except OSError as error:
                if error.errno in NO_LOCKS:
                    raise UserError(
                        f"{path}: its file system has no locks ({error.strerror}), so two processes might write at "
                        "once; mount it with locks (Lustre: -o flock) or choose another workdir"
                    ) from None
                raise
        file.truncate(0)
        file.write(f"process {os.getpid()} on {os.uname().nodename}".encode())
        file.flush()
        yield


def remove_leftovers(paths: Iterable[pathlib.Path]) -> None:
    """Removes, of some files and directories, the half-written ones that killed processes left behind."""
    for path in list(paths):
        if path.name.startswith(TEMPORARY):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
