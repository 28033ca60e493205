"""Loading: what comes back, what does not change it, and one clear line for everything that can be wrong."""

import pathlib
import re

import numpy as np
import pytest

from aejax.data.load import DataConfig, load
from aejax.store.directory import StudyDirectory
from aejax.store.record import require_record
from tests.data.loading import gray, load_file, refusal, rows, save

ROOT = pathlib.Path(__file__).parent.parent.parent


# Splits.


def test_digits_by_default():
    dataset = load(DataConfig())
    sizes = [len(split.image) for split in (dataset.train, dataset.validation, dataset.test)]
    assert sizes == [1294, 143, 360]
    assert (dataset.name, dataset.num_classes) == ("digits", 10)
    assert dataset.train.image.dtype == np.uint8
    assert dataset.train.image.shape[1:] == (8, 8, 1)
    assert dataset.train.label.dtype == np.int32
    assert re.fullmatch("[0-9a-f]{16}", dataset.fingerprint)


def test_without_a_test_split_every_image_is_in_exactly_one_part(tmp_path):
    image, label = gray(), np.arange(60)
    dataset = load_file(tmp_path, image=image, label=label)
    parts = (dataset.train, dataset.validation, dataset.test)
    assert [len(part.image) for part in parts] == [45, 5, 10]
    assert rows(*parts) == sorted(map(bytes, image))
    for part in parts:
        np.testing.assert_array_equal(part.image, image[part.label])


def test_an_own_test_split_stays_whole_and_in_order(tmp_path):
    test = gray(7, seed=1)
    dataset = load_file(
        tmp_path,
        image=gray(),
        label=np.zeros(60, int),
        test_image=test,
        test_label=np.arange(7),
        config={"train_size": 3},
    )
    np.testing.assert_array_equal(dataset.test.image, test)
    np.testing.assert_array_equal(dataset.test.label, np.arange(7))
    assert dataset.num_classes == 7


def test_parts_of_other_sizes_lie_within_each_other(tmp_path):
    whole = load_file(tmp_path, image=gray())
    fewer = load_file(tmp_path, image=gray(), config={"train_size": 11})
    np.testing.assert_array_equal(fewer.train.image, whole.train.image[:11])
    for part in ("validation", "test"):
        np.testing.assert_array_equal(getattr(fewer, part).image, getattr(whole, part).image)
    larger = load_file(tmp_path, image=gray(), config={"validation_size": 20})
    np.testing.assert_array_equal(larger.validation.image[:5], whole.validation.image)
    np.testing.assert_array_equal(larger.test.image, whole.test.image)


def test_no_validation_images(tmp_path):
    dataset = load_file(tmp_path, image=gray(), config={"validation_size": 0})
    assert dataset.validation.image.shape == (0, 3, 2, 1)
    assert len(dataset.train.image) == 50


def test_the_smallest_data_set(tmp_path):
    dataset = load_file(tmp_path, image=gray(3))
    assert [len(split.image) for split in (dataset.train, dataset.validation, dataset.test)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"train_size": 46}, ["data.train_size=46", "45"]),
        ({"validation_size": 50}, ["60 images", "50 for validation", "10 for the test", "data.validation_size"]),
        ({"test_size": 60}, ["60 for the test", "data.test_size"]),
    ],
)
def test_more_images_than_there_are(tmp_path, config, words):
    message = refusal(load_file, tmp_path, image=gray(), config=config)
    assert all(word in message for word in words), message


def test_nothing_left_to_train_on_beside_an_own_test_split(tmp_path):
    message = refusal(load_file, tmp_path, image=gray(), test_image=gray(5), config={"validation_size": 60})
    assert "leave none to train on; make data.validation_size smaller" in message


def test_a_test_size_for_data_with_a_test_split(tmp_path):
    message = refusal(load_file, tmp_path, image=gray(), test_image=gray(5), config={"test_size": 10})
    assert "has a test split of its own" in message


# Fingerprints.


def test_fingerprint_names_the_exact_arrays(tmp_path):
    image, label = gray(), np.arange(60)
    original = load_file(tmp_path, image=image, label=label)
    assert load_file(tmp_path, image=image, label=label).fingerprint == original.fingerprint
    changed = image.copy()
    changed[17, 1, 1, 0] ^= 1
    others = [
        load_file(tmp_path, image=changed, label=label),
        load_file(tmp_path, image=image),
        load_file(tmp_path, image=image, label=label[::-1]),
        load_file(tmp_path, image=image.reshape(60, 2, 3, 1), label=label),
        load_file(tmp_path, image=image, label=label, config={"train_size": 44}),
    ]
    assert len({dataset.fingerprint for dataset in [original, *others]}) == 6


