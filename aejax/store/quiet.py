"""Keeps Orbax and TensorStore from printing errors that they raise as well: a full disk would be hundreds of lines."""

import functools
import logging
import re
import sys
from typing import Any


@functools.cache
def keep_orbax_quiet() -> None:
    """Silences, for the rest of the process, what their threads print about a checkpoint that cannot be written."""
    logging.getLogger("absl").addFilter(lambda record: not (record.exc_info and "/orbax/" in record.pathname))
    # Orbax waits for the first file that fails; asyncio logs what nobody waited for, when the object is collected.
    logging.getLogger("asyncio").addFilter(lambda record: not _is_of_tensorstore(record))
    usual = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        # TensorStore says what came of each file to a loop that Orbax has closed after the first that failed.
        if unraisable.object is not None or str(unraisable.exc_value) != "Event loop is closed":
            usual(unraisable)

    sys.unraisablehook = hook


def _is_of_tensorstore(record: logging.LogRecord) -> bool:
    """Returns whether a record is about an exception of TensorStore, which names its database of files (OCDBT)."""
    return bool(record.exc_info and re.search("tensorstore|OCDBT", str(record.exc_info[1])))
