"""Folders of pictures: whatever people keep in one is read, or named in one clear line, or left out and counted."""

import os
import pathlib
import pickle
import struct
import unicodedata
import zlib

import numpy as np
import pytest
from PIL import Image

from aejax import config
from aejax.data.load import DataConfig, load
from aejax.data.sources.zoo import find_source
from aejax.data.summary import summarize
from aejax.errors import ConfigError
from aejax.store.directory import StudyDirectory
from aejax.store.record import require_record
from tests.data.loading import refusal

SIZE = 12


def pixels(height=SIZE, width=SIZE, channels=3, seed=0, white=255):
    shape = (height, width, channels) if channels else (height, width)
    return np.random.default_rng(seed).integers(0, white, shape, np.uint16 if white > 256 else np.uint8, endpoint=True)


def save(path, array, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **how)


def fill(folder, *classes, num=6, channels=3):
    """Writes pictures of classes, or without any, and returns the folder as data.name takes it."""
    for name in classes or ("",):
        for index in range(num):
            seed = zlib.crc32(f"{name}{index}".encode())
            save(folder / name / f"{index}.png", pixels(channels=channels, seed=seed))
    return f"{folder}/"


def read(name, **fields):
    return find_source(DataConfig(name=name, **fields)).read()


def one(path, **fields):
    """The pixels of the only picture in the folder of a path, [height, width, channels]."""
    (image,) = read(f"{path.parent}/", **fields).arrays["image"]
    return image


# Classes and splits.


def test_folders_are_classes_by_their_names(tmp_path):
    name = fill(tmp_path, "bird", "Äpfel", "cat")
    save(tmp_path / "cat" / "more" / "deep" / "x.png", pixels(seed=7))
    dataset = load(DataConfig(name=name))
    assert dataset.classes.names == ("bird", "cat", "Äpfel")
    assert sum(len(split.image) for split in dataset.splits.values()) == 19
    contents = read(name)
    for image, label in zip(contents.arrays["image"], contents.arrays["label"], strict=True):
        folder = tmp_path / dataset.classes.names[label]
        assert any((image == np.asarray(Image.open(path))).all() for path in folder.rglob("*.png"))
    assert "3 classes: bird, cat, Äpfel" in summarize(dataset)[0]


def test_a_folder_without_classes(tmp_path):
    dataset = load(DataConfig(name=fill(tmp_path, channels=0)))
    assert dataset.num_classes is None
    assert dataset.train.image.shape[1:] == (SIZE, SIZE, 1)
    assert dataset.notes == ()


def test_train_and_test_and_what_is_beside_them(tmp_path):
    name = fill(tmp_path / "Train", "a", "b")
    fill(tmp_path / "val", "a", num=3)
    fill(tmp_path / "test", "a", "b", num=2)
    fill(tmp_path / "other", num=1)
    name = f"{tmp_path}/"
    contents = read(name)
    assert {part: len(array) for part, array in contents.arrays.items()} == {
        **{"image": 15, "test_image": 4, "label": 15, "test_label": 4, "class_values": 2, "class_names": 2}
    }
    assert contents.arrays["label"].tolist() == [0] * 6 + [1] * 6 + [0] * 3
    assert contents.notes == (
        "3 pictures of a validation folder are among those to train on; data.validation_size cuts from all",
        "1 pictures beside train/ and test/ were left out",
    )
    assert "has a test split of its own" in refusal(load, DataConfig(name=name, test_size=3))


def test_splits_that_do_not_go_together(tmp_path):
    fill(tmp_path / "train", "a", "b")
    fill(tmp_path / "test")
    assert "only one of train/ and test/ has all its pictures in folders of classes" in refusal(read, f"{tmp_path}/")
    for path in (tmp_path / "test").iterdir():
        path.unlink()
    assert "test/ has no pictures; put some there, or remove it" in refusal(read, f"{tmp_path}/")


def test_pictures_in_folders_and_beside_them_have_no_classes(tmp_path):
    name = fill(tmp_path, "a", "b")
    save(tmp_path / "beside.png", pixels())
    contents = read(name)
    assert "label" not in contents.arrays
    assert contents.notes == ("pictures are both in folders and beside them, so folders are taken for no classes",)


def test_the_order_depends_on_names_alone(tmp_path):
    names = ["10.png", "9.png", "a/b.png", "a-b.png", "Z.png", "é.png"]
    for order, folder in ((names, "one"), (names[::-1], "other")):
        for name in order:
            form = "NFC" if folder == "one" else "NFD"  # As other file systems write it.
            save(tmp_path / folder / unicodedata.normalize(form, name), pixels(seed=names.index(name)))
    images = [read(f"{tmp_path / folder}/").arrays["image"] for folder in ("one", "other")]
    np.testing.assert_array_equal(*images)
    order = [0, 1, 4, 2, 3, 5]
    np.testing.assert_array_equal(images[0], [pixels(seed=index) for index in order])


