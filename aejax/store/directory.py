"""A study on disk: which file lies where.

<workdir>/study.json                      which configs, on which data, and every start: command, versions, devices
<workdir>/study.copy.json                 the same once more
<workdir>/populations/<id>/status.json    its members, and how far they are
<workdir>/populations/<id>/metrics.jsonl  a line for each member and epoch
<workdir>/populations/<id>/checkpoints/   the state of all members; see `aejax.study.checkpoint`
<workdir>/populations/<id>/pictures.npz   reconstructions and weights of some members
<workdir>/populations/<id>/codes.npz      the codes of images, where members are measured beside each other
<workdir>/populations/<id>/results.json   the results of every member, and the digests of the files beside it
<workdir>/search/                         a study too: the trials of a search, which the study's settings won
<workdir>/images.npz                      the arrays that a study from Python was given
<workdir>/models/<method>-<id>/           of a published study: a trained member, as Trained.save writes one
<workdir>/trackers/                       what trackers write that are not told to write elsewhere; see `aejax.trackers`
<workdir>/results.csv, .md, .tex, report.html: made from the above by `aejax.report`

A published study holds some of them, compressed: study.json.gz for study.json. A damaged file that a run of the study
made again lies beside the new one: status.json.damaged.
"""

import contextlib
import hashlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence

from aejax.errors import UserError
from aejax.store.files import TEMPORARY, exists, lock, packed, refuse_links, remove_leftovers

IMAGES = "images.npz"  # The arrays that a study from Python was given, which its data.name is.
MODELS = "models"
SEARCH = "search"  # The study of the trials by which the study's settings were found lies there, if there is one.

TRACKERS = "trackers"


class StudyDirectory:
    """The files of one study below `path`."""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = pathlib.Path(path)
        self.record = self.path / "study.json"
        self.copy = self.path / "study.copy.json"
        self.trackers = self.path / TRACKERS

    @property
    def is_published(self) -> bool:
        """Whether it is a copy of the small files of a study, without its checkpoints."""
        return packed(self.record).exists() and not self.record.exists()

    def model(self, method: str, member: str) -> pathlib.Path:
        """The directory of a published study in which a trained member is kept, if it is."""
        return self.path / MODELS / f"{method}-{member}"

    def check(self) -> None:
        """Checks that a study lies here, or that one may be begun here.

        Raises:
          UserError: if something else is in its place, if a link in it leads out of it, or if its path is not UTF-8.
        """
        try:
            str(self.path.absolute()).encode()
        except UnicodeEncodeError:
            raise UserError(
                f"{self.path}: no checkpoint can be kept under a name that is not UTF-8; choose another"
            ) from None
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise UserError(f"{self.path} is not a directory; choose another")
        refuse_links(self.path, apart=TRACKERS)
        names = [file.name for file in self.path.iterdir()]
        files = [name for name in names if not name.startswith(".") and name not in (IMAGES, SEARCH)]
        if files and not exists(self.record) and not exists(self.copy):
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
        with lock(self.path, "or choose another workdir"):
            remove_leftovers(self.path.iterdir())
            yield

    def population(self, method: str, ids: Sequence[str]) -> pathlib.Path:
        """The directory of a population of a method, by the ids of its members in any order."""
        return self.path / "populations" / population_name(method, ids)

    def populations(self) -> list[pathlib.Path]:
        """The directories of all populations that were begun, in order."""
        folder = self.path / "populations"
        return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def population_name(method: str, ids: Sequence[str]) -> str:
    """The name of a population's directory, which no other members have."""
    digest = hashlib.sha256(f"{method}:{','.join(sorted(ids))}".encode()).hexdigest()[:12]
    return f"{method}-{digest}"


@contextlib.contextmanager
def new_directory(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Gives an empty directory that stands at the path once the block is done; if that fails, nothing of it is left.

    Raises:
      UserError: if there is something of that name.
    """
    target = pathlib.Path(path)
    if os.path.lexists(target):
        raise UserError(f"{target} is there already; name another directory, or remove it")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = pathlib.Path(tempfile.mkdtemp(dir=target.parent, prefix=TEMPORARY))
    try:
        yield temporary
        temporary.chmod(0o755)
        os.replace(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
