"""A trained model by itself: the numbers of its study, without the data set, saved, carried elsewhere and damaged."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax import rng
from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.config import config_id
from aejax.data import preprocessing
from aejax.data.description import DataDescription
from aejax.data.load import DataConfig, load
from aejax.data.preprocessing import OF_EACH_IMAGE
from aejax.data.resident import make_resident
from aejax.errors import DataError, UserError
from aejax.evaluation.image_metrics import mean_squared_error
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.samplers.drawing import sampling_key
from aejax.samplers.generator import IMAGES_AT_ONCE
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.store.files import read_json, write_json
from aejax.store.record import require_record
from aejax.study.execute import restore_trained
from aejax.study.job import Execution, Options
from aejax.study.measure import evaluation_programs
from aejax.study.plan import Roster, load_data, recorded_configs
from aejax.study.worker import Worker
from aejax.trained.model import Trained
from aejax.trained.opening import Opener
from aejax.training.fit import fit
from aejax.training.population import shapes_of_member
from aejax.training.step import TrainingConfig
from tests.methods import make_task
from tests.study.studies import train

OPTIONS = Options(say=lambda _: None)


def save_images(dataset, path):
    parts = (dataset.train, dataset.validation, dataset.test)
    np.savez(path, image=np.concatenate([p.image for p in parts]), label=np.concatenate([p.label for p in parts]))


@pytest.fixture(scope="module")
def images(dataset, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "quadrants.npz"
    save_images(dataset, path)
    return path


@pytest.fixture(scope="module")
def config(images):
    family = VaeConfig(encoder=Dense(widths=(16,)), latent_size=3)
    family = dataclasses.replace(family, likelihood=dataclasses.replace(family.likelihood, output="identity"))
    return Config(
        data=DataConfig(name=str(images), preprocessing="zca"),
        autoencoder=family,
        training=TrainingConfig(epochs=3, batch_size=40),
        evaluation=EvaluationConfig(measures=("reconstruction",), baselines=("supervised",)),
    )


@pytest.fixture(scope="module")
def study(config, tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "study"
    train([config, dataclasses.replace(config, seed=1)], path)
    return StudyDirectory(path)


def opened(study, method="autoencoder"):
    opener = Opener(study, OPTIONS)
    return list(opener.open(method, opener.rows_of(method)))


@pytest.fixture(scope="module")
def trained(study):
    return opened(study)[1]


@pytest.fixture(scope="module")
def test(config):
    return load(config.data).test.image


def test_its_numbers_are_those_of_the_study(study, trained, test):
    (row,) = (row for row in read_rows(study) if row["id"] == trained.id and row["method"] == "autoencoder")
    again = trained.reconstruct(test)
    assert (again.dtype, again.shape) == (np.float32, test.shape)
    errors = mean_squared_error(test / np.float32(255), again)
    assert np.mean(errors) == pytest.approx(row["metrics"]["test_mse"], rel=1e-6)
    np.testing.assert_allclose(trained.decode(trained.encode(test)), again, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(trained.features(test), trained.encode(test))
    posterior = trained.posterior(test)
    np.testing.assert_array_equal(posterior.mean, trained.encode(test))
    assert posterior.log_variance.shape == (len(test), 3) == (len(test), trained.latent_size)
    assert trained.features(test, "encoder/DenseStack_0").shape == (len(test), 16)
    assert trained.curves["train_loss"].shape == (3,)


def test_features_and_reconstructions_are_those_that_the_study_evaluates_to_the_last_bit(study, trained, test):
    configs = recorded_configs(study, require_record(study))
    datasets = load_data(configs)
    roster = Roster(configs, datasets)
    source_of = Worker(roster, datasets, study, OPTIONS).source_of
    execution = Execution(
        roster.job("autoencoder", [config_id(config) for config in configs]), source_of, study, OPTIONS
    )
    execution.evaluation = EvaluationConfig(measures=("neighbors",))
    (variables,) = execution.members.deal(restore_trained(execution).state.evaluated_variables())
    programs = evaluation_programs(execution, execution.members, shapes_of_member(variables))
    described, reconstruction = programs.describing(0, variables, {"own": execution.data})
    index = execution.job.ids.index(trained.id)
    np.testing.assert_array_equal(trained.features(test), described.features["own"]["test"][index])
    np.testing.assert_array_equal(trained.reconstruct(test[:16]), reconstruction[index])


def test_images_may_be_floats_jax_arrays_and_without_their_one_channel(trained, test):
    latent = trained.encode(test)
    assert isinstance(latent, np.ndarray)
    for same in ((test / 255).astype(np.float64), jnp.asarray(test), test[..., 0]):
        np.testing.assert_allclose(trained.encode(same), latent, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(trained.to_stored(test / 255), test)
    np.testing.assert_allclose(trained.encode(test[:1]), latent[:1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (np.zeros((2, 7, 8, 1), np.uint8), r"shape \(2, 7, 8, 1\); those .* have \(n, 8, 8, 1\)"),
        (np.zeros((0, 8, 8, 1), np.uint8), r"shape \(0, 8, 8, 1\)"),
        (np.zeros((2, 8, 8, 1), np.int64), "are int64; they should be uint8"),
        (np.full((2, 8, 8, 1), 255.0), "range from 255 to 255; they should be uint8"),
        (np.full((2, 8, 8, 1), np.nan), "range from nan"),
    ],
)
def test_other_images_are_refused_in_a_line(trained, wrong, line):
    with pytest.raises(DataError, match=line):
        trained.encode(wrong)


def test_what_it_cannot_do_is_said_in_a_line(study, trained):
    with pytest.raises(DataError, match=r"latents have the shape \(2, 4\); they should have \(n, 3\)"):
        trained.decode(np.zeros((2, 4)))
    with pytest.raises(DataError, match="no layer 'there'; there are encoder/DenseStack_0"):
        trained.features(np.zeros((1, 8, 8, 1), np.uint8), "there")
    classifier = opened(study, "supervised")[0]
    for call in (classifier.reconstruct, classifier.decode, classifier.sample, classifier.posterior):
        with pytest.raises(UserError, match="the supervised of autoencoder=vae has"):
            call(3)
    assert classifier.encode(np.zeros((2, 8, 8, 1), np.uint8)).shape == (2, 3)


def test_a_posteriors_prior_is_drawn_from(trained):
    drawn = trained.sample(600, seed=2)
    assert (drawn.dtype, drawn.shape) == (np.float32, (600, 8, 8, 1))
    np.testing.assert_array_equal(trained.sample(3, seed=2), drawn[:3])
    assert np.any(trained.sample(3, seed=3) != drawn[:3])
    latent = jax.random.normal(rng.at(sampling_key(2, "own"), 1), (IMAGES_AT_ONCE, 3))  # Of the second block.
    np.testing.assert_allclose(trained.decode(latent)[:100], drawn[500:], rtol=1e-5, atol=1e-6)
    with pytest.raises(DataError, match="0 images cannot be drawn"):
        trained.sample(0)


def test_it_opens_without_its_data_set(config, study, trained, images, test, dataset):
    images.rename(images.with_suffix(".away"))
    try:
        (_, alone), opener = opened(study), Opener(study, OPTIONS)
        np.testing.assert_array_equal(alone.encode(test), trained.encode(test))
        np.testing.assert_array_equal(alone.sample(2), trained.sample(2))
        with pytest.raises(DataError, match="quadrants"):
            opener.source(alone)
    finally:
        images.with_suffix(".away").rename(images)
    with pytest.raises(UserError, match="holds other images than those"):
        opener.source(dataclasses.replace(alone, trained_on=dataclasses.replace(alone.trained_on, fingerprint="x")))


def test_a_checkpoint_of_an_earlier_version_opens_with_its_data_set(study, trained, test, tmp_path, images):
    shutil.copytree(study.path, tmp_path / "old")
    for facts in (tmp_path / "old").glob("populations/*/checkpoints/*/facts.json"):
        facts.with_name("preprocessing.npz").unlink()
        write_json(facts, {name: value for name, value in read_json(facts).items() if name not in NEW})
    old = opened(StudyDirectory(tmp_path / "old"))[1]
    np.testing.assert_array_equal(old.encode(test), trained.encode(test))
    assert old.trained_on == trained.trained_on
    arrays = dict(np.load(images))
    np.savez(images, **arrays | {"image": 255 - arrays["image"]})
    try:
        with pytest.raises(UserError, match="holds other images than those"):
            opened(StudyDirectory(tmp_path / "old"))
    finally:
        np.savez(images, **arrays)


NEW = ("data", "preprocessing")  # What facts.json had not.


@pytest.fixture
def saved(trained, tmp_path):
    trained.save(tmp_path / "deep" / "model")
    return (tmp_path / "deep" / "model").rename(tmp_path / "elsewhere")


@pytest.mark.parametrize("method", ["autoencoder", "supervised"])
def test_a_saved_model_is_the_same_to_the_last_bit(study, method, test, tmp_path):
    one = opened(study, method)[0]
    one.save(tmp_path / "model")
    other = Trained.load(tmp_path / "model")
    assert (other.id, other.config, other.trained_on) == (one.id, one.config, one.trained_on)
    np.testing.assert_array_equal(other.encode(test), one.encode(test))
    assert set(other.curves) == set(one.curves)
    np.testing.assert_array_equal(other.curves["train_loss"] if one.curves else 0, one.curves.get("train_loss", 0))
    if method != "supervised":
        np.testing.assert_array_equal(other.sample(5), one.sample(5))
        np.testing.assert_array_equal(other.reconstruct(test), one.reconstruct(test))


def test_nothing_is_overwritten_or_half_written(trained, saved, monkeypatch, tmp_path):
    before = {file.name: file.read_bytes() for file in saved.iterdir()}
    with pytest.raises(UserError, match="is there already"):
        trained.save(saved)
    assert {file.name: file.read_bytes() for file in saved.iterdir()} == before
    broken = dataclasses.replace(trained, curves={"train_loss": np.array([object()])})
    with pytest.raises(ValueError, match="Object arrays"):
        broken.save(tmp_path / "broken")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["deep", "elsewhere"]


@pytest.mark.parametrize(
    ("name", "damage", "line"),
    [
        ("arrays.npz", lambda content: content[:-1], "arrays.npz has changed"),
        ("arrays.npz", None, "arrays.npz is missing"),
        ("model.json", lambda content: content.replace(b"0.001", b"0.002"), "its content has changed"),
        ("model.json", lambda content: b"{", "is damaged"),
        ("model.json", None, "model.json is missing"),
    ],
)
def test_a_damaged_model_is_refused_in_a_line(saved, name, damage, line):
    content = (saved / name).read_bytes()
    (saved / name).unlink()
    if damage is not None:
        (saved / name).write_bytes(damage(content))
        assert (saved / name).read_bytes() != content
    with pytest.raises(UserError, match=line) as caught:
        Trained.load(saved)
    assert "\n" not in str(caught.value)


def test_what_is_no_model_or_another_versions_is_refused_in_a_line(saved, tmp_path):
    with pytest.raises(UserError, match="holds no saved model"):
        Trained.load(tmp_path / "nowhere")
    tree = json.loads(json.dumps(read_json(saved / "model.json")))
    tree["config"]["autoencoder"]["latent_size"] = 4
    write_json(saved / "model.json", tree)
    with pytest.raises(UserError, match="does not hold what this version trains"):
        Trained.load(saved)
    write_json(saved / "model.json", tree | {"config": {"seed": "none"}})
    with pytest.raises(UserError, match=r"elsewhere has a config that this version does not read \(.*seed"):
        Trained.load(saved)


def test_a_model_that_was_fitted_to_arrays_is_one_too(dataset, tmp_path):
    config = Config(
        autoencoder=PlainConfig(encoder=Dense(widths=()), latent_size=2),
        training=TrainingConfig(epochs=1, batch_size=60),
    )
    data = make_resident(dataset, "none")
    fitted = fit(make_task("autoencoder", (8, 8, 1), 4)(config), data)
    one = Trained(
        "autoencoder", config, DataDescription.of(dataset), data.preprocessing, fitted.variables, fitted.curves
    )
    one.save(tmp_path / "model")
    np.testing.assert_array_equal(
        Trained.load(tmp_path / "model").encode(dataset.test.image), one.encode(dataset.test.image)
    )
    with pytest.raises(UserError, match=r"plain has no distribution of codes .*generation\.sampler=mixture"):
        one.sample(2)
    with pytest.raises(UserError, match="has no posterior"):
        one.posterior(dataset.test.image)
    for kind in OF_EACH_IMAGE:
        of_each = dataclasses.replace(one, preprocessing=preprocessing.fit(kind, dataset.train.image))
        assert of_each.reconstruct(dataset.test.image).shape == dataset.test.image.shape
        with pytest.raises(UserError, match=f"preprocessing={kind} takes from each image what made ones do not have"):
            of_each.decode(np.zeros((1, 2)))
