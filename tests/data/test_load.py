"""Loading: what comes back, what does not change it, and one clear line for everything that can be wrong."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from aejax.data.load import DataConfig, load
from aejax.errors import DataError
from aejax.study.directory import StudyDirectory
from aejax.study.record import require_record

ROOT = pathlib.Path(__file__).parent.parent.parent


def gray(count=60, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 2, 1), np.uint8)


def prepare(directory, features, **splits):
    """Prepares a TFDS data set named "numbers", and returns the config that loads it."""
    import tensorflow_datasets as tfds

    from aejax.data.prepared import quiet

    with quiet():

        class Numbers(tfds.core.GeneratorBasedBuilder, skip_registration=True):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

            def _split_generators(self, _):
                return {name: self._generate_examples(examples) for name, examples in splits.items()}

            def _generate_examples(self, examples):
                yield from enumerate(examples)

        Numbers(data_dir=directory).download_and_prepare(file_format="array_record")
    return DataConfig(name="numbers", directory=str(directory))


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    import tensorflow_datasets as tfds

    features = {
        "image": tfds.features.Tensor(shape=(3, 2, 1), dtype=np.uint8),
        "label": tfds.features.ClassLabel(num_classes=10),
        "name": tfds.features.Text(),
    }
    examples = [{"image": image, "label": index % 5, "name": "x"} for index, image in enumerate(gray())]
    directory = tmp_path_factory.mktemp("tfds")
    prepare(directory, features, train=examples, test=examples[:7], validation=examples[:3])
    return directory


@pytest.fixture
def directory(numbers, tmp_path):
    """A TFDS directory of the test's own."""
    return pathlib.Path(shutil.copytree(numbers, tmp_path / "tfds"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The directory of decoded arrays in a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "aejax" / "arrays"


def save(path, **arrays):
    np.savez(path / "images.npz", **arrays)
    return str(path / "images.npz")


def load_file(path, *, config=None, **arrays):
    return load(DataConfig(name=save(path, **arrays), **(config or {})))


def refusal(function, *args, **kwargs):
    """Returns the message that a call is refused with, which is a single line."""
    with pytest.raises(DataError) as caught:
        function(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def rows(*splits):
    return sorted(map(bytes, np.concatenate([split.image for split in splits])))


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
        ({"image": gray().astype(int)}, ["'image' is int64", "uint8"]),
        ({"image": np.full((4, 3, 3), "a")}, ["'image' is <U1", "uint8"]),
        ({"image": with_pixel(np.nan)}, ["'image' has pixels that are NaN"]),
        ({"image": with_pixel(np.inf)}, ["'image' ranges from 0 to inf"]),
        ({"image": with_pixel(-0.5)}, ["'image' ranges from -0.5 to 1", "[0, 1]"]),
        ({"image": gray().astype(float)}, ["'image' ranges from 0 to 255", "as uint8"]),
        ({"image": np.array([{}] * 4)}, ["'image' holds Python objects"]),
        ({"image": gray(), "label": np.zeros(59, int)}, ["'label' has shape (59,)", "(60,)"]),
        ({"image": gray(), "label": np.zeros((60, 1), int)}, ["'label' has shape (60, 1)"]),
        ({"image": gray(), "label": np.zeros(60)}, ["'label' is float64", "integers"]),
        ({"image": gray(), "label": np.arange(60) - 1}, ["'label' ranges from -1 to 58"]),
        ({"image": gray(), "label": np.arange(60) + 2**31}, ["'label' ranges from 2147483648"]),
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


# Prepared TFDS data sets.


@pytest.mark.parametrize("name", ["numbers", "numbers:1.0.0"])
def test_a_prepared_data_set_by_name(directory, name, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(directory))
    dataset = load(DataConfig(name=name))
    assert dataset.name == name
    assert dataset.num_classes == 10  # As its features say, although only five classes occur.
    assert [len(split.image) for split in (dataset.train, dataset.validation, dataset.test)] == [54, 6, 7]
    assert rows(dataset.train, dataset.validation) == sorted(map(bytes, gray()))
    for split in (dataset.train, dataset.test):
        indices = [np.flatnonzero((gray() == image).all((1, 2, 3)))[0] for image in split.image]
        np.testing.assert_array_equal(split.label, np.array(indices) % 5)


def test_the_newest_version_and_the_asked_config(directory):
    shutil.copytree(directory / "numbers" / "1.0.0", directory / "numbers" / "small" / "2.0.0")
    for version in ("9.0.0", "10.0.0", "11.0.0.incomplete"):
        shutil.copytree(directory / "numbers" / "1.0.0", directory / "numbers" / version)
    shutil.rmtree(directory / "numbers" / "1.0.0")
    (directory / "numbers" / "9.0.0" / "features.json").unlink()
    assert load(DataConfig(name="numbers", directory=str(directory))).num_classes == 10
    assert load(DataConfig(name="numbers/small", directory=str(directory))).num_classes == 10
    assert "9.0.0 cannot be read" in refusal(load, DataConfig(name="numbers:9.0.0", directory=str(directory)))


@pytest.mark.parametrize("name", ["minst", "numbers/small", "numbers:2.0.0"])
def test_a_data_set_that_is_not_prepared(directory, name):
    message = refusal(load, DataConfig(name=name, directory=str(directory)))
    assert f"{name} is not prepared in {directory} (prepared there: numbers:1.0.0)" in message
    assert "pip install 'aejax[tf]' && python -c 'import tensorflow_datasets as tfds; " in message
    assert (
        f'tfds.builder("{name}", data_dir="{directory}", file_format="array_record").download_and_prepare()' in message
    )


def test_a_directory_with_nothing_in_it(tmp_path, monkeypatch):
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    message = refusal(load, DataConfig(name="mnist"))
    assert f"not prepared in {tmp_path}/tensorflow_datasets (prepared there: nothing)" in message


@pytest.mark.parametrize("name", ["", "../numbers", "num bers", "numbers:1", "a/b/c", "images.npy"])
def test_a_name_that_cannot_be_one(directory, name):
    assert f"data.name={name}: should be" in refusal(load, DataConfig(name=name, directory=str(directory)))


def edit(path, file, change):
    """Rewrites one of the JSON files of a prepared data set."""
    tree = json.loads((path / file).read_text())
    change(tree)
    (path / file).write_text(json.dumps(tree))


def rename_feature(tree):
    features = tree["featuresDict"]["features"]
    features["picture"] = features.pop("image")


def drop_train(info):
    info["splits"] = [split for split in info["splits"] if split["name"] != "train"]


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("features.json", rename_feature, ["no feature 'image'", "picture"]),
        ("dataset_info.json", drop_train, ["no split 'train'", "it has: test, validation"]),
        (
            "dataset_info.json",
            lambda info: info.update(fileFormat="tfrecord"),
            ["prepared as tfrecord, not as array_record", "delete it", 'tfds.builder("numbers", data_dir='],
        ),
    ],
)
def test_a_prepared_data_set_that_is_unfit(directory, file, change, words):
    edit(directory / "numbers" / "1.0.0", file, change)
    message = refusal(load, DataConfig(name="numbers", directory=str(directory)))
    assert all(word in message for word in words), message


@pytest.mark.parametrize("content", [None, b"", b"x" * 70_000])
def test_a_prepared_data_set_that_is_damaged(directory, content):
    (records,) = (directory / "numbers" / "1.0.0").glob("*train*")
    records.unlink()
    if content is not None:
        records.write_bytes(content)
    message = refusal(load, DataConfig(name="numbers", directory=str(directory)))
    assert "cannot be read (RuntimeError: " in message


def test_a_prepared_data_set_without_labels_or_a_test_split(tmp_path):
    import tensorflow_datasets as tfds

    features = {"image": tfds.features.Tensor(shape=(3, 2, 1), dtype=np.uint8)}
    dataset = load(prepare(tmp_path, features, train=[{"image": image} for image in gray()]))
    assert [len(split.image) for split in (dataset.train, dataset.validation, dataset.test)] == [45, 5, 10]
    assert (dataset.train.label, dataset.num_classes) == (None, None)
    assert rows(dataset.train, dataset.validation, dataset.test) == sorted(map(bytes, gray()))


def test_labels_that_are_plain_integers(tmp_path):
    import tensorflow_datasets as tfds

    features = {"image": tfds.features.Tensor(shape=(3, 2, 1), dtype=np.uint8), "label": np.int64}
    examples = [{"image": image, "label": index % 4} for index, image in enumerate(gray())]
    assert load(prepare(tmp_path, features, train=examples)).num_classes == 4


def test_images_of_different_sizes(tmp_path):
    import tensorflow_datasets as tfds

    features = {"image": tfds.features.Tensor(shape=(None, 2, 1), dtype=np.uint8)}
    examples = [{"image": np.zeros((height, 2, 1), np.uint8)} for height in (3, 4, 5)]
    message = refusal(load, prepare(tmp_path, features, train=examples))
    assert "'image' comes in different shapes ((3, 2, 1), (5, 2, 1))" in message


# The cache of decoded arrays.


def test_a_hit_gives_the_same_and_does_not_import_tfds(directory, cache):
    config = DataConfig(name="numbers", directory=str(directory))
    fingerprint = load(config).fingerprint
    assert len(os.listdir(cache)) == 1
    script = (
        "import sys; from aejax.data.load import DataConfig, load;"
        "print(load(DataConfig(name=sys.argv[1], directory=sys.argv[2])).fingerprint);"
        "assert 'tensorflow_datasets' not in sys.modules; assert 'sklearn' not in sys.modules"
    )
    command = [sys.executable, "-c", script, config.name, config.directory]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == fingerprint


@pytest.mark.parametrize(
    "damage", [lambda whole: b"", lambda whole: whole[:500], lambda whole: whole[:300] + b"damaged" + whole[307:]]
)
def test_a_damaged_file_is_made_again(directory, cache, damage):
    config = DataConfig(name="numbers", directory=str(directory))
    fingerprint = load(config).fingerprint
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert load(config).fingerprint == fingerprint
    assert list(cache.iterdir()) == [file]
    assert len(file.read_bytes()) == len(whole)


def test_changed_files_are_decoded_again(directory, cache):
    config = DataConfig(name="numbers", directory=str(directory))
    load(config)
    os.utime(directory / "numbers" / "1.0.0" / "features.json", (0, 0))
    load(config)
    assert len(os.listdir(cache)) == 2


def test_a_cache_that_cannot_be_written_is_done_without(directory, cache):
    cache.parent.parent.mkdir()
    cache.parent.touch()
    assert load(DataConfig(name="numbers", directory=str(directory))).num_classes == 10


# Data sets that are prepared where TFDS_DATA_DIR says.


@pytest.mark.data
def test_mnist():
    dataset = load(DataConfig(name="mnist"))
    train = np.concatenate([dataset.train.image, dataset.validation.image])
    assert train.shape == (60_000, 28, 28, 1)
    assert train.mean() == pytest.approx(33.318, abs=5e-4)
    assert len(dataset.validation.image) == 6000
    assert len(dataset.test.image) == 10_000
    assert dataset.num_classes == 10
