"""Explaining a study: what is written of which member, what survives a stop, and what is refused."""

import dataclasses
import json
import signal

import numpy as np
import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.cli.explain import explain as command
from aejax.data.load import DataConfig
from aejax.errors import ConfigError, Interrupted, UserError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.explain.dictionary import DictionaryConfig
from aejax.networks.dense import Dense
from aejax.store.directory import StudyDirectory
from aejax.store.explanations import SIMILARITY, directory_of, read_explanations, read_similarity
from aejax.store.stop import StopRequest
from aejax.study.job import Options
from aejax.trained.explaining import attributions, parts, subject
from aejax.trained.explaining import explain as explaining
from aejax.trained.explaining.explain import OF_STUDY, PARTS, explain
from aejax.training.step import TrainingConfig
from tests.study.studies import train

LAYER = "encoder/DenseStack_0/Dense_0"
QUIET = Options(say=lambda _: None)


@pytest.fixture(scope="module", autouse=True)
def quick():
    """These images and networks are small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "DICTIONARY", DictionaryConfig(steps=50, expansion=8, k=8))
        patch.setattr(attributions, "OWN_STEPS", 256)
        patch.setattr(attributions, "NUM_RANDOM", 2)
        yield


def read(study):
    found, faults = read_explanations(study)
    assert not faults
    return found


def save(dataset, path, *, labelled):
    splits = (dataset.train, dataset.validation, dataset.test)
    label = {"label": np.concatenate([split.label for split in splits])} if labelled else {}
    np.savez(path, image=np.concatenate([split.image for split in splits]), **label)
    return Config(
        data=DataConfig(name=str(path)),
        autoencoder=PlainConfig(encoder=Dense(widths=(16,)), latent_size=4),
        training=TrainingConfig(epochs=30, batch_size=20),
        evaluation=EvaluationConfig(measures=("reconstruction",), baselines=("supervised",) if labelled else ()),
    )


@pytest.fixture(scope="module")
def study(dataset, tmp_path_factory):
    """Two seeds, explained by everything."""
    path = tmp_path_factory.mktemp("explained")
    config = save(dataset, path / "quadrants.npz", labelled=True)
    train([dataclasses.replace(config, seed=seed) for seed in (0, 1)], path / "study")
    said = []
    command([str(path / "study")], said.append)
    assert said[-1].endswith("explanations/, and report.html that shows them (open it in a browser)")
    return StudyDirectory(path / "study")


def test_every_member_has_numbers_and_the_first_seed_pictures(study):
    first, second = read(study)
    assert [one.title for one in (first, second)] == ["plain, seed 0", "plain, seed 1"]
    for one in (first, second):
        assert set(one.facts["parts"]) == set(PARTS)
        numbers = one.facts["numbers"]
        assert numbers["num_units"] == 4
        assert numbers["dictionary_num_units"] == 8 * 4
        assert 0.3 < numbers["unit_purity"] <= 1
        assert numbers["dense_purity"] == numbers["unit_purity"]
        assert 0 < numbers["dictionary_unexplained"] < 0.5
        assert {"dictionary_dead", "dictionary_dead_without_auxiliary", "dictionary_information"} <= set(numbers)
        assert numbers["dictionary_probe_accuracy"] > 0.5
    assert second.arrays == {}
    shapes = {name: array.shape for name, array in first.arrays.items()}
    assert shapes["traversal_image"] == (4, 11, 8, 8, 1)
    assert shapes["unit_image"] == (4, 16, 8, 8, 1)
    assert shapes["embedding_tsne"] == shapes["embedding_pca"] == (66, 2)
    assert shapes["attribution_map"] == (12, 8, 8, 8)
    assert shapes["path_probability"] == (8, 11, 4)
    for name, array in first.arrays.items():
        if name.endswith(("image", "atom")):
            assert array.dtype == np.uint8
        elif not name.startswith("dictionary"):  # Units that too few images have are of no purity.
            assert np.isfinite(array).all()
    # A traversed unit moves the image, and every path begins and ends in its own classes.
    assert np.all(np.ptp(first.arrays["traversal_image"].astype(int), axis=1).max(axis=(1, 2, 3)) > 10)
    ends = first.arrays["path_probability"][:, [0, -1]].argmax(axis=2)
    assert np.mean(ends == first.arrays["path_class"]) > 0.8


def test_attributions_are_checked_and_the_meaningless_one_is_found_out(study):
    for one in read(study):
        rows = {(row["target"], row["method"]): row for row in one.facts["attribution"]}
        assert len(rows) == 12
        for target in ("unit", "probe", "error"):
            assert rows[target, "integrated_gradients"]["completeness"] < 0.01
            assert "completeness" in rows[target, "integrated_gradients"]["passed"]
            assert rows[target, "edges"]["randomized_signed"] == pytest.approx(1)
            assert "randomization" in rows[target, "edges"]["failed"]
        assert {"deletion", "insertion"} <= set(rows["probe", "integrated_gradients"]["passed"])


def test_members_layers_and_the_supervised_network_are_compared(study):
    similarity, _ = read_similarity(study)
    names = ["plain, seed 0", "plain, seed 1", "supervised, seed 0", "supervised, seed 1"]
    layers = [f"{name}: {layer}" for name in (names[0], names[2]) for layer in (LAYER, "latent")]
    assert sorted(similarity.names) == sorted([*names, *layers])
    np.testing.assert_allclose(similarity.matrix, similarity.matrix.T)
    np.testing.assert_allclose(np.diag(similarity.matrix), 1)
    place = similarity.names.index
    assert similarity.matrix[place(names[0]), place(f"{names[0]}: latent")] == pytest.approx(1, abs=1e-3)
    assert similarity.matrix[place(names[0]), place(names[2])] < 0.999


def test_the_report_shows_them(study):
    page = (study.path / "report.html").read_text()
    for section in ("explained", "traversals", "manifold", "embeddings", "units", "attribution", "paths", "similarity"):
        assert f'<section id="{section}">' in page


def files_of(study):
    path = directory_of(study)
    return {file.name: file.stat().st_mtime_ns for file in path.iterdir() if not file.name.startswith(".")}


def facts_of(study):
    """What members' files hold, without what clocks wrote."""
    facts = [json.loads(json.dumps(one.facts)) for one in read(study)]
    for one in facts:
        for part in one["parts"].values():
            part["seconds"] = None
    return facts


