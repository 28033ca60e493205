"""Finding data: the working directory first, then the experiment's folder, and what was moved by its fingerprint."""

import numpy as np
import pytest
from PIL import Image

from aejax.data.load import DataConfig, load
from aejax.data.locate import FOLDERS, Clues, locate
from aejax.errors import DataError
from tests.data.loading import gray, refusal
from tests.data.test_prepared import prepare

DATA = DataConfig(name="photos.npz")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The working directory, in which there is nothing."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv(FOLDERS, raising=False)
    return tmp_path / "here"


def put(folder, seed=0, name="photos.npz"):
    """Saves images in a folder; returns their path and their fingerprint."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / name, image=gray(seed=seed))
    return str(folder / name), load(DataConfig(name=str(folder / name))).fingerprint


def test_the_working_directory_comes_first_then_the_folder_of_the_experiment(tmp_path, here):
    beside = tmp_path / "experiment"
    path, fingerprint = put(beside)
    clues = Clues(beside=beside)
    dataset = locate(DATA, clues=clues)
    assert (dataset.name, dataset.place, dataset.fingerprint) == ("photos.npz", path, fingerprint)
    assert dataset.found == f"read from {path}"
    nearer, other = put(here, seed=1)
    dataset = locate(DATA, clues=clues)
    assert (dataset.place, dataset.fingerprint) == (nearer, other)
    assert dataset.found == f"read from {nearer}; {path} is left alone"
    assert locate(DATA).found == ""


def test_what_a_study_found_is_found_again_and_other_data_of_that_name_are_passed_over(tmp_path, here):
    path, fingerprint = put(tmp_path / "data")
    clues = Clues(place=path, fingerprint=fingerprint, study=tmp_path / "runs" / "study")
    assert locate(DATA, clues=clues).place == path
    nearer, other = put(here, seed=1)
    dataset = locate(DATA, clues=clues)
    assert dataset.fingerprint == fingerprint
    assert dataset.found == f"read from {path}; {nearer} holds others (fingerprint {other}, not {fingerprint})"
    # Where no place has the right ones, they have changed, which is for the caller to say.
    put(tmp_path / "data", seed=2)
    assert locate(DATA, clues=clues).fingerprint == other


@pytest.mark.parametrize("to", ["runs/study", "runs", "", "sub", "elsewhere", "elsewhere/sub"])
def test_data_that_were_moved_are_known_by_their_fingerprint(tmp_path, monkeypatch, to):
    path, fingerprint = put(tmp_path / to)
    monkeypatch.setenv(FOLDERS, f"{tmp_path / 'nowhere'}:{tmp_path / 'elsewhere'}")
    data = DataConfig(name="sub/photos.npz")
    clues = Clues(place="/gone/photos.npz", fingerprint=fingerprint, study=tmp_path / "runs" / "study")
    dataset = locate(data, clues=clues)
    assert (dataset.name, dataset.place) == ("sub/photos.npz", path)
    assert dataset.found == f"read from {path}"


def test_a_folder_of_the_environment_holds_data_of_a_new_study_too(tmp_path, monkeypatch):
    path, _ = put(tmp_path / "data")
    put(tmp_path)
    monkeypatch.setenv(FOLDERS, str(tmp_path / "data"))
    assert locate(DATA, clues=Clues(study=tmp_path / "runs" / "study")).place == path
    monkeypatch.delenv(FOLDERS)
    with pytest.raises(DataError):  # Beside a study may lie anything.
        locate(DATA, clues=Clues(study=tmp_path / "runs" / "study"))


def test_a_message_says_where_data_were_looked_for_and_what_else_was_found(tmp_path, here):
    assert "give data.name the path of an .npz file" in refusal(locate, DATA)
    message = refusal(locate, DATA, "evaluation.transfer", Clues(beside=tmp_path))
    looked = f"looked for at {here / 'photos.npz'}, {tmp_path / 'photos.npz'}"
    advice = f"bring it back, or set {FOLDERS} to the folder that holds it"
    assert message == f"evaluation.transfer: photos.npz is not there ({looked}); {advice}"
    other, fingerprint = put(tmp_path / "runs")
    message = refusal(
        locate, DATA, clues=Clues(place="/gone/x.npz", fingerprint="f", study=tmp_path / "runs" / "study")
    )
    assert "/gone/x.npz" in message
    assert f"; {other} holds others (fingerprint {fingerprint}, not f)" in message


def test_a_damaged_file_is_passed_over_and_says_so_if_there_is_no_other(tmp_path, here):
    path, fingerprint = put(tmp_path / "data")
    (here / "photos.npz").write_bytes(b"no zip")
    clues = Clues(place=path, fingerprint=fingerprint)
    assert locate(DATA, clues=clues).place == path
    assert "photos.npz cannot be read: it is damaged" in refusal(locate, DATA, clues=clues._replace(place="/gone"))


def test_prepared_data_sets_are_found_by_their_directory(tmp_path, monkeypatch, here):
    import tensorflow_datasets as tfds

    directory = tmp_path / "prepared"
    features = {"image": tfds.features.Tensor(shape=(3, 2, 1), dtype=np.uint8)}
    prepare(directory, features, train=[{"image": image} for image in gray(20)])
    data = DataConfig(name="numbers")
    monkeypatch.setenv("TFDS_DATA_DIR", str(directory))
    dataset = locate(data)
    assert (dataset.place, dataset.found) == (str(directory), "")
    monkeypatch.setenv("TFDS_DATA_DIR", str(here))
    clues = Clues(place=dataset.place, fingerprint=dataset.fingerprint)
    assert locate(data, clues=clues).found == f"read from {directory}"
    monkeypatch.setenv(FOLDERS, str(directory))
    assert locate(data, clues=clues._replace(place="/gone")).place == str(directory)
    assert locate(DataConfig(name="numbers", directory="prepared"), clues=Clues(beside=tmp_path)).place == str(
        directory
    )
    monkeypatch.delenv(FOLDERS)
    assert "is not prepared in" in refusal(locate, data, clues=clues._replace(place="/gone"))


def test_a_folder_of_pictures_is_found_again_too(tmp_path, monkeypatch):
    for index, picture in enumerate(gray(20)):
        path = tmp_path / "there" / "photos" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture[..., 0]).save(path)
    data = DataConfig(name="photos/")
    found = locate(data, clues=Clues(beside=tmp_path / "there"))
    assert (found.name, found.place, found.num_classes) == ("photos/", str(tmp_path / "there" / "photos"), 2)
    (tmp_path / "there").rename(tmp_path / "moved")
    clues = Clues(place=found.place, fingerprint=found.fingerprint)
    monkeypatch.setenv(FOLDERS, str(tmp_path / "moved" / "photos"))
    assert locate(data, clues=clues).place == str(tmp_path / "moved" / "photos")
