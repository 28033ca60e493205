"""What this project keeps because it can make it again: prepared and decoded data, compiled programs."""

import contextlib
import errno
import math
import os
import pathlib
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from aejax.errors import printable

MAX_ARRAYS = 1000  # In one file: none of ours has a tenth of them.
MAX_RATIO = 1032  # By which deflate can make bytes fewer (RFC 1951: a match of 258 bytes takes two bits).


def cache_directory() -> pathlib.Path:
    """Returns the user's cache directory for aejax: `$XDG_CACHE_HOME/aejax` or `~/.cache/aejax`.

    It may not exist, and where the user has no home, nothing can be written there.
    """
    directory = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return pathlib.Path(os.devnull if directory.startswith("~") else directory) / "aejax"


def cached_arrays(name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Returns the arrays that `make` gives, from the cache where they are in it under this name.

    A damaged file is made again; a cache that cannot be written is done without. Safe for several processes at once.
    """
    path = cache_directory() / "arrays" / f"{name}.npz"
    with contextlib.suppress(OSError, ValueError):
        return read_arrays(path)
    arrays = make()
    _keep(path, lambda written: np.savez(written, allow_pickle=False, **arrays))
    return arrays


def cached_text(name: str, make: Callable[[], str]) -> str:
    """Returns the text that `make` gives, from the cache where it is in it under this name; see `cached_arrays`."""
    path = cache_directory() / "texts" / name
    with contextlib.suppress(OSError, ValueError):
        return path.read_text(encoding="utf-8")
    text = make()
    _keep(path, lambda written: written.write_text(text, encoding="utf-8"))
    return text


def _keep(path: pathlib.Path, write: Callable[[pathlib.Path], object]) -> None:
    """Puts a file into the cache that `write` writes, whole or not at all."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as temporary:
            written = pathlib.Path(temporary) / path.name
            write(written)
            os.replace(written, path)


def memory_bytes() -> int:
    """The machine's memory, in bytes; less where a container may use less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # No container, or "max".
        return min(machine, int(pathlib.Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8")))
    return machine


class _Unfit(ValueError):
    """A file is not what it should be; the message is for its reader."""


def read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the arrays of an .npz file.

    Everything that the file says of sizes is compared with what is there, and with the machine's memory, before any
    array is made.

    Raises:
      OSError: if there is no such file or it may not be read.
      ValueError: saying what is wrong with its content. Pickled objects are refused: reading them would run their code.
    """
    # numpy and Python's parser warn of some headers that were damaged.
    with path.open("rb") as file, warnings.catch_warnings(action="ignore"):
        try:
            with zipfile.ZipFile(file) as archive:
                return _read(archive, os.fstat(file.fileno()).st_size)
        except _Unfit:
            raise
        except MemoryError:
            raise ValueError("its arrays take more memory than there is") from None
        except Exception as error:  # What the zip, its compression, the headers' syntax make of any bytes is no list.
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise
            raise ValueError("it is damaged or no .npz file") from error


def _read(archive: zipfile.ZipFile, size: int) -> dict[str, np.ndarray]:
    """Returns the arrays of an archive of so many bytes."""
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise _Unfit("two of its arrays have the same name")
    if len(members) > MAX_ARRAYS:
        raise _Unfit(f"it holds {len(members)} arrays, and at most {MAX_ARRAYS} are read")
    for name, info in members.items():
        _check_member(archive, size, f"its array '{printable(name, 60)}'", info)
    total, memory = sum(info.file_size for info in members.values()), memory_bytes()
    if total > memory:
        raise _Unfit(f"its arrays take {total / 1e9:.3g} GB, and this machine has {memory / 1e9:.3g} GB of memory")
    arrays = {}
    for name, info in members.items():
        with archive.open(info) as member:
            arrays[name] = np.lib.format.read_array(member, allow_pickle=False)
    return arrays


def _check_member(archive: zipfile.ZipFile, size: int, what: str, info: zipfile.ZipInfo) -> None:
    """Checks that a member of an archive of so many bytes is an array, and holds as many as its header says."""
    if info.flag_bits & 1:
        raise _Unfit(f"{what} is encrypted")
    if not info.filename.endswith(".npy"):
        raise _Unfit("it is damaged or no .npz file")
    held = min(info.compress_size, size)
    most = {zipfile.ZIP_STORED: held, zipfile.ZIP_DEFLATED: MAX_RATIO * (held + 1)}
    if info.compress_type not in most:
        raise _Unfit(f"{what} is compressed as numpy does not do it")
    with archive.open(info) as member:
        shape, dtype = _header(member)
        needed = member.tell() + math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise _Unfit(f"{what} holds Python objects, not numbers")
    present = min(info.file_size, most[info.compress_type])
    if needed != present or min(shape, default=0) < 0:
        raise _Unfit(f"{what} is damaged: it should take {min(needed, 2**63)} bytes, and {present} are there")


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Returns shape and type of the array that begins here."""
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = read[np.lib.format.read_magic(member)](member)
    return shape, dtype