# Any size.


def test_sizes_that_differ_need_one_that_is_set(tmp_path):
    save(tmp_path / "a.png", pixels(8, 10))
    save(tmp_path / "b.png", pixels(9, 10))
    message = refusal(read, f"{tmp_path}/")
    assert "have different sizes, height x width: 8 x 10 (1), 9 x 10 (1); set the one" in message
    assert "data.size=64 or data.size=[48,64]" in message
    contents = read(f"{tmp_path}/", size=(4, 5))
    assert contents.arrays["image"].shape == (2, 4, 5, 3)
    assert contents.notes == ("2 of 2 pictures of another size than 4 x 5: scaled to cover it, center cut out",)


def test_how_pictures_are_brought_to_a_size(tmp_path):
    halves = np.zeros((10, 20), np.uint8)
    halves[:, 10:] = 200
    save(tmp_path / "x" / "a.png", halves)
    path = tmp_path / "x" / "a.png"
    crop, pad, stretch = (one(path, size=10, resize=how)[..., 0] for how in ("crop", "pad", "stretch"))
    np.testing.assert_array_equal(crop, halves[:, 5:15])
    assert stretch[:, :4].max() == 0
    assert stretch[:, 6:].min() == 200
    assert (pad[:2].max(), pad[-2:].max(), pad[5, 8]) == (0, 0, 200)
    assert one(path, size=(20, 40)).shape == (20, 40, 1)


def test_a_size_is_a_number_or_height_and_width():
    assert config.load(DataConfig, {"name": "photos/", "size": [3, 4]}).size == (3, 4)
    for size in (0, [3], [3, 4, 5], [3, 0], "3"):
        with pytest.raises(ConfigError, match="size"):
            config.load(DataConfig, {"name": "photos/", "size": size})


def test_what_is_for_pictures_is_refused_elsewhere():
    assert "data.size is of pictures in files and of Hugging Face data sets, and digits" in refusal(
        load, DataConfig(size=3)
    )


# Any kind.


def test_gray_and_color(tmp_path):
    gray, color = pixels(channels=0), pixels(seed=1)
    save(tmp_path / "a.png", gray)
    save(tmp_path / "b.png", color)
    both = read(f"{tmp_path}/")
    np.testing.assert_array_equal(both.arrays["image"], [np.repeat(gray[..., None], 3, 2), color])
    assert both.notes == ("1 of 2 pictures in gray: stored as RGB",)
    made_gray = read(f"{tmp_path}/", color="gray")
    np.testing.assert_allclose(made_gray.arrays["image"][1, ..., 0], color @ [0.299, 0.587, 0.114], atol=1)
    assert made_gray.notes == ("1 of 2 pictures in color: made gray",)


def test_16_bits_are_scaled_by_their_full_range_and_kept(tmp_path):
    deep, shallow = pixels(channels=0, white=65535), pixels(channels=0)
    save(tmp_path / "a.png", deep)
    save(tmp_path / "b.tif", deep)
    save(tmp_path / "c.png", shallow)
    contents = read(f"{tmp_path}/")
    expected = np.stack([deep / 65535, deep / 65535, shallow / 255])[..., None].astype(np.float32)
    np.testing.assert_array_equal(contents.arrays["image"], expected)
    assert contents.notes == (
        "2 of 3 pictures with more than 8 bits: white is the largest number of these, or data.maximum",
        "all pictures are stored as float32, because of those of more than 8 bits",
    )
    assert load(DataConfig(name=f"{tmp_path}/")).train.image.dtype == np.float32


def test_white_of_12_bits_and_of_masks(tmp_path):
    twelve, mask = pixels(channels=0, white=4095), pixels(channels=0, white=1)
    save(tmp_path / "deep" / "a.png", twelve)
    save(tmp_path / "mask" / "a.png", mask)
    np.testing.assert_allclose(one(tmp_path / "deep" / "a.png", maximum=4095.0)[..., 0], twelve / 4095, rtol=1e-6)
    np.testing.assert_array_equal(one(tmp_path / "mask" / "a.png", maximum=1.0)[..., 0], mask * 255)
    np.testing.assert_array_equal(one(tmp_path / "mask" / "a.png")[..., 0], mask)  # White is 255 in a picture.
    for folder, words in (("deep", "where white is 1000; set data.maximum"), ("mask", "above data.maximum=0.5")):
        message = refusal(read, f"{tmp_path / folder}/", maximum=0.5 if folder == "mask" else 1000.0)
        assert words in message


