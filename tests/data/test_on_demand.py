"""Images that are read when they are asked for: the data set is to the last bit the one in memory."""

import dataclasses
import pickle

import numpy as np
import pytest

from aejax.data import preprocessing
from aejax.data.load import DataConfig, load
from aejax.data.on_demand import OnDemand

TINY = 1e-6  # Gigabytes.


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def source(tmp_path):
    """A folder of arrays, of uint8 images of an odd size."""
    generator = np.random.default_rng(0)
    for prefix, num in (("", 60), ("test_", 20)):
        np.save(tmp_path / f"{prefix}image.npy", generator.integers(0, 256, (num, 5, 3), np.uint8))
        np.save(tmp_path / f"{prefix}label.npy", np.arange(num) % 4)
    return f"{tmp_path}/image.npy"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"train_size": 20, "classes": (1, 3)},
        {"maximum": 300.0},
        {"binarization": "threshold"},
        {"binarization": "fixed"},
        {"binarization": "dynamic"},
    ],
    ids=str,
)
def test_images_read_on_demand_are_those_in_memory(source, fields):
    config = DataConfig(name=source, **fields)
    resident, streamed = load(config), load(dataclasses.replace(config, memory=TINY))
    assert streamed.fingerprint == resident.fingerprint == load(dataclasses.replace(config, memory=TINY)).fingerprint
    assert streamed.pixels == resident.pixels
    assert "data.memory" in streamed.notes[-1]
    chosen = np.array([2, 0, 0, 1])
    pairs = [(split.image, streamed.splits[name].image) for name, split in resident.splits.items()]
    pairs += [] if resident.intensity is None else [(resident.intensity, streamed.intensity)]
    for image, lazy in pairs:
        lazy = pickle.loads(pickle.dumps(lazy))  # As another process reads it.
        assert isinstance(lazy, OnDemand)
        assert (lazy.shape, lazy.dtype) == (image.shape, image.dtype)
        for part in (slice(None), slice(1, 3), chosen, -1, np.arange(len(image)) % 2 == 0):
            np.testing.assert_array_equal(lazy[part], image[part])
    for kind in ("standardize", "zca"):
        fitted = [preprocessing.fit(kind, dataset.train.image) for dataset in (resident, streamed)]
        np.testing.assert_array_equal(fitted[0].forward, fitted[1].forward)


def test_a_file_that_changed_has_another_fingerprint(source):
    config = DataConfig(name=source, memory=TINY)
    before = load(config).fingerprint
    image = np.load(source)
    image[3] = 0
    np.save(source, image)
    assert load(config).fingerprint not in (before, None)


def test_large_memory_keeps_images_in_it(source):
    assert isinstance(load(DataConfig(name=source, memory=1.0)).train.image, np.ndarray)
    assert isinstance(load(DataConfig(name=source)).train.image, np.ndarray)
    assert isinstance(load(DataConfig(memory=TINY)).train.image, OnDemand)
    assert load(DataConfig(memory=TINY)).fingerprint == load(DataConfig()).fingerprint
