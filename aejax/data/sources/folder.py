"""A folder of pictures: in folders of classes or not, in train/ and test/ or not."""

import dataclasses
import hashlib
import os
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from aejax.data.classes import enumerate_names
from aejax.data.sources.base import Contents, is_path
from aejax.data.sources.collection import PictureSource, choose, to_contents
from aejax.data.sources.pictures import is_picture
from aejax.errors import DataError

# Which split the pictures of a folder of this name belong to, if there is a train/.
_SPLITS = {"train": "train", "test": "test"} | dict.fromkeys(("val", "valid", "validation"), "train")


class FoundFile(NamedTuple):
    """A file: the folders and the name that lead to it, its size in bytes, and when it was changed."""

    parts: tuple[str, ...]
    size: int
    changed: int


class PictureFiles:
    """Files of pictures in a folder: see `Files`."""

    def __init__(self, root: str, found: Sequence[FoundFile]):
        """Takes the folder and the files."""
        self._root, self._found = root, found

    def __len__(self) -> int:
        return len(self._found)

    def name(self, index: int) -> str:
        """The path below the folder."""
        return "/".join(self._found[index].parts)

    def content(self, index: int) -> str:
        """The path."""
        return os.path.join(self._root, *self._found[index].parts)

    def key(self) -> str:
        """A hash of names, sizes and times."""
        files = repr((os.path.realpath(self._root), [tuple(file) for file in self._found]))
        return hashlib.sha256(files.encode("utf-8", "surrogateescape")).hexdigest()

    def choose(self, indices: Sequence[int]) -> "PictureFiles":
        """Some of the files."""
        return PictureFiles(self._root, [self._found[index] for index in indices])


@dataclasses.dataclass
class Listing:
    """The content of a folder: pictures, other files, folders, links that lead back, and what cannot be looked at."""

    pictures: list[FoundFile] = dataclasses.field(default_factory=list)
    others: list[str] = dataclasses.field(default_factory=list)
    folders: list[tuple[str, ...]] = dataclasses.field(default_factory=list)
    loops: list[str] = dataclasses.field(default_factory=list)
    broken: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class FolderSource(PictureSource):
    """A folder of pictures.

    Folders in it are classes, named as they are, with pictures at any depth below. If it has `train/`, that is what is
    trained on, with what is in `validation/` (from which `data.validation_size` cuts anew), and `test/` is the test
    split. Hidden files and files that are no pictures are left out. The order is that of the names, letter by letter.
    """

    @staticmethod
    def claims(name: str) -> bool:
        """Whether a name is a path."""
        return is_path(name)

    def _contents(self, *, now: bool) -> Contents:
        name = self.config.name
        root = os.path.expanduser(name)
        listing = list_folder(name, root)
        if not listing.pictures:
            raise DataError(f"{name} has no pictures{_what_else(listing)}; name a folder that has some")
        files, depth, notes = _arrange(name, listing)
        labels, more = _labels(name, files, depth)
        more += [] if labels is None else _empty_classes(listing, depth)
        pictures = PictureFiles(root, [*files["train"], *files["test"]])
        chosen = choose(self.config, pictures, listing.broken, now=now)
        notes = [*_remarks(listing), *notes, *more]
        return to_contents(chosen, labels, num_train=len(files["train"]), num=len(pictures), notes=notes)


def list_folder(name: str, root: str) -> Listing:
    """Returns the content of a folder, pictures in the order of their names; links are followed.

    Raises:
      DataError: if it is no folder, or may not be read.
    """
    listing = Listing()
    try:
        _list(root, (), (), listing)
    except NotADirectoryError:
        raise DataError(f"{name} is a file; name the folder of pictures, or an .npz or .npy file") from None
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}; give data.name the path of a folder") from None
    listing.pictures.sort(key=lambda file: tuple(map(_composed, file.parts)))
    return listing


def _list(path: str, parts: tuple[str, ...], above: tuple[tuple[int, int], ...], listing: Listing) -> None:
    status = os.stat(path)
    own = status.st_dev, status.st_ino
    if own in above:
        listing.loops.append("/".join(parts))
        return
    with os.scandir(path) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    if parts:
        listing.folders.append(parts)
    for entry in found:
        if entry.name.startswith("."):
            continue
        below = (*parts, entry.name)
        try:
            if entry.is_dir():
                _list(entry.path, below, (*above, own), listing)
            elif is_picture(entry.name):
                status = entry.stat()
                listing.pictures.append(FoundFile(below, status.st_size, status.st_mtime_ns))
            else:
                listing.others.append("/".join(below))
        except OSError as error:
            listing.broken["/".join(below)] = error.strerror or "unreadable"


def _composed(name: str) -> str:
    """Returns a name in the one form of its letters: file systems differ in how they write an accent."""
    return unicodedata.normalize("NFC", name)


def _arrange(name: str, listing: Listing) -> tuple[dict[str, list[FoundFile]], int, list[str]]:
    """Returns the pictures of each split, how many folders above those of classes there are, and notes."""
    split_of = {parts[0]: _SPLITS.get(parts[0].casefold()) for parts in listing.folders if len(parts) == 1}
    if "train" not in map(str.casefold, split_of):
        return {"train": listing.pictures, "test": []}, 0, []
    files: dict[str, list[FoundFile]] = {"train": [], "test": []}
    others: list[FoundFile] = []
    for file in listing.pictures:
        files.get(split_of.get(file.parts[0]) or "", others).append(file)
    notes = []
    if joined := sum(file.parts[0].casefold() != "train" for file in files["train"]):
        notes.append(
            f"{joined} pictures of a validation folder are among those to train on; data.validation_size cuts from all"
        )
    if others:
        notes.append(f"{len(others)} pictures beside train/ and test/ were left out")
    for split, own in files.items():
        if not own and split in split_of.values():
            raise DataError(f"{name}: {split}/ has no pictures{_what_else(listing)}; put some there, or remove it")
    return files, 1, notes


def _labels(name: str, files: dict[str, list[FoundFile]], depth: int) -> tuple[np.ndarray | None, list[str]]:
    """Returns the class of each picture, split after split (None: there are no classes), and notes."""
    in_folders = {split: [len(file.parts) > depth + 1 for file in own] for split, own in files.items() if own}
    if all(map(all, in_folders.values())):
        return np.array([_composed(file.parts[depth]) for own in files.values() for file in own], np.str_), []
    if not any(map(any, in_folders.values())):
        return None, []
    if len({all(own) for own in in_folders.values()}) > 1:
        raise DataError(
            f"{name}: only one of train/ and test/ has all its pictures in folders of classes; make them alike"
        )
    return None, ["pictures are both in folders and beside them, so folders are taken for no classes"]


def _empty_classes(listing: Listing, depth: int) -> list[str]:
    """Returns a note on folders in the place of classes that have no pictures."""
    filled = {file.parts[: depth + 1] for file in listing.pictures}
    empty = ["/".join(parts) for parts in listing.folders if len(parts) == depth + 1 and parts not in filled]
    return [f"folders without pictures became no classes: {enumerate_names(empty)}"] if empty else []


def _remarks(listing: Listing) -> Iterator[str]:
    if listing.others:
        yield f"{len(listing.others)} files that are no pictures were left out: {enumerate_names(listing.others)}"
    if listing.loops:
        yield f"links that lead back to a folder above were not followed: {enumerate_names(listing.loops)}"


def _what_else(listing: Listing) -> str:
    found = [*listing.others, *(f"{name} ({why})" for name, why in listing.broken.items())]
    return f" (it has: {enumerate_names(found)})" if found else ""
