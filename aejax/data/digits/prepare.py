"""Preparing the digits on first use."""

import os
import pathlib
import tempfile

from aejax.data.digits import VERSION
from aejax.data.prepared import quiet


def prepare(directory: pathlib.Path) -> pathlib.Path:
    """Returns the path of the prepared digits below `directory`, where they are prepared if they are not there.

    It takes a second or two, once, and neither TensorFlow nor a network. Safe for several processes at once.

    Raises:
      OSError: if `directory` cannot be written.
    """
    path = directory / "digits" / VERSION
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as temporary, quiet():
        from aejax.data.digits.builder import Digits

        builder = Digits(data_dir=temporary)
        builder.download_and_prepare(file_format="array_record")
        try:
            os.rename(builder.data_path, path)
        except OSError:
            if not path.exists():  # It does when another process was first.
                raise
    return path
