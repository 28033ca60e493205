"""Vectors in the place of images: how files of them are read, scaled and refused, and what they are not asked for."""

import dataclasses

import numpy as np
import pytest

from aejax.autoencoders.jump_relu import JumpReluConfig
from aejax.config import override
from aejax.data import preprocessing
from aejax.data.description import DataDescription
from aejax.data.inspection import inspect
from aejax.data.load import DataConfig, Dataset, load
from aejax.data.on_demand import OnDemand
from aejax.data.sources.new_images import new_images
from aejax.data.summary import summarize
from aejax.data.vectors import check_pictures
from aejax.errors import DataError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check_data
from aejax.trained.images import check_images
from tests.data.loading import load_file, refusal, save

VECTORS = np.random.default_rng(0).normal(scale=30, size=(60, 7))
LABEL = np.array(["a", "b", ""])[np.arange(60) % 3]


def test_vectors_of_a_file_are_images_of_one_pixel_and_stay_as_they_are(tmp_path):
    dataset = load_file(tmp_path, features=VECTORS, label=LABEL, test_features=VECTORS[:9], test_label=LABEL[:9])
    assert dataset.vectors
    assert dataset.train.image.shape == (54, 1, 1, 7)
    assert dataset.train.image.dtype == np.float32
    np.testing.assert_array_equal(dataset.test.image[:, 0, 0], VECTORS[:9].astype(np.float32))
    everything = np.concatenate([dataset.train.image, dataset.validation.image])[:, 0, 0]
    np.testing.assert_array_equal(np.sort(everything, axis=0), np.sort(VECTORS.astype(np.float32), axis=0))
    assert dataset.classes.names == ("a", "b")
    assert "vectors of 7 (54 train, 6 validation, 9 test); float64 from" in summarize(dataset)[0]
    assert inspect(dataset).splits["train"].constant == 0
    described = DataDescription.of(dataset)
    assert (described.vectors, described.image_type) == (True, "float32")
    with pytest.raises(DataError, match="holds vectors, and no picture shows these"):
        check_pictures(described)


def test_vectors_in_npy_files_are_read_when_they_are_needed(tmp_path):
    np.save(tmp_path / "features.npy", VECTORS.astype(np.float16))
    np.save(tmp_path / "label.npy", np.arange(60) % 3)
    whole, streamed = (load(DataConfig(name=f"{tmp_path}/", memory=memory)) for memory in (None, 1e-7))
    assert isinstance(streamed.train.image, OnDemand)
    assert streamed.vectors
    assert streamed.train.image.dtype == np.float32
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(streamed.splits[split].image[:], whole.splits[split].image)
        np.testing.assert_array_equal(streamed.splits[split].label, whole.splits[split].label)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"features": VECTORS[:, None]}, "'features' has shape (60, 1, 7); it should be [N, size]"),
        ({"features": VECTORS[:0]}, "'features' has shape (0, 7); it should be [N, size]"),
        ({"features": np.where(VECTORS > 60, np.nan, VECTORS)}, "'features' has numbers that are NaN"),
        ({"features": VECTORS * 1e38}, "'features' has numbers that are infinite as float32"),
        ({"features": VECTORS.astype(int)}, "'features' is int64; it should be floats"),
        ({"features": VECTORS, "label": LABEL[:9]}, "'label' has shape (9,); it should be (60,), one for each"),
        ({"features": VECTORS, "image": np.zeros((60, 2, 2), np.uint8)}, "it should hold 'image' (or 'features'"),
        ({"features": VECTORS, "test_image": np.zeros((6, 2, 2), np.uint8)}, "it should hold 'image' (or 'features'"),
        ({"codes": VECTORS}, "holds the arrays codes; it should hold 'image' (or 'features', of vectors)"),
        ({"label": LABEL}, "holds the arrays label; it should hold 'image' (or 'features', of vectors)"),
        ({}, "holds the arrays (none); it should hold 'image' (or 'features', of vectors)"),
        ({"image": VECTORS}, "has shape (60, 7); it should be [N, H, W] or [N, H, W, C], and not empty; vectors [N, "),
        ({"features": VECTORS, "test_label": LABEL}, "there is 'test_label' but no 'test_features'"),
        ({"features": VECTORS, "test_features": VECTORS[:, :5]}, "training images are float32 (1, 1, 7) and test"),
    ],
)
def test_files_that_hold_no_vectors_are_refused_in_a_line(arrays, words, tmp_path):
    assert words in refusal(load_file, tmp_path, **arrays)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"binarization": "threshold"}, "data.binarization=threshold is of images, and"),
        ({"maximum": 2.0}, "data.maximum=2 is the number that is white, and"),
        ({"preprocessing": "per_channel"}, "data.preprocessing=per_channel: a vector has one number in each channel"),
        ({"size": 3}, "data.size is of pictures in files"),
    ],
)
def test_fields_of_images_are_refused_when_vectors_are_read(fields, words, tmp_path):
    assert words in refusal(load_file, tmp_path, features=VECTORS, config=fields)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    return load_file(tmp_path_factory.mktemp("vectors"), features=VECTORS, label=np.arange(60) % 3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data.preprocessing": "none"}, "data.preprocessing=none: {} holds vectors, whose numbers may be of any size"),
        ({"training.augmentation.shift": 1}, "training.augmentation is of images, and {} holds vectors; leave it out"),
        ({"fine_tuning.augmentation": {"flip": 0.5}}, "fine_tuning.augmentation is of images, and {} holds vectors"),
        ({"evaluation.flip": "test", "evaluation.measures": ["probe"]}, "evaluation.flip=test is of images, and {}"),
        ({"evaluation.measures": ["robustness"]}, "evaluation.measures has 'robustness', which is of images, and {}"),
        ({"generation.sampler": "mixture"}, "generation.sampler is of images, and {} holds vectors"),
        ({"autoencoder.patches": {"size": 2}}, "autoencoder.patches does not fit {}"),
        ({"autoencoder.encoder": "conv"}, "autoencoder.encoder=conv does not fit {}"),
    ],
)
def test_what_is_of_images_is_not_asked_of_vectors(changes, words, vectors):
    base = {"data.preprocessing": "mean_norm", "autoencoder": "jump_relu", "training.batch_size": 10}
    config = override(Config(), base | changes)
    assert words.format(vectors.name) in refusal(check_data, config, vectors)


