"""`aejax score` and `aejax encode`: of new images and the own ones, by members of studies and by saved models."""

import csv
import dataclasses
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aejax.__main__ import run
from aejax.api.study import load
from aejax.autoencoders.plain import PlainConfig
from aejax.cli import new_images
from aejax.data.load import DataConfig
from aejax.data.load import load as load_dataset
from aejax.errors import ConfigError, DataError, UserError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.trained.blocks import in_blocks
from aejax.training.config import TrainingConfig
from tests.study.studies import train


@pytest.fixture(scope="module")
def folder(dataset, tmp_path_factory):
    """A study of two seeds, the data that it was trained on, new images, and a saved model."""
    path = tmp_path_factory.mktemp("new")
    image, label = (
        np.concatenate([getattr(part, name) for part in dataset.splits.values()]) for name in ("image", "label")
    )
    np.savez(path / "data.npz", image=image, label=label)
    config = Config(
        data=DataConfig(name=str(path / "data.npz"), validation_size=40),
        autoencoder=PlainConfig(encoder=Dense(widths=(8,)), latent_size=2),
        training=TrainingConfig(epochs=1, batch_size=40),
        evaluation=EvaluationConfig(measures=("reconstruction",), baselines=()),
    )
    train([config, dataclasses.replace(config, seed=1)], path / "study")
    np.savez(path / "new.npz", image=image[:30], label=np.array(["red"] * 30))
    np.save(path / "new.npy", image[:30] / 255)
    load(path / "study").best().save(path / "model")
    return path


def lines_of(*arguments):
    lines = []
    command, *others = map(str, arguments)
    getattr(new_images, command)(others, lines.append)
    return lines


def data_of(trained):
    return load_dataset(trained.config.data)


def test_pictures_in_a_folder_have_the_scores_of_their_pixels(folder, tmp_path):
    image = np.load(folder / "new.npz")["image"]
    for index in range(3):
        (tmp_path / f"photos/{index}").mkdir(parents=True)
        Image.fromarray(image[index, ..., 0]).save(tmp_path / f"photos/{index}/a.png")
        Image.fromarray(np.repeat(image[index], 3, 2).repeat(2, 0).repeat(2, 1)).save(
            tmp_path / f"photos/{index}/b.png"
        )
    table = tmp_path / "scores.csv"
    lines = lines_of("score", folder / "study", tmp_path / "photos", f"--output={table}")
    assert "3 of 6 pictures of another size than 8 x 8: scaled to cover it, center cut out" in lines
    scores = pd.read_csv(table, index_col="image")["score"]
    assert list(scores.index) == [f"{index}/{name}.png" for index in range(3) for name in "ab"]
    np.testing.assert_allclose(scores[::2], load(folder / "study").best().scores(image[:3]), rtol=1e-5)
    table.unlink()
    lines_of("score", folder / "study", tmp_path / "photos" / "1" / "a.png", f"--output={table}")
    np.testing.assert_allclose(pd.read_csv(table)["score"], scores["1/a.png"], rtol=1e-5)


def test_scores_of_new_images_are_those_of_python_and_the_threshold_is_of_validation_images(folder, tmp_path):
    table, picture = tmp_path / "deep" / "scores.csv", tmp_path / "strangest.png"
    lines = lines_of(
        "score", folder / "study", folder / "new.npz", "--quantile=0.5", f"--output={table}", f"--picture={picture}"
    )
    rows, best = pd.read_csv(table), load(folder / "study").best()
    new, known = np.load(folder / "new.npz")["image"], data_of(best).validation.image
    threshold = best.threshold(known, 0.5)
    np.testing.assert_allclose(rows["score"], best.scores(new), rtol=1e-6)
    assert list(rows["image"]) == list(range(30))
    assert list(rows["beyond"]) == list(best.scores(new) > threshold)
    assert 0 < rows["beyond"].sum() < 30
    assert f"{rows['beyond'].sum()} of 30 images are beyond {threshold:.6g} by error, below which 0.5 of" in lines[1]
    with Image.open(picture) as shown:
        assert shown.size == (16 * 64, 2 * 64)


def test_the_own_test_images_are_scored_and_standard_output_is_a_table_alone(folder, capsys):
    run(["score", str(folder / "study"), "--by=distance"])
    shown, best = capsys.readouterr(), load(folder / "study").best()
    rows = list(csv.DictReader(io.StringIO(shown.out)))
    data = data_of(best)
    expected = best.scores(data.test.image, "distance", known=data.train.image)
    np.testing.assert_allclose([float(row["score"]) for row in rows], expected, rtol=1e-4)
    assert f"of {len(rows)} images are beyond" in shown.err


def test_a_saved_model_needs_a_threshold_and_no_data(folder, tmp_path):
    data, output = folder / "data.npz", f"--output={tmp_path / 'scores.csv'}"
    data.rename(data.with_suffix(".away"))
    try:
        for model in ("study", "model"):
            with pytest.raises(DataError, match=r"data\.npz is not there .*; or give --threshold=NUMBER"):
                lines_of("score", folder / model, folder / "new.npy", output)
            assert not list(tmp_path.iterdir())
        lines = lines_of("score", folder / "model", folder / "new.npy", output, "--threshold=0")
    finally:
        data.with_suffix(".away").rename(data)
    assert lines[0] == "30 of 30 images are beyond 0 by error"
    with pytest.raises(ConfigError, match=r"holds a single model .*; leave out --member and --method"):
        lines_of("score", folder / "model", "--member=1")


