"""What this project keeps because it can make it again: prepared and decoded data, compiled programs."""

import contextlib
import os
import pathlib
import tempfile
import zipfile
import zlib
from collections.abc import Callable

import numpy as np


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
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as temporary:
            written = pathlib.Path(temporary) / path.name
            np.savez(written, allow_pickle=False, **arrays)
            os.replace(written, path)
    return arrays


def read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the arrays of an .npz file.

    Raises:
      OSError: if there is no such file or it may not be read.
      ValueError: saying what is wrong with its content. Pickled objects are refused: reading them would run their code.
    """
    with path.open("rb") as file:
        array = None
        try:
            arrays = {}
            with np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
                for array in archive.files:
                    arrays[array] = archive[array]
                    if not isinstance(arrays[array], np.ndarray):
                        raise EOFError  # What is no array comes as bytes.
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise ValueError("it is damaged or no .npz file") from error
        except ValueError as error:
            raise ValueError(f"its array '{array}' holds Python objects, not numbers") from error
    return arrays
