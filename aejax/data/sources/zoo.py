"""The kinds of sources, in the order in which they are asked for a name. A new one is a file beside this one."""

import dataclasses

from aejax.data.sources.arrays import NpySource, NpzSource
from aejax.data.sources.base import ImageSource, SourceConfig
from aejax.data.sources.folder import FolderSource
from aejax.data.sources.hugging_face import HuggingFaceSource
from aejax.data.sources.originals import OriginalSource
from aejax.data.sources.prepared import EmbeddedSource, PreparedSource
from aejax.errors import DataError

SOURCES: tuple[type[ImageSource], ...] = (
    HuggingFaceSource,
    NpzSource,
    NpySource,
    OriginalSource,
    FolderSource,
    EmbeddedSource,
    PreparedSource,
)
_OF_PICTURES = ("size", "resize", "color", "unreadable")  # Fields of the config.


def find_source(config: SourceConfig, field: str = "data") -> ImageSource:
    """Returns the source that a config names.

    Args:
      config: of the data.
      field: its path in the whole config, for messages.

    Raises:
      DataError: if there is none, or if the config says what such a source does not read.
    """
    kind = next((kind for kind in SOURCES if kind.claims(config.name)), None)
    if kind is None:
        raise DataError(f"{field}.name={config.name} names no data; name a data set, a file or a folder")
    for name in _OF_PICTURES if not kind.READS_PICTURES else ():
        if getattr(config, name) != SourceConfig.__dataclass_fields__[name].default:
            raise DataError(
                f"{field}.{name} is of pictures in files and of Hugging Face data sets, and {config.name} holds images "
                "of one size as they are; leave it out"
            )
    if config.label is not None and not kind.CHOOSES_LABEL:
        raise DataError(
            f"{field}.label={config.label}: TFDS, Hugging Face and CIFAR-100's files have several kinds of labels, and "
            f"{config.name} has one; leave it out"
        )
    own = {part.name: getattr(config, part.name) for part in dataclasses.fields(SourceConfig)}
    return kind(SourceConfig(**own))
