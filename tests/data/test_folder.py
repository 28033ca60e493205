"""Folders of pictures: classes and splits, sizes, colors, and all kinds and formats."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from aejax import config
from aejax.data.load import DataConfig, load
from aejax.data.sources.zoo import find_source
from aejax.data.summary import summarize
from aejax.errors import ConfigError
from tests.data.loading import refusal
from tests.data.pictures import SIZE, fill, one, pixels, read, save

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


# Arrays, each in a file of its own.


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
