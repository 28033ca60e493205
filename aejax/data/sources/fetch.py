"""Fetching published files: over the network or from a folder, whole and with their published SHA-256 or not at all."""

import contextlib
import fcntl
import hashlib
import http.client
import os
import pathlib
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from aejax.data.prepared import data_root
from aejax.data.sources.originals import FOLDER
from aejax.data.sources.published import PUBLISHED, Published
from aejax.errors import DataError, InUse, in_one_line
from aejax.progress import progress_bar

_SECONDS = 60  # Without a byte, after which a server is given up.
_BLOCK = 2**18


class _Whence(NamedTuple):
    """Where files come from: the URL of their folder, or the folder itself."""

    url: str
    folder: pathlib.Path | None = None

    def of(self, name: str) -> str:
        """The URL or path of a file."""
        if self.folder is not None:
            return str(self.folder / name)
        return urllib.parse.urljoin(self.url.rstrip("/") + "/", name)


def fetch_originals(
    name: str,
    *,
    directory: str | None = None,
    url: str | None = None,
    folder: str | None = None,
    say: Callable[[str], None],
) -> pathlib.Path:
    """Returns the folder of a data set's original files, after fetching those that are not there.

    Args:
      name: of the data set, in `PUBLISHED`.
      directory: where prepared data sets lie; see `data_root`.
      url: of a folder with the files, in the place of the published one.
      folder: one that holds them, from which they are copied.
      say: called with a line for each file.

    Raises:
      DataError: if a file cannot be fetched, or is another than the published one: then nothing of it is kept.
      InUse: if another process fetches it.
      OSError: if it cannot be written.
    """
    published = PUBLISHED[name]
    whence = _Whence(url or published.url, None if folder is None else pathlib.Path(os.path.expanduser(folder)))
    target = data_root(directory) / name / FOLDER
    target.mkdir(parents=True, exist_ok=True)
    for file, facts in published.files.items():
        if _is_whole(target / file, facts):
            say(f"{file}: there")
            continue
        _fetch(whence.of(file), target / file, facts, remote=whence.folder is None)
        say(f"{file}: {facts.size / 1e6:.1f} MB, SHA-256 as published")
    return target


def _is_whole(path: pathlib.Path, facts: Published) -> bool:
    return path.is_file() and path.stat().st_size == facts.size and _digest(path) == facts.sha256


def _digest(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(source: str, path: pathlib.Path, facts: Published, *, remote: bool) -> None:
    """Writes a file from its source, going on where it was interrupted before."""
    part = path.with_name(f".{path.name}.part")
    with part.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = os.path.samestat(part.stat(), os.fstat(file.fileno()))  # Not what another has just completed.
        except OSError:
            ours = False
        if not ours:
            raise InUse(f"{path.name} is being fetched by another process; wait for it")
        try:
            _receive(source, file, facts.size) if remote else _copy(source, file)
        finally:
            file.flush()
            if not part.stat().st_size:
                part.unlink()
        os.fsync(file.fileno())
        digest = _digest(part)
        if digest != facts.sha256:
            part.unlink()
            raise DataError(
                f"{source} is not the published file: its SHA-256 is {digest}, and {facts.sha256} is published; it "
                "was not kept: take it from elsewhere, with --url or --from"
            )
        os.replace(part, path)


def _copy(source: str, file: IO[bytes]) -> None:
    file.truncate(0)
    try:
        with pathlib.Path(source).open("rb") as original:
            shutil.copyfileobj(original, file)
    except OSError as error:
        raise DataError(
            f"{source} cannot be read: {error.strerror}; a folder of unpacked files is named itself, as data.name"
        ) from None


def _receive(source: str, file: IO[bytes], size: int) -> None:
    there = file.tell()
    if there >= size:
        return
    with _explained(source), _answer(source, there) as answer:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:  # The server sends all of it.
            file.truncate(0)
            there = 0
        name = pathlib.Path(file.name).name.strip(".").removesuffix(".part")
        with progress_bar(size, name, "B", initial=there) as bar:
            while block := answer.read(_BLOCK):
                file.write(block)
                bar.update(len(block))
                there += len(block)
                if there > size:
                    break  # It is another file, perhaps without an end.
    if there < size:
        raise DataError(f"{source} broke off after {there} of {size} bytes; run the same command again, to go on there")


def _answer(source: str, there: int) -> contextlib.AbstractContextManager[http.client.HTTPResponse]:
    headers = {"User-Agent": "aejax"} | ({"Range": f"bytes={there}-"} if there else {})
    answer: http.client.HTTPResponse = urllib.request.urlopen(
        urllib.request.Request(source, headers=headers), timeout=_SECONDS
    )
    return answer


@contextlib.contextmanager
def _explained(source: str) -> Iterator[None]:
    """Makes one line of whatever the network refuses."""
    try:
        yield
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
        reason = getattr(error, "reason", None) or in_one_line(error)
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise DataError(
            f"{source} cannot be fetched ({reason}); run the same command again, or take a mirror (--url) or files "
            "that you have (--from)"
        ) from None
