"""Data sets that TFDS has prepared: found by name, decoded without TensorFlow, kept in a cache."""

import dataclasses
import json
import os
import pathlib
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest

from aejax import config
from aejax.data.load import DataConfig, load
from aejax.data.sources.zoo import find_source
from aejax.errors import ConfigError
from tests.data.loading import gray, load_file, refusal, rows


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


# Prepared TFDS data sets.


@pytest.mark.parametrize("name", ["numbers", "numbers:1.0.0"])
def test_a_prepared_data_set_by_name(directory, name, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(directory))
    dataset = load(DataConfig(name=name))
    assert dataset.name == name
    assert dataset.num_classes == 5  # Those that occur, although its features say ten.
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
    assert load(DataConfig(name="numbers", directory=str(directory))).num_classes == 5
    assert load(DataConfig(name="numbers/small", directory=str(directory))).num_classes == 5
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


@pytest.mark.parametrize("name", ["", "hf:", "num bers", "numbers:1", "photo.png", "\0.npz"])
def test_a_name_that_cannot_be_one_is_refused_by_the_gate(name):
    with pytest.raises(
        ConfigError, match=r"^name: should be 'digits', 'aejax_sprites', the name of a prepared data set"
    ):
        config.load(DataConfig, {"name": name})


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


def test_classes_that_occur_have_the_names_that_the_features_give_them(tmp_path, cache):
    import tensorflow_datasets as tfds

    features = {
        "image": tfds.features.Tensor(shape=(3, 2, 1), dtype=np.uint8),
        "label": tfds.features.ClassLabel(names=["ant", "bee", "cat", "dog"]),
    }
    examples = [{"image": image, "label": 1 + 2 * (index % 2)} for index, image in enumerate(gray())]
    config = prepare(tmp_path, features, train=examples)
    for _ in range(2):  # Decoded, and from the cache.
        dataset = load(config)
        assert dataset.classes == (("1", "3"), ("bee", "dog"))
        assert [dataset.classes.find(wanted) for wanted in ("dog", 3, "3", "cat", 0)] == [1, 1, 1, None, None]
    for classes in ((3, 1), ("dog", "bee"), ("dog", 1)):
        assert load(dataclasses.replace(config, classes=classes)).classes.names == ("dog", "bee")
    message = refusal(load, dataclasses.replace(config, classes=("dog", 3)))
    assert "data.classes names dog and 3, which are one class of numbers; name it once" in message


