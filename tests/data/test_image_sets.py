"""Image sets as people have them: right numbers, or one line before anything is trained."""

import numpy as np
import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.cache import memory_bytes
from aejax.cli import commands
from aejax.config import override
from aejax.data.load import DataConfig, load
from aejax.data.summary import summarize
from aejax.errors import DataError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.training.step import TrainingConfig
from tests.data.image_sets import IMAGE, LABEL, SETS, black, write
from tests.data.loading import refusal
from tests.study.studies import train

REFUSED = [name for name in SETS if SETS[name].refused]
FINE = [name for name in SETS if not SETS[name].refused]


def config_of(name, directory, **changes):
    return DataConfig(name=str(write(name, directory)), **SETS[name].config | changes)


def parts(dataset):
    return [split for split in dataset.splits.values() if len(split.image)]


@pytest.mark.parametrize("name", FINE)
def test_images_have_their_contrast_and_labels_count_the_classes(tmp_path, name):
    want, dataset = SETS[name], load(config_of(name, tmp_path))
    image = np.concatenate([split.image for split in parts(dataset)])
    assert image.dtype == want.stored.dtype
    assert sorted(map(bytes, image)) == sorted(map(bytes, want.stored))
    if want.classes:
        label = np.concatenate([split.label for split in parts(dataset)])
        assert (label.dtype, dataset.num_classes, dataset.classes.names) == (np.int32, 3, want.classes)
        assert set(label) == {0, 1, 2}
    else:
        assert dataset.num_classes is None
        assert all(split.label is None for split in parts(dataset))
    lines = summarize(dataset)
    assert not any("\n" in line for line in lines)
    assert len(lines) == 1 + (want.noted is not None and bool(want.classes))
    assert (want.noted or "images of") in lines[-1]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_certain_is_one_line_and_nothing_is_written(tmp_path, name):
    data = config_of(name, tmp_path)
    message = refusal(load, data)
    assert SETS[name].refused in message
    assert f"{name}.npz" in message
    study = tmp_path / "study"
    maximum = [] if data.maximum is None else [f"--set=data.maximum={data.maximum}"]
    with pytest.raises(DataError):
        commands.train([f"--set=data.name={data.name}", f"--workdir={study}", *maximum])
    assert not study.exists()


def test_more_than_the_memory_holds_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "black.npz"
    path.write_bytes(black(3))
    assert load(DataConfig(name=str(path))).train.image.shape == (1, 1024, 1024, 1)
    path.write_bytes(black(memory_bytes() // 2**20 + 1))
    assert "GB, and this machine has" in refusal(load, DataConfig(name=str(path)))


@pytest.mark.parametrize("name", ["from_one", "gaps", "largest", "beyond_floats", "named", "int64", "big_endian"])
def test_the_same_images_and_classes_are_the_same_data_whatever_they_are_called(tmp_path, name):
    assert load(config_of(name, tmp_path)).fingerprint == load(config_of("plain", tmp_path)).fingerprint


def test_digits_saved_as_scikit_learn_has_them_are_those_that_come_with_the_project(tmp_path):
    from sklearn.datasets import load_digits

    digits, own = load_digits(), load(DataConfig(validation_size=0))
    np.savez(tmp_path / "digits.npz", image=digits.images.astype(np.uint8), label=digits.target)
    dataset = load(DataConfig(name=str(tmp_path / "digits.npz"), maximum=16, test_size=1, validation_size=0))
    rows = lambda *splits: sorted(bytes(image) for split in splits for image in split.image)  # noqa: E731
    assert rows(dataset.train, dataset.test) == rows(own.train, own.test)


def test_white_is_that_of_all_images_whichever_classes_are_chosen(tmp_path):
    image = np.where(LABEL[:, None, None] == 0, IMAGE[..., 0] // 4, IMAGE[..., 0])
    np.savez(tmp_path / "x.npz", image=image, label=LABEL)
    dataset = load(DataConfig(name=str(tmp_path / "x.npz"), classes=(0,)))
    assert dataset.train.image.max() < 64  # Dark, and no question.


def test_classes_are_chosen_by_their_labels_or_names(tmp_path):
    chosen = load(config_of("gaps", tmp_path, classes=(10**6, 1)))
    assert (chosen.classes.names, chosen.num_classes) == (("1000000", "1"), 2)
    assert chosen.fingerprint == load(config_of("plain", tmp_path, classes=(2, 0))).fingerprint
    assert chosen.fingerprint == load(config_of("named", tmp_path, classes=("cat", "ant"))).fingerprint
    message = refusal(load, config_of("named", tmp_path, classes=("cat", "dog")))
    assert "data.classes names dog, a class without images in the data of " in message
    assert "its classes are ant, bee, cat" in message


def test_values_of_factors_are_counted_too(tmp_path):
    factor = np.stack([LABEL * (2**31 - 1) // 2, LABEL % 2], axis=1)
    np.savez(tmp_path / "x.npz", image=IMAGE, factor=factor)
    dataset = load(DataConfig(name=str(tmp_path / "x.npz")))
    assert dataset.train.factor.max(axis=0).tolist() == [2, 1]


# Studies.


@pytest.mark.parametrize(
    ("arrays", "changes", "words"),
    [
        (
            {"label": np.arange(60)},
            {"measures": ("clustering",)},
            "cannot be as many clusters as there are classes, 60",
        ),
        ({"label": LABEL * 0}, {"measures": ("probe",)}, "has labels of one class only, '0', and evaluation asks"),
        ({"label": LABEL * 0}, {"baselines": ("supervised",)}, "has labels of one class only, '0', and evaluation"),
        ({"label": LABEL}, {"num_neighbors": 46}, "num_neighbors=46 is more than the 45 training images"),
        (
            {"label": (np.arange(60) == 0) * 3 + 5},
            {"measures": ("few_labels",), "labels_per_class": (1,)},
            "of class 8; leave that class out by data.classes",
        ),
        (
            {"label": LABEL + 5},
            {"measures": ("few_labels",), "labels_per_class": (10,)},
            "ask for at most ",
        ),
    ],
)
def test_labels_that_do_not_allow_what_is_asked_are_one_line(tmp_path, arrays, changes, words):
    np.savez(tmp_path / "images.npz", image=IMAGE, **arrays)
    config = Config(data=DataConfig(name=str(tmp_path / "images.npz")), training=TrainingConfig(batch_size=16))
    config = override(config, {f"evaluation.{name}": value for name, value in changes.items()})
    assert words in refusal(train, [config], tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_three_training_images_are_enough_where_no_neighbors_are_asked_for(tmp_path):
    np.savez(tmp_path / "images.npz", image=IMAGE[:5], label=LABEL[:5])
    config = Config(
        autoencoder=PlainConfig(encoder=Dense(widths=()), latent_size=4),
        data=DataConfig(name=str(tmp_path / "images.npz")),
        training=TrainingConfig(epochs=1, batch_size="all"),
        evaluation=EvaluationConfig(measures=("reconstruction",), baselines=()),
    )
    train([config], tmp_path / "study")
    (row,) = read_rows(StudyDirectory(tmp_path / "study"))
    assert (row["status"], row["data"]["train"]) == ("finished", 3)
