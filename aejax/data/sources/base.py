"""The interface of sources: images that are read when asked for, and all of it read."""

import abc
import dataclasses
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from aejax.config import PositiveFloat, PositiveInt
from aejax.data.checked import check_arrays

Size = Annotated[tuple[PositiveInt, PositiveInt], Field(min_length=2, max_length=2)]


class Images(Protocol):
    """Images that are read when they are asked for; an array, also one mapped from a file, is such an object.

    It can be pickled, for another process to read from.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, height, width, channels)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the pixels."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Any, /) -> Any:
        """Reads the images at integer indices [k], or of a slice: [k, height, width, channels].

        Raises:
          DataError: naming what cannot be read.
        """


HUGGING_FACE = "hf:"  # What names of Hugging Face `datasets` begin with.
_PREPARED = re.compile(r"\w+(/[\w.+-]+)?(:\d+\.\d+\.\d+)?")


def is_path(name: str) -> bool:
    """Whether the name of data is a path: it ends in .npz, .npy or /, begins like one, or has / where TFDS has none."""
    if name.endswith((".npz", ".npy", "/")) or name in (".", "..") or name.startswith(("/", "./", "../", "~")):
        return True
    return "/" in name and not _PREPARED.fullmatch(name) and not name.startswith(HUGGING_FACE)


def _well_formed(name: str) -> str:
    known = _PREPARED.fullmatch(name) or is_path(name) or name.removeprefix(HUGGING_FACE) not in ("", name)
    if "\0" in name or not known:
        raise PydanticCustomError(
            "name",
            "Input should be 'digits', 'aejax_sprites', the name of a prepared data set (mnist, or as TFDS writes it: "
            "name/config, name:1.0.0), hf:NAME, or a path ending in .npz, .npy or / (a folder of pictures)",
        )
    return name


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """Which images, and how they are read."""

    # What comes with this project (digits, aejax_sprites, aejax_sprites/64x64), a prepared data set (mnist, or as TFDS
    # writes it: name/config, name:1.0.0), hf:NAME of Hugging Face `datasets`, or a path: of an .npz, of an .npy, of a
    # folder of pictures (photos/, ./photos). In evaluation.transfer and evaluation.outliers also "own", which an object
    # without a name stands for: that of `data`.
    name: Annotated[str, AfterValidator(_well_formed)] = "digits"
    # Where prepared data sets lie. None: $TFDS_DATA_DIR, else ~/tensorflow_datasets. What comes with this project is in
    # the cache.
    directory: str | None = None
    # Of data with several kinds of labels the name of one: a feature of TFDS (coarse_label), a column of Hugging Face
    # `datasets`, or coarse_label of the files of CIFAR-100. None: the usual ones.
    label: str | None = None
    # The number that is white. None: 1 of floats, of integers what `aejax.data.pixels.store` finds certain, and of
    # pictures the largest of their bits.
    maximum: PositiveFloat | None = None
    # To what size pictures are brought, one number or (height, width). None: they have one size.
    size: PositiveInt | Size | None = None
    # How: "crop" scales until the picture covers the size and cuts the center out, "pad" scales until it lies within it
    # and adds black, "stretch" scales height and width each by itself. All by area-weighted linear interpolation.
    resize: Literal["crop", "pad", "stretch"] = "crop"
    # The channels of pictures. None: gray where all are, else rgb.
    color: Literal["gray", "rgb"] | None = None
    # What becomes of files of pictures that cannot be read: with "skip" they are left out and counted.
    unreadable: Literal["refuse", "skip"] = "refuse"


@dataclasses.dataclass(frozen=True, eq=False)
class Contents:
    """The content of a source.

    Attributes:
      arrays: `image`, and perhaps `label`, `factor`, the same of the test split with `test_` before them,
        `class_names`, `factor_names`, as `check_arrays` takes them; images may be such as are read when asked for.
      notes: sentences for its user: what was left out, converted, or found odd.
      pixels: what pixels were before, in words, if images come as they are stored (uint8 with white 255, or float32 in
        [0, 1]); None: what is white is not settled yet, see `aejax.data.pixels.store`.
      vectors: whether `image` are no images but vectors, [n, 1, 1, size]; see `aejax.data.vectors`.
      names: of the files of pictures, those of the test split last; empty: images are no files.
    """

    arrays: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    pixels: str | None = None
    names: tuple[str, ...] = ()
    vectors: bool = False


@dataclasses.dataclass(frozen=True)
class ImageSource(abc.ABC):
    """A source of images, of the name in its config."""

    config: SourceConfig

    READS_PICTURES: ClassVar[bool] = False  # Of any size, kind and format: what the config says of these is for it.
    CHOOSES_LABEL: ClassVar[bool] = False  # Whether the config may name one of several kinds of labels.

    @staticmethod
    @abc.abstractmethod
    def claims(name: str) -> bool:
        """Whether a name is one of this kind of source. The first in the zoo that claims it reads it."""

    @abc.abstractmethod
    def on_demand(self) -> Contents:
        """The content, with images that are read when asked for where the source can do that; arrays are unchecked.

        Raises:
          DataError: if there is no such data, or they are damaged, or no images of one size.
        """

    def may_exceed(self, num_bytes: int) -> bool:
        """Whether the images may take more memory, as far as that can be told without opening them."""
        del num_bytes
        return True

    def read(self) -> Contents:
        """The content with all images in memory, and its arrays checked.

        Raises:
          DataError: likewise.
        """
        contents = self.on_demand()
        arrays = check_arrays(self.config.name, read_all(contents.arrays), vectors=contents.vectors)
        return dataclasses.replace(contents, arrays=arrays)


def read_all(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays and images that are read when asked for, as arrays in memory."""
    return {name: array if type(array) is np.ndarray else np.array(array[:]) for name, array in arrays.items()}
