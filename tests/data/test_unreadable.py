"""Folders as people have them: what cannot be read is named in one clear line, or left out and counted."""

import os
import pathlib
import pickle
import struct
import zlib

import numpy as np
import pytest

from aejax.data.load import DataConfig, load
from aejax.data.sources.zoo import find_source
from aejax.data.summary import summarize
from aejax.store.directory import StudyDirectory
from aejax.store.record import require_record
from tests.data.loading import refusal
from tests.data.pictures import fill, pixels, read, save


def bomb(side=20000):
    """A PNG that says it has more pixels than are safe to decode."""
    chunks = b"IHDR" + struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0), b"IDAT" + zlib.compress(bytes(1000))
    packed = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


BROKEN = {
    "a_zero.png": "an empty file",
    "b_text.jpg": "no picture, or a damaged one",
    "c_cut.png": "truncated",
    "d_bomb.png": "more than 89478485 pixels, which may be a decompression bomb",
    "e_dead.png": "No such file or directory",
    "f_self.png": "Too many levels of symbolic links",
}


@pytest.fixture
def odd(tmp_path):
    """A folder as people have them: with broken files, an empty class, other files, and links that lead back."""
    name = fill(tmp_path / "photos", "cats", "Hünde")
    cats = tmp_path / "photos" / "cats"
    (cats / "a_zero.png").touch()
    (cats / "b_text.jpg").write_text("hello")
    whole = (cats / "0.png").read_bytes()
    (cats / "c_cut.png").write_bytes(whole[: len(whole) // 2])
    (cats / "d_bomb.png").write_bytes(bomb())
    os.symlink("nowhere", cats / "e_dead.png")
    os.symlink("f_self.png", cats / "f_self.png")
    os.symlink("..", cats / "loop")
    (cats / "README.txt").write_text("hello")
    (cats / "Thumbs.db").write_bytes(b"x")
    (cats / ".hidden.png").touch()
    (tmp_path / "photos" / "empty").mkdir()
    return name


def test_what_cannot_be_read_is_named_and_counted(odd):
    message = refusal(read, odd)
    assert "6 of 18 pictures cannot be read: cats/a_zero.png (an empty file), cats/b_text.jpg" in message
    assert message.endswith("and 3 more; remove or replace them, or set data.unreadable=skip")


@pytest.mark.parametrize("file", BROKEN)
def test_why_it_cannot_be_read(odd, file):
    folder = odd.removesuffix("/") + "/cats/"
    for other in set(BROKEN) - {file}:
        os.unlink(folder + other)
    message = refusal(read, odd)
    assert f"1 of 13 pictures cannot be read: cats/{file} (" in message
    assert BROKEN[file] in message


def test_the_rest_is_read_where_that_is_asked_for(odd):
    dataset = load(DataConfig(name=odd, unreadable="skip"))
    assert sum(len(split.image) for split in dataset.splits.values()) == 12
    assert dataset.classes.names == ("Hünde", "cats")
    lines = [line.removeprefix(f"{odd}: ") for line in summarize(dataset)[1:]]
    assert lines[:3] == [
        "2 files that are no pictures were left out: cats/README.txt, cats/Thumbs.db",
        "links that lead back to a folder above were not followed: cats/loop",
        "folders without pictures became no classes: empty",
    ]
    assert lines[3].startswith("6 of 18 pictures cannot be read and were left out: cats/a_zero.png (an empty file)")
    whole = read(fill(pathlib.Path(odd).parent / "again", "cats", "Hünde"))
    np.testing.assert_array_equal(read(odd, unreadable="skip").arrays["image"], whole.arrays["image"])


def test_nothing_to_read_is_one_line(tmp_path):
    assert "cannot be read: No such file or directory; give data.name" in refusal(read, f"{tmp_path}/none/")
    assert f"{tmp_path}/ has no pictures; name a folder" in refusal(read, f"{tmp_path}/")
    (tmp_path / "README.txt").touch()
    assert "has no pictures (it has: README.txt)" in refusal(read, f"{tmp_path}/")
    assert "is a file; name the folder of pictures" in refusal(read, f"{tmp_path}/README.txt")
    (tmp_path / "a.png").touch()
    assert "1 of 1 pictures cannot be read: a.png (an empty file)" in refusal(
        read, f"{tmp_path}/", unreadable="skip", size=4
    )


def test_a_folder_that_looks_like_a_name_is_told_apart(tmp_path, monkeypatch):
    fill(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert "for the folder of this name write data.name=photos/" in refusal(load, DataConfig(name="photos"))
    assert load(DataConfig(name="photos/")).fingerprint == load(DataConfig(name="./photos")).fingerprint


@pytest.mark.slow
def test_a_study_records_and_shows_classes_and_what_was_done_with_pictures(odd, tmp_path):
    import aejax

    data = aejax.DataConfig(name=odd, unreadable="skip", size=4, validation_size=2)
    evaluation = aejax.EvaluationConfig(measures=(), baselines=())
    training = aejax.TrainingConfig(epochs=1, batch_size=4)
    study = aejax.Config(data=data, evaluation=evaluation, training=training)
    aejax.run(study, seeds=1, workdir=tmp_path / "study")
    record = require_record(StudyDirectory(tmp_path / "study"))
    assert list(record.classes.values()) == [("Hünde", "cats")]
    (notes,) = record.notes.values()
    assert any(note.startswith("6 of 18 pictures cannot be read and were left out") for note in notes)
    page = (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
    assert "2 classes: Hünde, cats" in page
    assert "6 of 18 pictures cannot be read and were left out" in page


# Read when asked for.


def test_pictures_read_when_asked_for_are_those_that_are_all_read(odd):
    source = find_source(DataConfig(name=odd, unreadable="skip", size=5))
    lazy, resident = source.on_demand(), source.read()
    images = pickle.loads(pickle.dumps(lazy.arrays["image"]))
    assert (images.shape, images.dtype, len(images)) == ((12, 5, 5, 3), np.uint8, 12)
    assert lazy.notes == resident.notes
    np.testing.assert_array_equal(images[:], resident.arrays["image"])
    np.testing.assert_array_equal(images[np.array([7, 2, 7])], resident.arrays["image"][[7, 2, 7]])
    assert lazy.arrays["label"].tolist() == ["Hünde"] * 6 + ["cats"] * 6


def test_one_that_is_damaged_is_named_when_it_is_asked_for(tmp_path):
    name = fill(tmp_path)
    path = tmp_path / "3.png"
    path.write_bytes(path.read_bytes()[:-60])
    images = find_source(DataConfig(name=name)).on_demand().arrays["image"]
    assert len(images[:3]) == 3
    assert "pictures cannot be read: 3.png (image file is truncated" in refusal(images.__getitem__, slice(2, 5))


def test_files_are_decoded_once_while_they_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    name = fill(tmp_path / "photos")
    first = load(DataConfig(name=name)).fingerprint
    assert load(DataConfig(name=name)).fingerprint == first
    assert len(list((tmp_path / "cache" / "aejax" / "arrays").iterdir())) == 1
    save(tmp_path / "photos" / "0.png", pixels(seed=99))
    os.utime(tmp_path / "photos" / "0.png", (0, 0))
    assert load(DataConfig(name=name)).fingerprint != first