def test_fingerprints_are_those_that_were_published():
    record = require_record(StudyDirectory(ROOT / "experiments" / "results" / "quickstart"))
    assert set(record.data.values()) == {load(DataConfig()).fingerprint}


# Classes.


def test_chosen_classes_are_kept_in_every_split_and_counted_from_0_in_their_order(tmp_path):
    image, label, test = gray(), np.arange(60) % 5, gray(20, seed=1)
    arrays = {"image": image, "label": label, "test_image": test, "test_label": np.arange(20) % 5}
    dataset = load_file(tmp_path, **arrays, config={"classes": (4, 1)})
    assert dataset.num_classes == 2
    assert [len(split.image) for split in (dataset.train, dataset.validation, dataset.test)] == [22, 2, 8]
    for number, original in enumerate((4, 1)):
        of = [split.image[split.label == number] for split in (dataset.train, dataset.validation)]
        assert sorted(map(bytes, np.concatenate(of))) == sorted(map(bytes, image[label == original]))
        np.testing.assert_array_equal(dataset.test.image[dataset.test.label == number], test[original::5])
    assert dataset.train.label.dtype == np.int32


def test_all_classes_in_their_order_are_the_whole_data_set(tmp_path):
    whole = load_file(tmp_path, image=gray(), label=np.arange(60) % 5)
    chosen = load_file(tmp_path, image=gray(), label=np.arange(60) % 5, config={"classes": (0, 1, 2, 3, 4)})
    assert chosen.fingerprint == whole.fingerprint
    other = load_file(tmp_path, image=gray(), label=np.arange(60) % 5, config={"classes": (0, 1, 2, 4, 3)})
    assert other.fingerprint != whole.fingerprint


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "data.classes=[0, 7]: "),
        ({"label": np.arange(60) % 5}, "names 7, a class without images in the data of "),
        (
            {"label": np.arange(60) % 8, "test_image": gray(5), "test_label": np.arange(5)},
            "in the test split of ",
        ),
    ],
)
def test_classes_that_are_not_there(tmp_path, arrays, message):
    assert message in refusal(load_file, tmp_path, image=gray(), **arrays, config={"classes": (0, 7)})


# .npz files.


def test_images_without_a_channel_axis_and_without_labels(tmp_path):
    dataset = load_file(tmp_path, image=gray()[..., 0])
    assert dataset.train.image.shape == (45, 3, 2, 1)
    assert dataset.train.label is None
    assert dataset.num_classes is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_become_float32(tmp_path, dtype):
    dataset = load_file(tmp_path, image=(gray() / 255).astype(dtype))
    assert dataset.train.image.dtype == np.float32


def with_pixel(value):
    image = gray() / 255
    image[3, 0, 0, 0] = value
    return image


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": gray()}, ["arrays images", "'image'"]),
        ({"image": gray(), "labels": np.zeros(60, int)}, ["image, labels", "nothing else"]),
        ({}, ["(none)"]),
        ({"image": np.zeros((4, 3))}, ["'image' has shape (4, 3)", "[N, H, W]"]),
        ({"image": np.zeros((0, 3, 3))}, ["'image' has shape (0, 3, 3, 1)", "not empty"]),
        ({"image": gray().astype(complex)}, ["'image' is complex128", "uint8"]),
        ({"image": np.full((4, 3, 3), "a")}, ["'image' is <U1", "uint8"]),
        ({"image": with_pixel(np.nan)}, ["'image' has pixels that are NaN"]),
        ({"image": with_pixel(np.inf)}, ["'image' has pixels that are infinite"]),
        ({"image": with_pixel(-0.5)}, ["'image' ranges from -0.5 to 1", "[0, 1]"]),
        ({"image": gray().astype(float)}, ["'image' ranges from 0 to 255", "data.maximum=255", "as uint8"]),
        ({"image": np.array([{}] * 4)}, ["'image' holds Python objects"]),
        ({"image": gray(), "label": np.zeros(59, int)}, ["'label' has shape (59,)", "(60,)"]),
        ({"image": gray(), "label": np.zeros((60, 1), int)}, ["'label' has shape (60, 1)"]),
        ({"image": gray(), "label": np.zeros(60)}, ["'label' is float64", "integers or names"]),
        ({"image": gray(), "label": np.arange(60) - 2}, ["'label' ranges from -2 to 57", "no label, -1"]),
        ({"image": gray(), "test_label": np.arange(60)}, ["'test_label' but no 'test_image'"]),
        ({"image": gray(), "label": np.arange(60), "test_image": gray()}, ["only one of 'label' and 'test_label'"]),
        ({"image": gray(), "test_image": gray() / 255}, ["uint8 (3, 2, 1)", "float32 (3, 2, 1)", "alike"]),
        ({"image": gray(), "test_image": gray()[:, 1:]}, ["(3, 2, 1)", "(2, 2, 1)", "alike"]),
        ({"image": gray(2)}, ["2 images", "leave none"]),
    ],
)
def test_a_file_with_the_wrong_arrays(tmp_path, arrays, words):
    message = refusal(load_file, tmp_path, **arrays)
    assert all(word in message for word in ["images.npz", *words]), message


