"""The files of a saved model."""

import dataclasses
import pathlib
from typing import Annotated, Any, Literal

from pydantic import Field

from aejax.data.description import DataDescription

FACTS, ARRAYS = "model.json", "arrays.npz"


def is_saved(folder: pathlib.Path) -> bool:
    """Whether a directory holds a model that `Trained.save` saved, or what is left of one."""
    return (folder / FACTS).is_file() or (folder / ARRAYS).is_file()


@dataclasses.dataclass(frozen=True, kw_only=True)
class SavedModel:
    """The content of model.json; `arrays` is the digest of the file beside it."""

    project: Literal["aejax"] = "aejax"
    format: Literal[1] = 1
    method: Annotated[str, Field(min_length=1)]
    config: dict[str, Any]
    data: DataDescription
    arrays: str
