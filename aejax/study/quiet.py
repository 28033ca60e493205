"""Keeps Orbax and TensorStore from printing errors that they raise as well: a full disk would be hundreds of lines."""

import functools
import logging
import sys
from typing import Any


@functools.cache
def keep_orbax_quiet() -> None:
    """Silences, for the rest of the process, what their threads print about a checkpoint that cannot be written."""
    logging.getLogger("absl").addFilter(_is_news)
    usual = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        # TensorStore says what came of each file to a loop that Orbax has closed after the first that failed.
        if unraisable.object is not None or str(unraisable.exc_value) != "Event loop is closed":
            usual(unraisable)

    sys.unraisablehook = hook


def _is_news(record: logging.LogRecord) -> bool:
    """Returns whether a record is anything but an exception that Orbax logs, and raises when it is waited for."""
    return not ("/orbax/" in record.pathname and record.exc_info)
