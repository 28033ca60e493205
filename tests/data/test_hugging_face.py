"""Data sets of Hugging Face `datasets`: what lies on this machine is read as a folder of pictures is."""

import pickle

import numpy as np
import pytest
from PIL import ImageFile

from aejax.data.load import DataConfig, load
from aejax.data.sources.zoo import find_source
from tests.data.loading import refusal
from tests.data.test_folder import fill, pixels

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


def rows(num, *, size=6, names=("dog", "cat")):
    from PIL import Image

    images = [Image.fromarray(pixels(size, size, seed=seed)) for seed in range(num)]
    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=list(names))})
    return datasets.Dataset.from_dict({"img": images, "label": [seed % 2 for seed in range(num)]}, features=features)


def test_a_saved_data_set_with_splits(tmp_path):
    datasets.DatasetDict(train=rows(10), test=rows(4), validation=rows(2)).save_to_disk(tmp_path)
    name = f"hf:{tmp_path}"
    dataset = load(DataConfig(name=name))
    assert dataset.classes.names == ("dog", "cat")  # In their order there.
    assert dataset.notes == ("splits that are neither train nor test were left out: validation",)
    np.testing.assert_array_equal(dataset.test.image, [pixels(6, 6, seed=seed) for seed in range(4)])
    np.testing.assert_array_equal(dataset.test.label, [0, 1, 0, 1])
    lazy = find_source(DataConfig(name=name, size=3)).on_demand().arrays["image"]
    whole = find_source(DataConfig(name=name, size=3)).read().arrays["image"]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazy))[np.array([3, 1])], whole[[3, 1]])


def test_of_several_columns_of_labels_the_config_names_one(tmp_path):
    whole = rows(12).rename_column("label", "kind").add_column("owner", ["Ann", "Bob", "Cid"] * 4)
    classes = datasets.ClassLabel(names=["young", "old"])
    whole = whole.add_column("age", [0] * 6 + [1] * 6).cast_column("age", classes)
    whole.save_to_disk(tmp_path)
    name = f"hf:{tmp_path}"
    assert "has several columns of classes (kind, age); name one: data.label" in refusal(load, DataConfig(name=name))
    read = {label: find_source(DataConfig(name=name, label=label)).read().arrays for label in ("age", "kind", "owner")}
    assert {label: arrays["class_names"].tolist() for label, arrays in read.items()} == {
        "age": ["young", "old"],
        "kind": ["dog", "cat"],
        "owner": ["Ann", "Bob", "Cid"],
    }
    np.testing.assert_array_equal(read["age"]["label"], [0] * 6 + [1] * 6)
    np.testing.assert_array_equal(read["owner"]["label"], [0, 1, 2] * 4)
    message = refusal(load, DataConfig(name=name, label="img"))
    assert "has no such labels (it has: kind, owner, age); name one of these, or leave it out" in message


def test_one_without_splits_or_classes_and_with_what_is_broken(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # As TFDS leaves it.
    whole = rows(6)
    encoded = [cell["bytes"] for cell in whole.cast_column("img", datasets.Image(decode=False))["img"]]
    cells = [{"bytes": content, "path": None} for content in [*encoded, encoded[0][:-40]]]
    features = datasets.Features({"picture": datasets.Image(), "label": datasets.Value("string")})
    texts = ["b", "a"] * 4
    datasets.Dataset.from_dict({"picture": [*cells, None], "label": texts}, features=features).save_to_disk(tmp_path)
    message = refusal(load, DataConfig(name=f"hf:{tmp_path}"))
    assert "2 of 8 pictures cannot be read: train[6] (image file is truncated" in message
    dataset = load(DataConfig(name=f"hf:{tmp_path}", unreadable="skip"))
    assert sum(len(split.image) for split in dataset.splits.values()) == 6
    assert dataset.classes.names == ("a", "b")


def test_a_directory_that_the_library_understands(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    name = fill(tmp_path / "photos", "ant", "bee")
    by_library = load(DataConfig(name=f"hf:{name}"))
    assert by_library.classes.names == ("ant", "bee")
    assert by_library.fingerprint == load(DataConfig(name=name)).fingerprint


def test_what_is_not_there_is_one_line(tmp_path):
    assert "hf:no/such cannot be loaded (" in refusal(load, DataConfig(name="hf:no/such"))
    datasets.Dataset.from_dict({"text": ["a"]}).save_to_disk(tmp_path)
    assert "has no column of pictures (it has: text)" in refusal(load, DataConfig(name=f"hf:{tmp_path}"))
