"""Inspecting data: what is counted is what is there, however the images are read."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import aejax
from aejax.cli.data import data as command
from aejax.data import inspection as inspecting
from aejax.data.classes import Classes
from aejax.data.inspection import inspect_splits
from aejax.data.load import DataConfig, Split, load
from aejax.data.sheet import GAP, NUM_COLUMNS, make_sheet
from aejax.errors import ConfigError, DataError, UserError
from tests.data.loading import gray, save

CLASSES = Classes(("0", "1", "2"), ("ant", "bee", "cat"))


class OnDemand:
    """Images that are read when asked for; it notes how many at a time."""

    def __init__(self, image):
        self._image, self.shape, self.dtype, self.most = image, image.shape, image.dtype, 0

    def __len__(self):
        return len(self._image)

    def __getitem__(self, indices):
        block = self._image[indices]
        self.most = max(self.most, len(block))
        return block


def splits(kind=lambda image: image, dtype=np.uint8):
    """A training split in which image 3 is constant, and 5 and 7 are 0 again, with other labels; and a test split."""
    image = gray(30)
    image = image if dtype == np.uint8 else (image / 255).astype(dtype)
    image[3], image[5], image[7] = image[3].flat[0], image[0], image[0]
    label = np.array([0, 0, 1, 1, 0, 0, -1, 1, *[0] * 22], np.int32)
    test = np.concatenate([image[[2, 3, 3]], image[10:12] // 2 if dtype == np.uint8 else image[10:12] / 2])
    return {"train": Split(kind(image), label), "test": Split(kind(test), np.array([1, 1, 1, 2, 2], np.int32))}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_what_is_counted_is_what_is_there(dtype):
    found, image = inspect_splits(splits(dtype=dtype), CLASSES), splits(dtype=dtype)["train"].image
    train, test = found.splits["train"], found.splits["test"]
    assert (train.images, train.constant, train.repeated, train.unlabelled) == (30, 1, 2, 1)
    assert (test.images, test.constant, test.repeated, test.unlabelled) == (5, 2, 1, 0)
    assert (train.class_sizes, test.class_sizes) == ((26, 3, 0), (0, 3, 2))
    assert found.shared == {"test in train": 3}
    assert found.conflicting == 1  # Image 0, which is also of class 1.
    assert set(found.examples) == {
        ("train 0", "train 5", "train 7"),
        ("train 2", "test 0"),
        ("train 3", "test 1", "test 2"),
    }
    unit = image.astype(np.float64) / (255 if dtype == np.uint8 else 1)
    numbers = (train.lowest, train.highest, train.mean, train.deviation)
    np.testing.assert_allclose(numbers, (unit.min(), unit.max(), unit.mean(), unit.std()), rtol=1e-6)


def test_images_are_read_block_by_block(monkeypatch):
    whole = inspect_splits(splits(), CLASSES)
    monkeypatch.setattr(inspecting, "BLOCK_BYTES", 4 * 6 + 1)  # Images have 6 bytes.
    on_demand = splits(OnDemand)
    assert inspect_splits(on_demand, CLASSES) == whole
    assert on_demand["train"].image.most == 4


def test_the_text_says_what_is_wrong_and_shows_the_classes():
    text = str(inspect_splits(splits(), CLASSES))
    assert "3 of 5 test images: also in train, so test numbers are too good" in text
    assert "2 of 30 train images: equal to an earlier one of its split" in text
    assert "1 of 30 train images: constant" in text
    assert "images that occur with different labels: 1" in text
    assert "the same image: train 0, train 5, train 7" in text
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
    assert lines["ant"] == ["26", "0", "#" * inspecting.BAR]
    assert lines["bee"] == ["3", "3", "####"]
    assert lines["cat"] == ["0", "2"]
    assert "no image occurs twice" in str(aejax.inspect(gray(9)))


def test_of_many_classes_the_largest_and_the_smallest_are_shown():
    label = np.repeat(np.arange(100), np.arange(100, 0, -1)).astype(np.int32)
    image = np.arange(len(label), dtype=np.float32).reshape(-1, 1, 1, 1) / len(label)
    names = tuple(f"c{number}" for number in range(100))
    text = str(inspect_splits({"train": Split(image, label)}, Classes(names, names)))
    shown = [line.split()[0] for line in text.splitlines() if line.startswith("c") and line.split()[0] in names]
    assert shown == [*names[:12], *names[-12:]]
    assert "... 76 more, and the smallest:" in text


def test_without_labels_and_without_images_of_a_split():
    empty = Split(gray(1)[:0], None)
    found = inspect_splits({"train": Split(gray(4), None), "validation": empty}, Classes())
    assert (found.splits["validation"].images, found.splits["validation"].mean) == (0, None)
    assert (found.splits["train"].class_sizes, found.splits["train"].unlabelled, found.conflicting) == ((), 0, 0)
    assert "validation" in str(found)
    assert make_sheet(Split(gray(4), None), Classes()).shape == (48 + GAP, NUM_COLUMNS * (32 + GAP), 3)


def test_from_python_arrays_names_paths_and_configs_are_inspected(tmp_path):
    arrays = aejax.inspect(gray(12), ["a", "b"] * 6, test_images=gray(2), test_labels=["a", "a"])
    assert (arrays.classes, arrays.shared, arrays.conflicting) == (("a", "b"), {"test in images": 2}, 1)
    assert (arrays.fingerprint, list(arrays.splits)) == ("", ["images", "test"])
    path = save(tmp_path, image=gray(30))
    config = DataConfig(name=path, train_size=5)
    assert aejax.inspect(config).fingerprint == load(config).fingerprint
    found = aejax.inspect(tmp_path / "images.npz")
    assert found == aejax.inspect(path)
    assert found.place == path
    with pytest.raises(DataError, match="no images to inspect"):
        aejax.inspect(None)
    with pytest.raises(DataError, match="leave them out"):
        aejax.inspect(path, [1])
    with pytest.raises(ConfigError, match="name: should be"):
        aejax.inspect("no such name!")


# The command.


def call(*arguments):
    said = []
    command(["inspect", *map(str, arguments)], said.append)
    return "\n".join(said)


def test_the_command_needs_no_jax_and_prints_json():
    code = "import sys, aejax.__main__ as main; main.run(sys.argv[1:]); assert 'jax' not in sys.modules"
    arguments = ["data", "inspect", "digits", "--json", "--set=data.classes=[3,8]"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    tree = json.loads(done.stdout)
    assert tree["fingerprint"] == load(DataConfig(classes=(3, 8))).fingerprint
    assert tree["classes"] == ["3", "8"]
    assert sum(split["images"] for split in tree["splits"].values()) == 357


def test_the_sheet_shows_images_of_each_class_beside_its_name(tmp_path):
    image = np.repeat(np.array([50, 100, 200], np.uint8), 20)[:, None, None] + np.zeros((1, 6, 6), np.uint8)
    path = save(tmp_path, image=image, label=np.repeat(["ant", "bee", "cat"], 20))
    said = call(path, f"--sheet={tmp_path / 'new' / 'sheet.png'}", "--set=data.validation_size=5")
    assert "sheet.png: some images of each class" in said
    sheet = np.asarray(Image.open(tmp_path / "new" / "sheet.png"))
    cell = 48 + GAP
    assert sheet.shape[0] == 3 * cell
    margin = sheet.shape[1] - NUM_COLUMNS * cell
    for row, gray_level in enumerate((50, 100, 200)):
        own = sheet[row * cell : (row + 1) * cell - GAP]
        assert (own[:, margin : margin + 48] == gray_level).all()
        assert own[:, :margin].min() < 100  # Letters.


def test_what_an_experiment_would_see_is_inspected(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name, seed in (("photos.npz", 0), ("others.npz", 1)):
        np.savez(tmp_path / name, image=gray(40, seed))
    config = 'aejax.Config(data=aejax.DataConfig(name="photos.npz"), evaluation=aejax.EvaluationConfig('
    config += 'outliers=aejax.DataConfig(name="others.npz", test_size=4)))'
    (tmp_path / "own.py").write_text(f"import aejax\n\n\ndef get_config():\n    return {config}\n")
    said = call(f"--config={tmp_path / 'own.py'}", "--set=data.test_size=3")
    assert "(34 train, 3 validation, 3 test)" in said
    assert str(tmp_path / "photos.npz") in said
    assert "--field=evaluation.outliers" in said
    said = call(f"--config={tmp_path / 'own.py'}", "--field=evaluation.outliers")
    assert "others.npz: images of 3 x 2 x 1 (33 train, 3 validation, 4 test)" in said


def test_pictures_that_cannot_be_read_are_named(tmp_path):
    for index, picture in enumerate(gray(20)):
        Image.fromarray(picture[..., 0]).resize((4 + index % 2, 4)).save(tmp_path / f"{index}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("x")
    said = call(f"{tmp_path}/", "--set=data.size=4", "--set=data.unreadable=skip")
    assert "1 of 21 pictures cannot be read and were left out: broken.png" in said
    assert "10 of 20 pictures of another size than 4 x 4" in said
    assert "1 files that are no pictures were left out: notes.txt" in said
    assert "no image occurs twice" in said
    Image.open(tmp_path / "3.png").save(tmp_path / "again.png")
    lines = call(f"{tmp_path}/", "--set=data.size=4", "--set=data.unreadable=skip").splitlines()
    (example,) = (line for line in lines if "the same image" in line)
    assert re.sub(r" \(\w+\)", "", example) in (
        "  the same image: 3.png, again.png",
        "  the same image: again.png, 3.png",
    )
    with pytest.raises(DataError, match=r"broken\.png .*data\.unreadable=skip"):
        call(f"{tmp_path}/", "--set=data.size=4")


def test_images_that_occur_twice_are_named_by_their_numbers_in_the_file(tmp_path):
    image, label = gray(90), np.arange(90) % 3
    image[80], test = image[20], gray(9, 1)
    test[7] = image[20]
    path = save(tmp_path, image=image, label=label, test_image=test, test_label=label[:9])
    tree = json.loads(call(path, "--json", "--set=data.classes=[2,1]"))
    (example,) = tree["examples"]
    assert {place.partition(" (")[0] for place in example} == {"image 20", "image 80", "test_image 7"}
    assert "test_image 7 (test)" in example


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name one data set, or an experiment"),
        (["digits", "mnist"], "name one data set, or an experiment"),
        (["digits", "--config=quickstart"], "name one data set, or an experiment"),
        (["digits", "--sheet=sheet.jpg"], r"ends in \.png"),
        (["digits", "--field=evaluation.transfer"], "there are no such data; choose data"),
        (["digits", "--set=data.train_siz=3"], r"did you mean 'data\.train_size'"),
        (["digits", "--set=data.classes=[12]"], "data.classes names 12, a class without images"),
        (["nothing.npz"], "nothing.npz cannot be read: No such file"),
        (["a b"], "data.name: should be"),
    ],
)
def test_bad_input_is_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        call(*arguments)
    assert not list(tmp_path.iterdir())
