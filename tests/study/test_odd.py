"""Explaining, and generating, where images or codes are odd: what has no meaning is left out, and all else is made."""

import dataclasses

import numpy as np
import pytest

from aejax.autoencoders.k_sparse import KSparseConfig
from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.cli.explain import explain
from aejax.cli.generate import generate
from aejax.data.load import DataConfig
from aejax.errors import UserError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.explain import embeddings
from aejax.explain.dictionary import DictionaryConfig
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import HalfSquaredError
from aejax.store.directory import StudyDirectory
from aejax.store.explanations import read_explanations, read_similarity
from aejax.trained.explaining import attributions, parts
from aejax.trained.explaining import explain as explaining
from aejax.trained.explaining.explain import OF_STUDY, PARTS
from aejax.training.step import TrainingConfig
from tests.study.studies import train


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "DICTIONARY", DictionaryConfig(steps=20, expansion=4, k=4))
        patch.setattr(attributions, "OWN_STEPS", 64)
        patch.setattr(attributions, "RANDOM_STEPS", 32)
        patch.setattr(attributions, "NUM_RANDOM", 2)
        patch.setattr(embeddings, "NUM_STEPS", 250)
        yield


IMAGES = np.random.default_rng(0).integers(0, 256, (60, 6, 5, 1)).astype(np.uint8)
LABELS = np.arange(60) % 3
CONFIG = Config(
    autoencoder=PlainConfig(encoder=Dense(widths=(8,)), latent_size=3),
    training=TrainingConfig(epochs=2, batch_size="all"),
    evaluation=EvaluationConfig(measures=("reconstruction",), baselines=()),
)


def trained(path, config=CONFIG, **arrays):
    np.savez(path / "images.npz", **arrays)
    train([dataclasses.replace(config, data=DataConfig(name=str(path / "images.npz")))], path / "study")
    return StudyDirectory(path / "study")


def explained(study, *flags):
    """Returns the reasons why parts are left out, by part."""
    said = []
    explain([str(study.path), *flags], said.append)
    left_out = [line.split(" is left out: ") for line in said if " is left out: " in line]
    return {what.split(": ")[-1]: why for what, why in left_out}


