"""Files of a study: written in the place of a link and never through it, and read up to a size."""

import gzip
import os

import pytest

from aejax.errors import UserError
from aejax.store.files import Damaged, lock, open_in_place, read_json, write_json


def test_nothing_is_written_through_a_link(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    for name in (".lock", "metrics.jsonl"):
        (tmp_path / name).symlink_to(precious)
        with pytest.raises(UserError, match="is no regular file, so nothing is written to it; remove it"):
            open_in_place(tmp_path / name)
    with pytest.raises(UserError, match="is no regular file"), lock(tmp_path):
        pass
    (tmp_path / "file").symlink_to(precious)
    write_json(tmp_path / "file", {"a": 1})  # Takes the place of the link.
    assert read_json(tmp_path / "file") == {"a": 1}
    assert precious.read_text() == "precious"
    os.mkfifo(tmp_path / "pipe")
    for path, message in ((tmp_path / "pipe", "it is no file"), (tmp_path, "it is no file")):
        with pytest.raises(Damaged, match=message):
            read_json(path)


def test_a_compressed_file_that_unpacks_to_far_more_is_refused(tmp_path):
    (tmp_path / "file.gz").write_bytes(gzip.compress(b" " * 2**27))
    with pytest.raises(Damaged, match="it unpacks to more than 64 MiB"):
        read_json(tmp_path / "file")