def test_a_file_that_is_not_there_or_no_file(tmp_path):
    assert "No such file" in refusal(load, DataConfig(name=str(tmp_path / "none.npz")))
    (tmp_path / "folder.npz").mkdir()
    assert "Is a directory" in refusal(load, DataConfig(name=str(tmp_path / "folder.npz")))


def test_a_file_that_is_damaged_or_another_kind(tmp_path):
    path = pathlib.Path(save(tmp_path, image=gray()))
    whole = path.read_bytes()
    for content in (b"", b"no archive", whole[:-30], whole[:200] + b"\x00\xff" + whole[202:]):
        path.write_bytes(content)
        assert "damaged or no .npz file" in refusal(load, DataConfig(name=str(path)))
    with path.open("wb") as file:
        np.save(file, gray())
    assert "damaged or no .npz file" in refusal(load, DataConfig(name=str(path)))


def write_gray(path):
    image = np.random.default_rng(0).integers(0, 256, (600, 4, 4)).astype(np.uint8)
    np.savez(path, image=image, label=np.zeros(600, np.int32) + np.arange(600) % 2)
    return image


def test_binarized_images_are_black_or_white_with_their_intensity_as_probability(tmp_path):
    write_gray(tmp_path / "x.npz")
    name = str(tmp_path / "x.npz")
    gray = load(DataConfig(name=name))
    for kind in ("threshold", "fixed", "dynamic"):
        binary = load(DataConfig(name=name, binarization=kind))
        for split in ("train", "validation", "test"):
            before, after = getattr(gray, split), getattr(binary, split)
            assert set(np.unique(after.image)) == {0, 255}
            np.testing.assert_array_equal(after.label, before.label)
            if kind == "threshold":
                np.testing.assert_array_equal(after.image == 255, before.image >= 128)
        if kind != "threshold":
            assert abs(np.mean(binary.train.image / 255.0 - gray.train.image / 255.0)) < 0.02
            assert np.corrcoef(binary.train.image.ravel(), gray.train.image.ravel())[0, 1] > 0.5
        assert (binary.intensity is not None) == (kind == "dynamic")
        assert binary.fingerprint != gray.fingerprint
    np.testing.assert_array_equal(binary.intensity, gray.train.image)
    again = load(DataConfig(name=name, binarization="fixed", train_size=50))
    fixed = load(DataConfig(name=name, binarization="fixed"))
    np.testing.assert_array_equal(again.train.image, fixed.train.image[:50])
    np.testing.assert_array_equal(again.test.image, fixed.test.image)


def test_dynamic_binarization_draws_each_batch_anew_and_evaluation_sees_one_draw(tmp_path):
    import jax

    from aejax.data.resident import make_resident

    write_gray(tmp_path / "x.npz")
    data = jax.device_put(make_resident(load(DataConfig(name=str(tmp_path / "x.npz"), binarization="dynamic")), "none"))
    indices = np.arange(20)
    draws = np.stack([data.training_batch(indices, lambda x: x, jax.random.key(seed)).image for seed in range(400)])
    assert set(np.unique(draws)) == {0, 1}
    np.testing.assert_allclose(draws.mean(axis=0), np.asarray(data.intensity[indices]) / 255, atol=0.12)
    np.testing.assert_array_equal(data.batch("train", indices).image * 255, data.image["train"][indices])
