"""Images without a label among labelled ones: which there are, and what is said of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.data.load import DataConfig, load
from aejax.data.resident import make_resident
from aejax.data.subsets import AllLabelled, LabelledSubset, too_few_labels
from aejax.data.summary import summarize
from tests.data.image_sets import IMAGE, LABEL
from tests.data.loading import load_file, refusal, save

SOME = np.where(np.arange(60) % 5 < 2, -1, LABEL)  # 24 of 60, of every class.
NAMES = np.array(["", "ant", "bee", "cat"])


@pytest.fixture
def some(tmp_path):
    return load_file(tmp_path, image=IMAGE, label=SOME)


def pairs(*splits):
    """Every image with its label, in an order of their own."""
    return sorted(
        (bytes(image), int(label)) for split in splits for image, label in zip(split.image, split.label, strict=True)
    )


@pytest.mark.parametrize("label", [SOME, SOME.astype(np.int8), NAMES[SOME + 1], np.char.encode(NAMES[SOME + 1])])
def test_classes_count_from_0_and_unknown_labels_are_minus_one(tmp_path, label):
    dataset = load_file(tmp_path, image=IMAGE, label=label)
    assert dataset.num_classes == 3
    assert pairs(*dataset.splits.values()) == sorted(zip(map(bytes, IMAGE), SOME.tolist(), strict=True))
    assert dataset.train.label.dtype == np.int32
    assert sum(dataset.num_labelled.values()) == 36
    for split in dataset.splits.values():
        np.testing.assert_array_equal(split.labelled, np.flatnonzero(split.label >= 0))
        np.testing.assert_array_equal(split.known_label, split.label[split.label >= 0])


def test_data_that_differ_in_a_label_alone_are_other_data(tmp_path, some):
    assert load_file(tmp_path, image=IMAGE, label=LABEL).fingerprint != some.fingerprint
    assert load_file(tmp_path, image=IMAGE, label=NAMES[SOME + 1]).fingerprint == some.fingerprint


def test_where_all_images_have_labels_nothing_is_selected(tmp_path):
    dataset = load_file(tmp_path, image=IMAGE, label=LABEL)
    data = make_resident(dataset, "none")
    assert dataset.num_labelled == {} == data.labelled
    assert data.with_labels() is data
    assert data.known_label["train"] is dataset.train.label


def test_without_any_label_there_are_none(tmp_path):
    dataset = load_file(tmp_path, image=IMAGE, label=np.full(60, -1))
    assert (dataset.num_classes, dataset.train.label, dataset.unlabelled) == (None, None, "has no labels")
    assert dataset.fingerprint == load_file(tmp_path, image=IMAGE).fingerprint
    assert "has no labels" in summarize(dataset)[0]


def test_a_split_without_labels_leaves_nothing_to_measure_by(tmp_path):
    label = np.where(np.arange(60) < 12, -1, LABEL)
    dataset = load_file(tmp_path, image=IMAGE, label=LABEL, test_image=IMAGE[:12], test_label=label[:12])
    assert (dataset.num_classes, dataset.test.label) == (None, None)
    assert summarize(dataset)[0].endswith("has labels on none of its 12 test images")
    whole = load(DataConfig(name=save(tmp_path, image=IMAGE, label=label), validation_size=0))
    assert whole.num_classes == 3  # No validation images are wanted, so they lack no label.


def test_the_summary_counts_them_in_each_split(some):
    counts = {name: (split.label < 0).sum() for name, split in some.splits.items()}
    line = ", ".join(f"{num} of {len(some.splits[name].image)} {name} images" for name, num in counts.items() if num)
    assert f"{line} have no label; they are trained on, not classified" in summarize(some)[1]


def test_chosen_classes_leave_them_out(tmp_path):
    name = save(tmp_path, image=IMAGE, label=NAMES[SOME + 1])
    dataset = load(DataConfig(name=name, classes=("cat", "ant")))
    want = [(bytes(image), {2: 0, 0: 1}[own]) for image, own in zip(IMAGE, SOME, strict=True) if own in (0, 2)]
    assert pairs(*dataset.splits.values()) == sorted(want)
    assert "names dog, a class without images" in refusal(load, DataConfig(name=name, classes=("cat", "dog")))


def test_too_few_labels_counts_those_that_there_are(some):
    smallest = np.bincount(some.train.known_label).min()
    assert not list(too_few_labels("few", smallest // 2, "data", some))
    assert len(list(too_few_labels("few", smallest // 2 + 1, "data", some))) == 1


# On the device.


def test_with_labels_are_the_labelled_images_in_their_order(tmp_path):
    dataset = load_file(tmp_path, image=IMAGE, label=SOME, config={"binarization": "dynamic"})
    data = jax.jit(AllLabelled().select)(make_resident(dataset, "none"))
    for name, split in dataset.splits.items():
        np.testing.assert_array_equal(data.image[name], split.image[split.labelled])
        np.testing.assert_array_equal(data.label[name], split.known_label)
    np.testing.assert_array_equal(data.intensity, dataset.intensity[dataset.train.labelled])
    assert int(data.batch("train", jnp.arange(data.size("train"))).label.min()) == 0


def test_a_few_labels_are_drawn_from_the_labelled_images(some):
    data = LabelledSubset(2, 3, draw=0).select(make_resident(some, "none"))
    known = set(pairs(some.train))
    for split in ("train", "validation"):
        assert np.bincount(data.label[split]).tolist() == [2, 2, 2]
        assert {
            (bytes(np.asarray(x)), int(y)) for x, y in zip(data.image[split], data.label[split], strict=True)
        } <= known
    np.testing.assert_array_equal(data.label["test"], some.test.known_label)
