"""aejax from Python, on arrays: the numbers of the command, one line for what is wrong, and studies that go on."""

import dataclasses
import pathlib
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import aejax
from aejax.api.arrays import to_arrays
from aejax.cli import commands
from tests.study.studies import ROOT, finish, read_csv, read_parameters, script

FAMILY = aejax.BetaVaeConfig(encoder=aejax.Dense(widths=(16,)), latent_size=3)
CONFIG = aejax.Config(
    autoencoder=FAMILY,
    training=aejax.TrainingConfig(epochs=2, batch_size=40),
    evaluation=aejax.EvaluationConfig(measures=("reconstruction", "neighbors"), baselines=("pca",)),
)
FLAGS = (
    "--set=autoencoder=beta_vae",
    "--set=autoencoder.encoder.widths=[16]",
    "--set=autoencoder.latent_size=3",
    "--set=training.epochs=2",
    "--set=training.batch_size=40",
)
MEASURED = ('--set=evaluation.measures=["reconstruction","neighbors"]', '--set=evaluation.baselines=["pca"]')


def command(*arguments):
    """What scripts/train.py calls."""
    commands.train(arguments, say=lambda line: None)


def same_tree(one, other):
    return jax.tree.all(jax.tree.map(np.array_equal, one, other))


@pytest.fixture(scope="module")
def images(dataset):
    return np.concatenate([split.image for split in dataset.splits.values()])[..., 0]


@pytest.fixture(scope="module")
def labels(dataset):
    return np.concatenate([split.label for split in dataset.splits.values()])


@pytest.fixture(scope="module")
def trained(images):
    return aejax.fit(CONFIG, images, epochs=3, seed=1)


@pytest.fixture(scope="module")
def half(images, labels, tmp_path_factory):
    """The results of one seed from Python, and their study, to which the command has then added another seed."""
    path = tmp_path_factory.mktemp("study") / "study"
    sweep = aejax.grid("autoencoder.beta", [0.1, 1.0])
    results = aejax.run(CONFIG, images, labels, sweep=sweep, seeds=np.int64(1), workdir=path).results
    name = f"--set=data.name={path / 'images.npz'}"
    command(*FLAGS, *MEASURED, name, "--sweep=autoencoder.beta=0.1,1.0", "--seeds=2", f"--workdir={path}")
    return results, aejax.load(path)


@pytest.fixture(scope="module")
def study(half):
    return half[1]


def test_fit_trains_on_all_images_but_a_tenth(trained, images):
    assert trained.trained_on.num_images == {"train": 360, "validation": 40, "test": 0}
    assert (trained.config.seed, len(trained.curves["validation_loss"])) == (1, 3)
    code = trained.encode(images)
    assert (code.shape, code.dtype) == ((400, 3), np.float32)
    assert trained.reconstruct(images).shape == trained.decode(code).shape == (400, 8, 8, 1)
    assert trained.sample(5).shape == (5, 8, 8, 1)
    assert not pathlib.Path(trained.config.data.name).parent.exists()  # The temporary directory.


