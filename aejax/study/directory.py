"""A study on disk: one directory for each population, finished once its results are there.

<workdir>/study.json                      what ran it: versions, devices, command
<workdir>/populations/<id>/metrics.jsonl  a line for each member and epoch
<workdir>/populations/<id>/samples.npz    some test images and their reconstructions
<workdir>/populations/<id>/results.json   a row for each member, written last
<workdir>/results.csv, results.md, results.png
"""

import hashlib
import json
import os
import pathlib
import tempfile
from typing import Any

from aejax.config import config_id
from aejax.errors import UserError
from aejax.sweep import Population


class StudyDirectory:
    """The files of one study below `path`."""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = pathlib.Path(path)

    def create(self) -> None:
        """Makes the directory.

        Raises:
          UserError: if something else is in its place.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"--workdir={self.path} is not a directory; choose another")
        self.path.mkdir(parents=True, exist_ok=True)

    def population(self, method: str, population: Population) -> pathlib.Path:
        """Returns the directory of a population of a method; it is the same for the same members."""
        members = ",".join(sorted(config_id(config) for config in population.members))
        digest = hashlib.sha256(f"{method}:{members}".encode()).hexdigest()[:12]
        return self.path / "populations" / f"{method}-{digest}"

    def rows(self) -> list[dict[str, Any]]:
        """Returns the results of every finished population, a row for each member.

        Raises:
          UserError: if a results file is not what this project wrote.
        """
        rows: list[dict[str, Any]] = []
        for path in sorted(self.path.glob("populations/*/results.json")):
            try:
                rows += json.loads(path.read_text())
            except ValueError:
                raise UserError(f"{path} cannot be read; delete its directory and run the study again") from None
        return rows


def write_atomically(path: pathlib.Path, content: str | bytes) -> None:
    """Writes a file so that a reader, or a crash, sees the old one or the new one, never a part."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
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