def test_pictures_of_a_folder_are_brought_to_the_size_of_those_of_training(folder, tmp_path):
    for name, size in (("b/wide.png", (20, 10)), ("a.png", (8, 8))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", size, "white").save(tmp_path / name)
    lines = lines_of("score", folder / "study", tmp_path, f"--output={tmp_path / 'scores.csv'}")
    rows, best = pd.read_csv(tmp_path / "scores.csv"), load(folder / "study").best()
    assert list(rows["image"]) == ["a.png", "b/wide.png"]
    np.testing.assert_allclose(rows["score"], best.scores(np.full((2, 8, 8), 255, np.uint8)), rtol=1e-5)
    assert any("of 2 images are beyond" in line for line in lines)


@pytest.mark.parametrize("layer", [None, "encoder/DenseStack_0"])
def test_codes_are_the_features_as_npz_and_as_parquet(folder, tmp_path, layer):
    chosen, best = [] if layer is None else [f"--layer={layer}"], load(folder / "study").best()
    for name in ("codes.npz", "codes.parquet"):
        lines = lines_of("encode", folder / "study", folder / "new.npz", f"--output={tmp_path / name}", *chosen)
    code = best.features(np.load(folder / "new.npz")["image"], layer)
    assert lines[-1] == f"{tmp_path / 'codes.parquet'}: codes of 30 images, {code.shape[1]} numbers each"
    arrays, frame = np.load(tmp_path / "codes.npz"), pd.read_parquet(tmp_path / "codes.parquet")
    np.testing.assert_array_equal(arrays["code"], code)
    np.testing.assert_array_equal(frame[[f"code_{index}" for index in range(code.shape[1])]], code)
    for names, labels in ((arrays["name"], arrays["label"]), (frame["name"], frame["label"])):
        assert (list(names), set(labels)) == (list(map(str, range(30))), {"red"})


@pytest.mark.parametrize(
    ("arguments", "error", "line"),
    [
        (
            ["score", "study", "wide.npz"],
            DataError,
            "holds images of 8 x 9 x 1, and the model was trained on images of 8 x 8 x 1",
        ),
        (
            ["score", "study", "color.npz"],
            DataError,
            "holds images of 8 x 8 x 3, and the model was trained on images of 8 x 8 x 1",
        ),
        (["score", "study", "other.npz"], DataError, "holds the arrays images; it should hold 'image'"),
        (["score", "study", "text.npy"], DataError, r"text\.npy cannot be read"),
        (["score", "study", "nothing.npz"], DataError, r"nothing\.npz cannot be read: No such file"),
        (["score", "study", "new.npz", "--by=nll"], UserError, "has no posterior"),
        (["score", "study", "--quantile=95"], ConfigError, "quantile=95: should be a share"),
        (["score", "study", "--picture=strange.jpg"], ConfigError, r"--picture=.*: its name should end in \.png"),
        (["score"], ConfigError, r"name a study's directory, and perhaps images \(got 0 paths\)"),
        (["encode", "study", "new.npz"], ConfigError, "say where to write the codes"),
        (["encode", "study", "--output=codes.csv"], ConfigError, r"should end in \.npz or \.parquet"),
        (["encode", "study", "new.npz", "--output=codes.npz", "--layer=there"], DataError, "no layer 'there'"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(folder, tmp_path, monkeypatch, arguments, error, line):
    monkeypatch.chdir(folder)
    np.savez(folder / "wide.npz", image=np.zeros((2, 8, 9), np.uint8))
    np.savez(folder / "color.npz", image=np.zeros((2, 8, 8, 3), np.uint8))
    np.savez(folder / "other.npz", images=np.zeros((2, 8, 8), np.uint8))
    (folder / "text.npy").write_text("no array")
    before = sorted(folder.rglob("*"))
    with pytest.raises(error, match=line) as caught:
        lines_of(*arguments)
    assert "\n" not in str(caught.value)
    assert sorted(folder.rglob("*")) == before


def test_blocks_are_of_one_size_and_give_what_the_whole_gives():
    images, sizes = np.arange(60.0).reshape(20, 3), []

    def double(block):
        sizes.append(len(block))
        return 2 * block

    np.testing.assert_array_equal(in_blocks(double, images, 1, "doubling"), 2 * images)
    assert sizes == [8, 8, 8]


def test_what_all_images_become_is_a_data_set_of_vectors(folder, tmp_path):
    output = tmp_path / "new" / "features.npz"
    lines = lines_of("encode", folder / "study", "--data_set", "--layer=latent", f"--output={output}")
    best = load(folder / "study").best()
    own = data_of(best)
    num = len(own.train.image) + len(own.validation.image)
    assert lines[-1] == f"{output}: a data set of vectors, 2 numbers each: {num} to train and validate on, 66 for tests"
    written = load_dataset(DataConfig(name=str(output)))
    assert written.vectors
    assert written.classes.names == own.classes.names
    expected = best.features(own.test.image, layer="latent")
    np.testing.assert_allclose(written.test.image[:, 0, 0], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(written.test.label, own.test.label)
    trained_on = np.concatenate(
        [best.features(own.splits[name].image, layer="latent") for name in ("train", "validation")]
    )
    np.testing.assert_allclose(np.load(output)["features"], trained_on, rtol=1e-5, atol=1e-6)
    with pytest.raises(ConfigError, match="--data_set is of the data that the model was trained on; leave"):
        lines_of("encode", folder / "study", folder / "new.npz", "--data_set", f"--output={output}")
    with pytest.raises(ConfigError, match=r"should end in \.npz"):
        lines_of("encode", folder / "study", "--data_set", f"--output={tmp_path / 'x.parquet'}")