def made(study, kind, *flags):
    generate([str(study.path), f"--kind={kind}", f"--output={study.path / 'made'}", *flags], lambda _: None)
    with np.load(study.path / "made.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """One test image; and classes that it does not have."""
    arrays = {"image": IMAGES, "label": LABELS, "test_image": IMAGES[:1], "test_label": LABELS[:1]}
    return trained(tmp_path_factory.mktemp("single"), **arrays)


@pytest.mark.slow
def test_of_one_test_image_all_is_made_but_what_is_between_images(single):
    flags = [f"--part={part}" for part in ("attribution", "embedding", "tsne", "paths")]
    left_out = explained(single, *flags)
    assert set(left_out) == {"attribution", "paths"}
    assert "there is a single test image" in left_out["attribution"]
    assert "these are all of class [0]" in left_out["paths"]
    ((one,), _) = read_explanations(single)
    assert set(one.facts["parts"]) == {"embedding", "tsne"}
    assert not one.arrays["embedding_tsne"].any()


def test_one_test_image_is_reconstructed_and_changed_but_lies_on_no_way(single):
    assert made(single, "reconstructions", "--num=1")["reconstruction"].shape == (1, 6, 5, 1)
    changed = made(single, "arithmetic", "--source_class=0", "--target_class=1", "--num=1", "--steps=2")
    assert changed["changed"].shape == (1, 2, 6, 5, 1)
    for flags, message in (
        (["interpolations"], "has a single test image, and a way goes from one to another"),
        (["arithmetic", "--source_class=1", "--target_class=0"], "has no test image of class 1"),
        (["arithmetic", "--source_class=0", "--target_class=3"], "has no class 3; its classes are 0, 1, 2"),
    ):
        with pytest.raises(UserError, match=message):
            made(single, *flags)


def test_whatever_happens_to_one_part_the_others_are_made(single, monkeypatch):
    def failing(error):
        def part(*_):
            raise error

        return part

    monkeypatch.setitem(PARTS, "traversals", failing(ZeroDivisionError("by\nzero")))
    monkeypatch.setitem(PARTS, "paths", failing(MemoryError()))
    monkeypatch.setattr(explaining, "_compare", failing(ValueError("of\nlibraries")))
    flags = [f"--part={part}" for part in ("traversals", "paths", "units", OF_STUDY)]
    assert explained(single, *flags) == {
        "traversals": "ZeroDivisionError: by zero",
        "paths": "MemoryError",
        OF_STUDY: "ValueError: of libraries",
    }
    assert "units" in read_explanations(single)[0][0].facts["parts"]
    with pytest.raises(UserError, match="nothing was explained: ZeroDivisionError: by zero") as caught:
        explained(single, "--part=traversals")
    assert "\n" not in str(caught.value)
    # A full disk is no reason to go on.
    monkeypatch.setitem(PARTS, "traversals", failing(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        explained(single, "--part=traversals")


def test_a_study_without_a_finished_member_says_so(single):
    empty = StudyDirectory(single.path.parent / "empty")
    empty.path.mkdir()
    (empty.path / "study.json").write_bytes((single.path / "study.json").read_bytes())
    for command in (explain, generate):
        with pytest.raises(UserError, match="has no finished autoencoder; run its command again"):
            command([str(empty.path), *(["--kind=grid"] if command is generate else [])], lambda _: None)


DEAD = PlainConfig(encoder=Dense(widths=(8,)), latent_size=3, latent_activation="relu")
EQUAL = np.repeat(IMAGES[:1], 30, axis=0)
ODD = {
    "one test image": ({"image": IMAGES, "label": LABELS, "test_image": IMAGES[:1], "test_label": LABELS[:1]}, CONFIG),
    "equal": ({"image": EQUAL, "label": np.arange(30) % 2}, CONFIG),
    "equal, no labels": ({"image": EQUAL}, CONFIG),
    "black": ({"image": 0 * EQUAL, "label": np.arange(30) % 2}, CONFIG),
    "few": ({"image": IMAGES[:8]}, CONFIG),
    "one class": ({"image": IMAGES, "label": 0 * LABELS}, CONFIG),
    "a class in every image": ({"image": IMAGES, "label": np.arange(60)}, CONFIG),
    "a pixel": ({"image": IMAGES[:, :1, :1], "label": LABELS}, CONFIG),
    "a row of two channels": ({"image": np.repeat(IMAGES[:, :1], 2, axis=3), "label": LABELS}, CONFIG),
    "one unit": (
        {"image": IMAGES, "label": LABELS},
        dataclasses.replace(CONFIG, autoencoder=dataclasses.replace(CONFIG.autoencoder, latent_size=1)),
    ),
    "units that rest": (
        {"image": IMAGES, "label": LABELS},
        dataclasses.replace(
            CONFIG,
            autoencoder=KSparseConfig(encoder=Dense(widths=(8,)), latent_size=6, k=1, likelihood=HalfSquaredError()),
        ),
    ),
    "a posterior of equal images": (
        {"image": EQUAL, "label": np.arange(30) % 2},
        dataclasses.replace(CONFIG, autoencoder=VaeConfig(encoder=Dense(widths=(8,)), latent_size=2)),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_odd_images_are_explained_as_far_as_that_has_a_meaning_and_without_a_warning(name, tmp_path):
    arrays, config = ODD[name]
    study = trained(tmp_path, config, **arrays)
    allowed = {
        "one test image": {"attribution", "paths"},
        "equal": {"dictionary"},
        "equal, no labels": {"dictionary", "paths"},
        "black": {"dictionary"},
        "few": {"attribution", "paths"},
        "one class": {"paths"},
        "a class in every image": set(),
        "a posterior of equal images": {"dictionary"},
    }.get(name, set())
    assert set(explained(study)) == allowed
    ((one,), _) = read_explanations(study)
    assert set(one.facts["parts"]) == set(PARTS) - allowed
    assert read_similarity(study) is not None
    for array in (array for key, array in one.arrays.items() if key.startswith(("embedding", "traversal", "path"))):
        assert np.isfinite(array).all()
    for flags in (["reconstructions", "--num=1"], ["grid", "--num=1"], ["reconstructions"], ["grid", "--num=9"]):
        made(study, *flags)
    if name not in ("few", "one test image"):
        latent = made(study, "interpolations", "--num=1", "--steps=2")["latent"]
        assert np.isfinite(latent).all()


@pytest.mark.slow
def test_members_that_cannot_be_explained_are_left_out_of_a_sweep(tmp_path):
    np.savez(tmp_path / "images.npz", image=IMAGES)
    data = DataConfig(name=str(tmp_path / "images.npz"))
    plain = dataclasses.replace(CONFIG, data=data)
    deep = dataclasses.replace(
        plain, autoencoder=PlainConfig(encoder=Dense(widths=(8, 8)), latent_size=3, likelihood=HalfSquaredError())
    )
    family = dataclasses.replace(plain.autoencoder, likelihood=HalfSquaredError(output="identity"))
    per_image = dataclasses.replace(
        plain, autoencoder=family, data=dataclasses.replace(data, preprocessing="per_image")
    )
    train([plain, deep, per_image], tmp_path / "study")
    said = []
    layer = "encoder/DenseStack_0/Dense_1"
    explain(
        [str(tmp_path / "study"), "--part=units", "--part=dictionary", f"--layer={layer}"],
        said.append,
    )
    left_out = [line for line in said if "is left out" in line]
    assert len(left_out) == 2, left_out
    assert sum(f"the encoder has no layer '{layer}'" in line for line in left_out) == 1
    assert sum("data.preprocessing=per_image takes from each image" in line for line in left_out) == 1
    found, _ = read_explanations(StudyDirectory(tmp_path / "study"))
    assert sorted(sorted(one.facts["parts"]) for one in found) == [["dictionary", "units"], ["units"]]