def test_floats_in_tiff(tmp_path):
    image = np.random.default_rng(0).random((4, 5), np.float32)
    save(tmp_path / "a.tif", image)
    np.testing.assert_array_equal(one(tmp_path / "a.tif")[..., 0], image)
    save(tmp_path / "a.tif", image * np.nan)
    assert "pixels from nan to nan" in refusal(one, tmp_path / "a.tif")


def test_a_palette_and_transparency_on_white(tmp_path):
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[0] = (200, 100, 50, 255)
    clear[1] = (0, 0, 0, 128)
    expected = np.full((4, 4, 3), 255)
    expected[0], expected[1] = (200, 100, 50), 127
    save(tmp_path / "rgba" / "a.png", clear)
    np.testing.assert_allclose(one(tmp_path / "rgba" / "a.png"), expected, atol=1)
    save(tmp_path / "la" / "a.png", clear[..., [0, 3]])
    np.testing.assert_allclose(one(tmp_path / "la" / "a.png")[..., 0], expected[..., 0], atol=1)
    colors = Image.fromarray(pixels()).quantize(8)
    (tmp_path / "palette").mkdir()
    colors.save(tmp_path / "palette" / "a.png")
    np.testing.assert_array_equal(one(tmp_path / "palette" / "a.png"), np.asarray(colors.convert("RGB")))
    colors.save(tmp_path / "palette" / "a.png", transparency=colors.getpixel((0, 0)))
    assert one(tmp_path / "palette" / "a.png")[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("extension", ["jpg", "png", "tif", "webp"])
def test_exif_rotation_turns_the_picture(tmp_path, extension):
    image = np.zeros((8, 16, 3), np.uint8)
    image[:, 8:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned clockwise: what is at its right comes to the bottom.
    how = {"lossless": True} if extension == "webp" else {}
    save(tmp_path / f"a.{extension}", image, exif=exif, **how)
    (turned,) = read(f"{tmp_path}/").arrays["image"]
    assert turned.shape == (16, 8, 3)
    assert turned[:7].max() < 30
    assert turned[9:].min() > 225
    assert read(f"{tmp_path}/").notes == ("1 of 1 pictures with an EXIF orientation: turned upright",)


def test_other_kinds_that_pillow_reads(tmp_path):
    frames = [Image.fromarray(pixels(seed=seed)) for seed in range(2)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(pixels(channels=4), "CMYK").save(tmp_path / "b.tif")
    Image.fromarray(pixels(channels=0) > 127).save(tmp_path / "c.png")
    frames[0].save(tmp_path / "d.bmp")
    frames[0].save(tmp_path / "E.PNG")
    contents = read(f"{tmp_path}/")
    assert contents.arrays["image"].shape == (5, SIZE, SIZE, 3)
    assert set(contents.notes) == {
        "1 of 5 pictures with a palette: converted to its colors",
        "1 of 5 pictures with several frames: the first one taken",
        "1 of 5 pictures in inks (CMYK): converted to RGB",
        "1 of 5 pictures in gray: stored as RGB",
    }
    np.testing.assert_array_equal(np.unique(contents.arrays["image"][3]), [0, 255])
    np.testing.assert_array_equal(contents.arrays["image"][0], contents.arrays["image"][4])


# Whatever else lies in a folder.


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


# Arrays of which each is a file.


def test_npy_files(tmp_path):
    image, label = pixels(20, 3, 2), np.array(["ant", "bee"] * 10)
    np.save(tmp_path / "image.npy", image)
    np.save(tmp_path / "label.npy", label)
    np.save(tmp_path / "other.npy", image)
    dataset = load(DataConfig(name=f"{tmp_path}/"))
    assert dataset.classes.names == ("ant", "bee")
    assert load(DataConfig(name=f"{tmp_path}/image.npy")).fingerprint == dataset.fingerprint
    assert load(DataConfig(name=f"{tmp_path}/other.npy")).num_classes is None
    np.savez(tmp_path / "both.npz", image=image, label=label)
    assert load(DataConfig(name=f"{tmp_path}/both.npz")).fingerprint == dataset.fingerprint
    lazy = find_source(DataConfig(name=f"{tmp_path}/")).on_demand().arrays["image"]
    assert isinstance(lazy, np.memmap)
    assert "no.npy cannot be read: No such file" in refusal(load, DataConfig(name=f"{tmp_path}/no.npy"))
    (tmp_path / "other.npy").write_bytes(b"PNG")
    assert "write it with numpy.save(path, images)" in refusal(load, DataConfig(name=f"{tmp_path}/other.npy"))
