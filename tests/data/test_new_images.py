"""New images for a trained model: in the form of those that it was trained on. And images read from Python."""

import numpy as np
import pytest

import aejax
from aejax.data.description import DataDescription
from aejax.data.load import DataConfig, load
from aejax.data.sources.new_images import new_images
from tests.data.loading import refusal
from tests.data.test_folder import fill, pixels, save


def describe(config):
    return config, DataDescription.of(load(config))


def test_pictures_come_as_those_of_training_do(tmp_path):
    name = fill(tmp_path / "photos", "a", "b")
    trained_on = describe(DataConfig(name=name, size=(4, 5), resize="stretch", color="gray"))
    (tmp_path / "photos" / "README.txt").touch()
    images, names, _, notes = new_images(name, *trained_on)
    expected = aejax.read_images(name, size=(4, 5), resize="stretch", color="gray")
    np.testing.assert_array_equal(images, expected.images)
    assert names == list(expected.files) == [f"{folder}/{index}.png" for folder in "ab" for index in range(6)]
    assert "12 of 12 pictures in color: made gray" in notes
    single = new_images(tmp_path / "photos" / "b" / "3.png", *trained_on)
    np.testing.assert_array_equal(single.image, images[9:10])
    assert single.name == ["3.png"]


def test_deep_pictures_and_shallow_ones_for_a_model_of_either(tmp_path):
    deep = pixels(channels=0, white=65535)
    save(tmp_path / "deep" / "a.png", deep)
    shallow = fill(tmp_path / "shallow", channels=0)
    of_floats = new_images(shallow, DataConfig(), DataDescription(**FACTS, image_type="float32"))
    np.testing.assert_array_equal(of_floats.image, aejax.read_images(shallow).images / np.float32(255))
    of_bytes = new_images(tmp_path / "deep", DataConfig(), DataDescription(**FACTS, image_type="uint8"))
    np.testing.assert_array_equal(of_bytes.image[0, ..., 0], np.rint(deep / 65535 * 255))


FACTS = {"name": "x", "fingerprint": "0" * 16, "image_shape": (12, 12, 1), "num_images": {}, "num_classes": None}


def test_arrays_have_the_white_of_training_and_its_shape(tmp_path):
    dark = pixels(12, 12, 1, white=60)[None]
    np.save(tmp_path / "dark.npy", dark)
    np.savez(tmp_path / "dark.npz", image=dark)
    bytes_ = DataDescription(**FACTS, image_type="uint8")
    for file in ("dark.npy", "dark.npz"):
        np.testing.assert_array_equal(new_images(tmp_path / file, DataConfig(), bytes_).image, dark)
    scaled = new_images(tmp_path / "dark.npz", DataConfig(maximum=60.0), bytes_).image
    np.testing.assert_array_equal(scaled, np.rint(np.arange(61) * (255 / 60)).astype(np.uint8)[dark])
    white = new_images(tmp_path / "dark.npz", DataConfig(binarization="threshold"), bytes_).image
    assert white.max() == 0
    np.savez(tmp_path / "other.npz", image=pixels(3, 4, 1)[None])
    message = refusal(new_images, tmp_path / "other.npz", DataConfig(), bytes_)
    assert "holds images of 3 x 4 x 1, and the model was trained on images of 12 x 12 x 1" in message


def test_nothing_to_read_is_one_line(tmp_path):
    like = DataDescription(**FACTS, image_type="uint8")
    assert "has no pictures; name a folder" in refusal(new_images, tmp_path, DataConfig(), like)
    assert "cannot be read: No such file" in refusal(new_images, tmp_path / "none", DataConfig(), like)
    (tmp_path / "a.png").touch()
    message = refusal(new_images, tmp_path, DataConfig(), like)
    assert "1 of 1 pictures cannot be read: a.png (an empty file)" in message


# From Python.


def test_read_images(tmp_path):
    name = fill(tmp_path / "photos" / "train", "ant", "bee").removesuffix("train/")
    fill(tmp_path / "photos" / "test", "ant", "bee", num=1)
    train, test = aejax.read_images(name, size=5), aejax.read_images(name, split="test", size=5)
    assert (train.images.shape, train.images.dtype) == ((12, 5, 5, 3), np.uint8)
    assert train.labels.tolist() == ["ant"] * 6 + ["bee"] * 6
    assert train.classes == ("ant", "bee")
    assert (train.files[6], test.files) == ("train/bee/0.png", ("test/ant/0.png", "test/bee/0.png"))
    assert test.labels.tolist() == ["ant", "bee"]
    assert aejax.read_images(tmp_path / "photos", size=5).images.shape == train.images.shape
    np.savez(tmp_path / "masks.npz", image=pixels(3, 4, 1, white=1)[None])
    assert aejax.read_images(tmp_path / "masks.npz").images.max() == 255
    with pytest.raises(aejax.ConfigError, match=r"split='test': .* has train$"):
        aejax.read_images(f"{name}/train/", split="test")
    with pytest.raises(aejax.ConfigError, match="unknown field 'sise'"):
        aejax.read_images(name, sise=5)


def test_read_images_without_a_label_are_of_no_class(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 3), np.uint8)
    np.savez(tmp_path / "some.npz", image=images, label=np.array([7, -1, 3, -1]))
    read = aejax.read_images(tmp_path / "some.npz")
    assert (read.labels.tolist(), read.classes) == (["7", "", "3", ""], ("3", "7"))


def test_a_path_in_the_place_of_images(tmp_path):
    name = fill(tmp_path / "photos", "ant", "bee")
    config = aejax.Config(
        data=aejax.DataConfig(size=5, validation_size=2, test_size=0),
        training=aejax.TrainingConfig(epochs=1, batch_size=4),
        autoencoder=aejax.PlainConfig(latent_size=3),
    )
    model = aejax.fit(config, name)
    assert model.config.data.name == name
    assert model.encode(aejax.read_images(name, size=5).images).shape == (12, 3)
    with pytest.raises(aejax.ConfigError, match="name two data sets"):
        aejax.fit(aejax.Config(data=aejax.DataConfig(name="mnist")), name)
