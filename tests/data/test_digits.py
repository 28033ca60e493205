"""The embedded digits: prepared once, by whoever is first, without TensorFlow, a network or a word on the screen."""

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from aejax.data import digits, prepared
from aejax.data.embedded import prepare
from aejax.data.load import DataConfig, load

PREPARE = (
    "import pathlib, sys; from aejax.data.embedded import prepare; path = prepare('digits', pathlib.Path(sys.argv[1]))"
)


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    return prepared.decode(prepare("digits", tmp_path_factory.mktemp("prepared")))


def test_they_are_the_digits_of_scikit_learn(arrays):
    bundled = load_digits()
    expected = np.rint(bundled.images * 255 / 16).reshape(-1, 64)
    image = np.concatenate([arrays["image"], arrays["test_image"]]).reshape(-1, 64)
    label = np.concatenate([arrays["label"], arrays["test_label"]])
    assert image.dtype == np.uint8
    assert (len(arrays["image"]), len(arrays["test_image"])) == (1437, 360)
    assert arrays["class_names"].tolist() == list("0123456789")
    as_rows = lambda image, label: sorted(map(tuple, np.column_stack([image, label]).astype(int)))  # noqa: E731
    assert as_rows(image, label) == as_rows(expected, bundled.target)


def test_every_class_is_in_both_splits(arrays):
    assert set(arrays["label"]) == set(arrays["test_label"]) == set(range(10))


def test_two_processes_prepare_at_once_and_in_silence(tmp_path):
    script = f"{PREPARE}; assert 'tensorflow' not in sys.modules"
    command = [sys.executable, "-W", "error", "-c", script, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)]
    outputs = [process.communicate()[0] for process in processes]
    assert outputs == [b"", b""]
    assert [process.returncode for process in processes] == [0, 0]
    assert os.listdir(tmp_path / "digits") == [digits.VERSION]
    assert len(prepared.decode(tmp_path / "digits" / digits.VERSION)["image"]) == 1437


def test_the_data_directory_of_tfds_is_left_alone(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    assert load(DataConfig(directory=str(tmp_path / "other"))).num_classes == 10
    assert os.listdir(tmp_path) == ["cache"]
    assert capfd.readouterr() == ("", "")


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert load(DataConfig()).train.image.shape == (1294, 8, 8, 1)
