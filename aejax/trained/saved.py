"""What a directory says of the trained model that it holds."""

import dataclasses
from typing import Annotated, Any, Literal

from pydantic import Field

from aejax.data.description import DataDescription


@dataclasses.dataclass(frozen=True, kw_only=True)
class SavedModel:
    """The content of model.json; `arrays` is the digest of the file beside it."""

    project: Literal["aejax"] = "aejax"
    format: Literal[1] = 1
    method: Annotated[str, Field(min_length=1)]
    config: dict[str, Any]
    data: DataDescription
    arrays: str