def test_a_sparse_autoencoder_of_vectors_is_asked_for_what_it_has(vectors):
    measures = EvaluationConfig(measures=("reconstruction", "probe", "sparsity", "loss_recovered"))
    data, family = DataConfig(preprocessing="mean_norm"), JumpReluConfig(latent_size=20)
    config = Config(data=data, autoencoder=family, evaluation=measures)
    check_data(dataclasses.replace(config, training=dataclasses.replace(config.training, batch_size=10)), vectors)


def test_one_number_makes_the_squared_norm_1_on_average(vectors):
    fitted = preprocessing.fit("mean_norm", vectors.train.image)
    scaled = np.asarray(preprocessing.apply(fitted, vectors.train.image))
    assert np.sum(scaled**2) / len(scaled) == pytest.approx(1, rel=1e-5)
    ratio = scaled / vectors.train.image
    np.testing.assert_allclose(ratio, ratio[0, 0, 0, 0], rtol=1e-5)
    again = preprocessing.invert(fitted, scaled, vectors.train.image)
    np.testing.assert_allclose(again, vectors.train.image, rtol=1e-5)
    shapes = preprocessing.shapes("mean_norm", 45, 7)
    assert {name: array.shape for name, array in preprocessing.to_arrays(fitted).items()} == {
        name: getattr(shapes, name).shape for name in ("mean", "forward", "inverse")
    }
    flat = np.zeros((3, 1, 1, 7), np.float32)
    np.testing.assert_array_equal(preprocessing.apply(preprocessing.fit("mean_norm", flat), flat), flat)


def test_a_model_of_vectors_takes_vectors(vectors: Dataset, tmp_path):
    like = DataDescription.of(vectors)
    path = save(tmp_path, features=VECTORS[:4], label=LABEL[:4])
    found = new_images(path, DataConfig(), like)
    np.testing.assert_array_equal(found.image[:, 0, 0], VECTORS[:4].astype(np.float32))
    assert list(found.label) == list(LABEL[:4])
    np.testing.assert_array_equal(check_images(VECTORS[:4], like), found.image)
    assert "vectors have numbers that are NaN" in refusal(check_images, VECTORS[:4] + np.nan, like)
    assert "those that it was trained on have (n, 1, 1, 7)" in refusal(check_images, VECTORS[:4, :5], like)
    assert "it should hold 'features'" in refusal(
        new_images, save(tmp_path, image=VECTORS[:4, None]), DataConfig(), like
    )
    assert "trained on vectors of 7; give it an .npz of 'features'" in refusal(
        new_images, str(tmp_path), DataConfig(), like
    )