@pytest.mark.slow
def test_the_same_command_makes_only_what_is_missing_and_makes_it_the_same(study):
    facts, before = facts_of(study), files_of(study)
    arrays = read(study)[0].arrays
    # A part alone takes nothing from the others, nor does what is of the study.
    explain(study, ["units", "embedding", OF_STUDY], options=QUIET)
    assert {**files_of(study), SIMILARITY: None} == {**before, SIMILARITY: None}
    # What is damaged is made again, to the same bits.
    (directory_of(study) / f"{facts[0]['id']}.npz").write_bytes(b"damaged")
    (directory_of(study) / f"{facts[1]['id']}.json").write_text("{")
    said = []
    explain(study, list(PARTS), options=Options(say=said.append))
    assert sum("was set aside as" in line and ".damaged: its parts are explained again" in line for line in said) == 2
    assert (directory_of(study) / f"{facts[1]['id']}.json.damaged").read_text() == "{"
    assert facts_of(study) == facts
    again = read(study)[0].arrays
    assert set(again) == set(arrays)
    assert all(np.array_equal(again[name], arrays[name], equal_nan=arrays[name].dtype.kind == "f") for name in arrays)


def test_a_stop_keeps_what_was_made(study, monkeypatch):
    stop = StopRequest()

    def stopping(subject):
        stop.signal = signal.SIGTERM
        return {"numbers": {"made": 1.0, "unknown": np.nan}}, {}

    monkeypatch.setitem(explaining.PARTS, "units", stopping)
    (directory_of(study) / f"{facts_of(study)[0]['id']}.json").unlink()
    with pytest.raises(Interrupted, match="run the same command again"):
        explain(study, ["units", "paths"], options=QUIET._replace(stop=stop))
    one = read(study)[0]
    assert list(one.facts["parts"]) == ["units"]
    assert one.facts["numbers"] == {"made": 1.0}  # JSON has no NaN.


@pytest.fixture(scope="module")
def other(dataset, tmp_path_factory):
    """A variational autoencoder of images without labels."""
    path = tmp_path_factory.mktemp("unlabelled")
    config = save(dataset, path / "quadrants.npz", labelled=False)
    family = VaeConfig(encoder=Dense(widths=(16,)), latent_size=3)
    train([dataclasses.replace(config, autoencoder=family)], path / "study")
    return StudyDirectory(path / "study")


def test_without_labels_what_needs_them_is_left_out(other):
    explain(other, ["traversals", "units", "paths"], options=QUIET)
    (one,) = read(other)
    assert one.facts["traversed_by"] == "kl"
    assert "unit_purity" not in one.facts["numbers"]
    assert set(one.arrays["unit_class"]) == {-1}
    assert "path_image" not in one.arrays
    json.dumps(one.facts, allow_nan=False)


def test_a_dictionary_of_a_layer(other):
    explain(other, ["traversals"], options=QUIET)
    explain(other, ["dictionary"], layer=LAYER, options=QUIET)
    (one,) = read(other)
    assert "traversal_image" in one.arrays
    assert one.facts["numbers"]["dictionary_num_units"] == 8 * 16
    assert "dictionary_atom" not in one.arrays
    assert "dictionary_image" in one.arrays


@pytest.mark.parametrize(
    ("flags", "kind", "words"),
    [
        (["--part=tsne", "--leave_out=tsne"], ConfigError, "leaves nothing to explain"),
        (["--part=everything"], ConfigError, "part"),
        (["--member=zz"], UserError, "has no member 'zz' among its autoencoders: choose of"),
        (["--part=dictionary", "--layer=nowhere"], UserError, f"has no layer 'nowhere'; there are {LAYER}"),
        (["--part=units", "--layer=latent"], ConfigError, "--layer=latent is of the part 'dictionary'"),
    ],
)
def test_what_cannot_be_explained_is_said_in_one_line(other, flags, kind, words):
    with pytest.raises(kind) as caught:
        command([str(other.path), *flags])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_part_that_a_member_does_not_allow_is_left_out_and_said(other, monkeypatch):
    monkeypatch.setattr(subject, "MAX_NUMBERS", 2)
    for file in directory_of(other).glob("*.json"):
        file.unlink()
    with pytest.raises(UserError, match="codes of autoencoder=vae have 3 numbers, and at most 2 can be explained"):
        explain(other, ["units"], options=QUIET)
    said = []
    explain(other, ["units", "dictionary"], layer=LAYER, options=Options(say=said.append))
    assert any("units is left out" in line for line in said)


def test_a_directory_without_a_study(tmp_path):
    with pytest.raises(UserError, match="no study"):
        command([str(tmp_path)])
    with pytest.raises(ConfigError, match="name one study's directory"):
        command([])