def test_a_model_shows_itself_and_its_reconstructions(trained, images, tmp_path):
    assert re.match(r"<aejax.Trained: beta_vae autoencoder, [\d,]+ parameters, trained on 360 images", repr(trained))
    assert "autoencoder.latent_size</td><td>3" in trained._repr_html_()
    picture = trained.picture(images[:3])
    picture.save(tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as saved:
        pixels = np.asarray(saved)
    assert pixels.shape == (2 * 64, 3 * 64)
    np.testing.assert_array_equal(pixels[:64:8, :64:8], images[0])
    again = trained.to_stored(trained.reconstruct(images[2:3]))[0, ..., 0]
    assert np.abs(pixels[64::8, 128::8].astype(int) - again).max() <= 1


def test_a_saved_model_is_loaded_by_the_same_name(trained, images, tmp_path):
    trained.save(tmp_path / "model")
    np.testing.assert_array_equal(aejax.load(tmp_path / "model").encode(images), trained.encode(images))


def test_the_command_goes_on_with_a_study_from_python_and_python_with_the_commands(half, images, labels):
    before, study = half
    after = study.results
    assert (len(before), len(after)) == (3, 5)
    kept = after[after["id"].isin(before["id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept[before.columns], before)  # With their seconds: they were not trained again.
    again = aejax.run(CONFIG, images, labels, sweep=aejax.grid("autoencoder.beta", [0.1]), seeds=2, workdir=study.path)
    pd.testing.assert_frame_equal(again.results, after)
    with pytest.raises(aejax.UserError, match=r"images.npz holds other arrays than those that are given"):
        aejax.run(CONFIG, images[:300], labels[:300], workdir=study.path)


def test_results_are_those_of_the_file_and_of_all_members(study):
    frame = study.results
    written = pd.read_csv(study.path / "results.csv")
    pd.testing.assert_frame_equal(frame, written, check_dtype=False, rtol=1e-14)
    assert frame["method"].tolist() == [*["autoencoder"] * 4, "pca"]
    assert frame["autoencoder.beta"].tolist()[:4] == [0.1, 0.1, 1.0, 1.0]
    table = study.table()
    assert table["method"].tolist() == ["autoencoder", "autoencoder", "pca", "majority class"]
    assert "±" in table["MSE"][0]
    assert study._repr_html_().count("<tr") == 1 + len(table)


def test_the_report_is_written_where_it_is_asked_for(study, tmp_path):
    page = study.report(tmp_path)
    assert page == tmp_path / "report.html"
    assert page.read_text(encoding="utf-8") == (study.path / "report.html").read_text(encoding="utf-8")


def test_the_best_is_chosen_by_validation_images_and_needs_no_data(study, images, monkeypatch):
    monkeypatch.chdir("/")
    frame = study.results[study.results["method"] == "autoencoder"]
    for metric, choose in (("mse", np.argmin), ("test_knn_accuracy", np.argmax)):
        best = frame.iloc[choose(frame[f"validation_{metric.removeprefix('test_')}"])]
        assert study.best(metric).id == best["id"]
    data = (study.path / "images.npz").rename(study.path / ".images.npz")
    assert study.best("mse").encode(jnp.asarray(images)).shape == (400, 3)
    data.rename(study.path / "images.npz")
    assert study.member(frame["id"].iloc[2][:6]).config.autoencoder.beta == 1.0
    with pytest.raises(aejax.UserError, match="there is no metric 'accurate'; choose one of probe_accuracy"):
        study.best("accurate")
    with pytest.raises(aejax.UserError, match=r"has probe_accuracy on validation images.*; there are .*knn_accuracy"):
        study.best("probe_accuracy")


def test_measure_gives_the_numbers_of_the_study(study, images, labels):
    row = study.results.iloc[1]
    member = study.member(row["id"])
    measured = aejax.measure(member, images, labels, measures=["reconstruction", "neighbors"])
    assert measured["mse"] > 0
    for name, value in measured.items():
        assert value == row[f"test_{name}"], name
    with pytest.raises(aejax.DataError, match="has no labels, and evaluation asks for 'probe'"):
        aejax.measure(member, images, measures=["probe"])
    with pytest.raises(aejax.DataError, match=re.escape("shape (8, 7, 1); those that the model was trained on")):
        aejax.measure(member, images[:, :, :7])
    with pytest.raises(aejax.DataError, match="there are no images to measure on"):
        aejax.measure(member, None)


def test_dark_images_are_measured_as_they_are(study, images):
    dark = images // 4
    assert aejax.measure(study.member(study.results["id"][0]), dark, measures=["reconstruction"])["mse"] > 0


class Unreadable:
    """Images that are elsewhere, as those of PyTorch may be."""

    def __array__(self, *_, **__):
        raise TypeError("it is on a GPU")


def test_labels_may_be_texts_of_pandas():
    labels = pd.Series(["cat", "dog", "cat"], dtype=object)
    arrays = to_arrays(np.zeros((3, 2, 2)), labels)
    assert arrays["label"].tolist() == labels.tolist()
    assert arrays["label"].dtype.kind == "U"


WRONG = {
    "objects": ({"images": np.array([[[None]]])}, "'image' is object; it should be uint8, or floats"),
    "ragged": ({"images": [[[1.0]], [[1.0, 2.0]]]}, "images are no array"),
    "nan": ({"images": np.full((9, 2, 2), np.nan)}, "'image' has pixels that are NaN"),
    "axes": ({"images": np.zeros((9, 2))}, re.escape("'image' has shape (9, 2); it should be [N, H, W]")),
    "labels": ({"labels": [0, 1]}, re.escape("'label' has shape (2,); it should be (400,)")),
    "integers": ({"images": np.zeros((9, 2, 2), int)}, "images are int64; they should be uint8, or floats"),
    "bits": ({"images": np.ones((9, 2, 2), np.uint8)}, "images are uint8 from 0 to 1; make them floats, or white 255"),
    "range": ({"images": np.full((90, 2, 2), 16.0)}, "^images range from 16 to 16; they should be uint8, or floats in"),
    "dark": ({"images": np.full((90, 2, 2), 100, np.uint8)}, "^images are uint8 up to 100, .* set data.maximum=255$"),
    "no array": ({"images": Unreadable()}, r"^images are no array \(TypeError: it is on a GPU\); make them a numpy"),
    "missing": ({"images": None, "labels": [0]}, "there are labels and no images"),
    "field": ({"config": aejax.VaeConfig(latent_size=-1)}, "autoencoder.latent_size: .* greater than 0, got -1"),
    "type": ({"config": "vae"}, "config should be an aejax.Config, or a family .*; got 'vae'"),
    "two sources": ({"config": aejax.Config(data=aejax.DataConfig(name="mnist"))}, "data.name=mnist names others"),
    "maximum": ({"config": aejax.Config(data=aejax.DataConfig(maximum=16.0))}, "data.maximum=16: images that are"),
    "batch": ({"config": aejax.Config(training=aejax.TrainingConfig(batch_size=999))}, "is larger than the 360"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_left(case, images, tmp_path, monkeypatch):
    change, line = WRONG[case]
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(aejax.UserError, match=line) as error:
        aejax.fit(**{"config": FAMILY, "images": images} | change)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_refused_study_leaves_no_directory(images, labels, tmp_path):
    unknown = dataclasses.replace(CONFIG, evaluation=aejax.EvaluationConfig(measures=("prob",)))
    refused = {
        "unknown field 'autoencoder.bet'; did you mean 'autoencoder.beta'": {
            "sweep": aejax.grid("autoencoder.bet", [1])
        },
        "seeds are given, and the sweep has some": {"sweep": aejax.grid("seed", [1]), "seeds": 2},
        "a study has at least one": {"seeds": 0},
        "seeds=2.5: should be a number of seeds": {"seeds": 2.5},
        "and at most 10000": {"seeds": 10**9},
        "sweep should be points, as aejax.grid makes them": {"sweep": {"autoencoder.beta": [1]}},
        "search should be an aejax.Search; got Sobol": {"search": aejax.Sobol(trials=2)},
        "wandbb: unknown choice": {"trackers": "wandbb"},
        "unknown choice 'prob'": {"config": unknown},
    }
    for line, change in refused.items():
        with pytest.raises(aejax.ConfigError, match=line):
            aejax.run(**{"config": CONFIG, "images": images, "labels": labels, "workdir": tmp_path / "new"} | change)
        assert not list(tmp_path.iterdir())
    (tmp_path / "note.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(aejax.UserError, match="holds other files"):
        aejax.run(CONFIG, images, labels, workdir=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["note.txt"]
    with pytest.raises(aejax.UserError, match="no study"):
        aejax.load(tmp_path)


def test_without_test_images_nothing_may_be_measured():
    config = dataclasses.replace(CONFIG, data=aejax.DataConfig(test_size=0))
    with pytest.raises(aejax.ConfigError, match=r"data.test_size is 0, and measures, .* need test images"):
        aejax.run(config)


@pytest.mark.slow
def test_fit_is_what_the_command_trains_to_the_last_bit(trained, images, tmp_path):
    np.savez(tmp_path / "mine.npz", image=images)
    size = ("--set=data.test_size=0", "--set=evaluation.measures=[]", "--set=evaluation.baselines=[]", "--set=seed=1")
    data = f"--set=data.name={tmp_path / 'mine.npz'}"
    command(*FLAGS, *size, data, "--set=training.epochs=3", f"--workdir={tmp_path / 'study'}")
    assert same_tree(trained.variables, aejax.load(tmp_path / "study").member().variables)
    again = aejax.fit(CONFIG, jnp.asarray(images)[..., None], epochs=3, seed=1)
    assert same_tree(trained.variables, again.variables)


@pytest.mark.slow
def test_a_temporary_study_is_removed_with_its_object(monkeypatch, images, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    config = dataclasses.replace(CONFIG, evaluation=aejax.EvaluationConfig(measures=(), baselines=()))
    found = aejax.run(config, images, seeds=[4])
    assert found.results["seed"].tolist() == [4]
    assert found.path.parent == tmp_path
    del found
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_search_is_run_and_its_winner_trained_again(images, tmp_path):
    space = {"optimizer.learning_rate": aejax.Range(low=1e-3, high=1e-2, log=True)}
    config = dataclasses.replace(CONFIG, evaluation=aejax.EvaluationConfig(measures=("reconstruction",), baselines=()))
    search = aejax.Search(method=aejax.Sobol(trials=2), space=space)
    workdir = tmp_path / "study"
    found = aejax.run(config, images, search=search, seeds=1, workdir=workdir, trackers=["tensorboard"])
    assert len(found.results) == 1
    trials = aejax.load(workdir / "search").results["optimizer.learning_rate"]
    assert len(set(trials)) == 2
    assert found.best("mse").config.optimizer.learning_rate in set(trials)
    assert list(workdir.rglob("events*"))
    with pytest.raises(aejax.ConfigError, match="unknown choice"):
        aejax.run(config, images, trackers=["tensorbord"])


@pytest.mark.slow
def test_run_of_the_quickstarts_config_is_the_script_to_the_last_bit(tmp_path):
    code = f"""
import dataclasses, aejax
experiment = aejax.load_experiment("experiments/quickstart.py")
config = dataclasses.replace(experiment.config, training=aejax.TrainingConfig(epochs=5))
study = aejax.run(config, sweep=experiment.sweep, seeds=2, workdir={str(tmp_path / "python")!r})
print(len(study.results))
"""
    python = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    status, out, error = finish(python)
    assert (status, out) == (0, "8\n"), error
    arguments = ("--config=experiments/quickstart.py", "--set=training.epochs=5", "--seeds=2")
    status, _, error = finish(script("train", *arguments, f"--workdir={tmp_path / 'command'}"))
    assert status == 0, error
    assert read_csv(tmp_path / "python") == read_csv(tmp_path / "command")
    one, other = (read_parameters(tmp_path / name) for name in ("python", "command"))
    assert one
    assert same_tree(one, other)