def test_of_several_kinds_of_labels_the_config_names_one(tmp_path, cache):
    import tensorflow_datasets as tfds

    features = {
        "image": tfds.features.Tensor(shape=(3, 2, 1), dtype=np.uint8),
        "label": tfds.features.ClassLabel(num_classes=4),
        "coarse_label": tfds.features.ClassLabel(names=["fish", "trees"]),
        "label_size": tfds.features.ClassLabel(names=["small", "large"]),  # A factor, too.
        "name": tfds.features.Text(),
    }
    examples = [
        {"image": image, "label": index % 4, "coarse_label": index % 4 // 2, "label_size": index % 2, "name": "x"}
        for index, image in enumerate(gray())
    ]
    config = prepare(tmp_path, features, train=examples[10:], test=examples[:10])
    coarse = dataclasses.replace(config, label="coarse_label")
    usual, named = load(config), load(dataclasses.replace(config, label="label"))
    assert usual.fingerprint == named.fingerprint
    for _ in range(2):  # Decoded, and from the cache.
        dataset = load(coarse)
        assert dataset.classes == (("0", "1"), ("fish", "trees"))
        assert dataset.notes == ("labels are those named coarse_label",)
        for split, own in usual.splits.items():
            np.testing.assert_array_equal(dataset.splits[split].image, own.image)
            np.testing.assert_array_equal(dataset.splits[split].label, own.label // 2)
    assert dataset.fingerprint != usual.fingerprint
    assert load(config).fingerprint == usual.fingerprint
    np.testing.assert_array_equal(
        find_source(coarse).on_demand().arrays["label"], find_source(coarse).read().arrays["label"]
    )
    sizes = load(dataclasses.replace(config, label="label_size"))
    assert sizes.classes.names == ("small", "large")
    np.testing.assert_array_equal(sizes.train.label, sizes.train.factor[:, 0])
    trees = load(dataclasses.replace(coarse, classes=("trees",)))
    assert rows(trees.test) == sorted(map(bytes, gray()[[2, 3, 6, 7]]))
    for label in ("name", "fine_label"):
        message = refusal(load, dataclasses.replace(config, label=label))
        assert f"data.label={label}: " in message
        assert message.endswith(
            "has no such labels (it has: coarse_label, label, label_size); name one of these, or leave it out"
        )


def test_a_file_with_one_kind_of_labels_has_none_to_choose(tmp_path):
    message = refusal(load_file, tmp_path, image=gray(), label=np.arange(60) % 3, config={"label": "coarse_label"})
    assert message.startswith("data.label=coarse_label: TFDS, Hugging Face and CIFAR-100's files have several kinds")
    assert message.endswith("images.npz has one; leave it out")


@pytest.mark.slow
@pytest.mark.data
def test_the_superclasses_of_cifar_100():
    """Krizhevsky's list: five classes of each of 20, in the order of their names."""
    fine, coarse = (load(DataConfig(name="cifar100", label=label)) for label in (None, "coarse_label"))
    assert coarse.classes.names[:3] == ("aquatic_mammals", "fish", "flowers")
    assert len(coarse.classes.names) == 20
    above = {
        fine.classes.name(one): coarse.classes.name(two)
        for one, two in set(zip(fine.train.label.tolist(), coarse.train.label.tolist(), strict=True))
    }
    assert len(above) == 100
    assert all(list(above.values()).count(name) == 5 for name in coarse.classes.names)
    assert [name for name in sorted(above) if above[name] == "trees"] == [
        *("maple_tree", "oak_tree", "palm_tree", "pine_tree", "willow_tree")
    ]
    np.testing.assert_array_equal(fine.test.image, coarse.test.image)


def test_images_of_different_sizes(tmp_path):
    import tensorflow_datasets as tfds

    features = {"image": tfds.features.Tensor(shape=(None, 2, 1), dtype=np.uint8)}
    examples = [{"image": np.zeros((height, 2, 1), np.uint8)} for height in (3, 4, 5)]
    message = refusal(load, prepare(tmp_path, features, train=examples))
    assert "'image' comes in different shapes ((3, 2, 1), (5, 2, 1))" in message


def test_records_read_when_asked_for_are_those_that_are_all_decoded(directory):
    source = find_source(DataConfig(name="numbers", directory=str(directory)))
    lazy, resident = source.on_demand().arrays, source.read().arrays
    for part in ("image", "test_image"):
        images = pickle.loads(pickle.dumps(lazy[part]))
        assert (images.shape, images.dtype, len(images)) == (resident[part].shape, np.uint8, len(resident[part]))
        np.testing.assert_array_equal(images[:], resident[part])
        np.testing.assert_array_equal(images[np.array([5, 2, 5])], resident[part][[5, 2, 5]])
        assert images[:0].shape == (0, 3, 2, 1)
    np.testing.assert_array_equal(lazy["label"], resident["label"])


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
    assert load(DataConfig(name="numbers", directory=str(directory))).num_classes == 5


# Data sets that are prepared where TFDS_DATA_DIR says.


@pytest.mark.slow
@pytest.mark.data
def test_mnist():
    dataset = load(DataConfig(name="mnist"))
    train = np.concatenate([dataset.train.image, dataset.validation.image])
    assert train.shape == (60_000, 28, 28, 1)
    assert train.mean() == pytest.approx(33.318, abs=5e-4)
    assert len(dataset.validation.image) == 6000
    assert len(dataset.test.image) == 10_000
    assert dataset.num_classes == 10


def test_black_and_white_stored_as_0_and_1_has_its_contrast_and_classes_named_label_are_factors(tmp_path):
    import tensorflow_datasets as tfds

    features = {
        "image": tfds.features.Tensor(shape=(3, 2, 1), dtype=np.uint8),
        "label_size": tfds.features.ClassLabel(num_classes=4),
        "label_color": tfds.features.ClassLabel(num_classes=3),
        "value_size": tfds.features.Scalar(dtype=np.float32),
    }
    binary = (gray() > 127).astype(np.uint8)
    examples = [
        {"image": image, "label_size": index % 4, "label_color": index % 3, "value_size": 0.5}
        for index, image in enumerate(binary)
    ]
    dataset = load(prepare(tmp_path, features, train=examples))
    assert dataset.factor_names == ("color", "size")
    parts = (dataset.train, dataset.validation, dataset.test)
    assert rows(*parts) == sorted(map(bytes, 255 * binary))
    assert set(map(tuple, np.concatenate([part.factor for part in parts]))) == {
        (index % 3, index % 4) for index in range(12)
    }
