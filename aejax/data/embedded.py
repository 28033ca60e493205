"""The data sets that come with this project: TFDS builders of its own, prepared on first use."""

import importlib
import os
import pathlib
import tempfile
from typing import Any, NamedTuple

from aejax.data import digits, sprites
from aejax.data.prepared import quiet
from aejax.errors import DataError


class Embedded(NamedTuple):
    """A builder, which is imported only to prepare: that imports TFDS. `configs` are its configs, the default first."""

    module: str
    builder: str
    version: str
    configs: tuple[str, ...] = ()


EMBEDDED = {
    "digits": Embedded("aejax.data.digits.builder", "Digits", digits.VERSION),
    "aejax_sprites": Embedded("aejax.data.sprites.builder", "AejaxSprites", sprites.VERSION, tuple(sprites.GRIDS)),
}


def is_embedded(name: str) -> bool:
    """Returns whether `name`, or the `name` of `name/config`, is one of these data sets."""
    return name.partition("/")[0] in EMBEDDED


def prepare(name: str, directory: pathlib.Path) -> pathlib.Path:
    """Returns the path of a prepared embedded data set below `directory`, where it is prepared if it is not there.

    It takes seconds (the largest sprites: minutes), once, and neither TensorFlow nor a network. Safe for several
    processes at once.

    Raises:
      DataError: if the data set has no such config.
      OSError: if `directory` cannot be written.
    """
    base, _, config = name.partition("/")
    embedded = EMBEDDED[base]
    if config and config not in embedded.configs:
        choices = ", ".join(f"{base}/{other}" for other in embedded.configs) or base
        raise DataError(f"data.name={name}: there is no such config; choose {choices}")
    config = config or next(iter(embedded.configs), "")
    path = directory / base / config / embedded.version
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as temporary, quiet():
        make: Any = getattr(importlib.import_module(embedded.module), embedded.builder)
        builder = make(data_dir=temporary, config=config or None)
        builder.download_and_prepare(file_format="array_record")
        try:
            os.rename(builder.data_path, path)
        except OSError:
            if not path.exists():  # It does when another process was first.
                raise
    return path
