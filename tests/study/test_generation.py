"""Generators in a study: what stands beside them, what they survive, and the images that scripts/generate.py makes."""

import dataclasses
import shutil
import sys

import numpy as np
import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.cli.generate import generate
from aejax.config import override
from aejax.data.load import DataConfig
from aejax.errors import ConfigError, DataError, Interrupted, UserError
from aejax.evaluation import feature_network
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check
from aejax.networks.dense import Dense
from aejax.report.write import write_report
from aejax.samplers.flow import MaskedFlow
from aejax.samplers.mixture import Mixture
from aejax.samplers.prior import Prior
from aejax.samplers.zoo import GenerationConfig
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.study.generation import call
from aejax.study.job import Options
from aejax.study.run import evaluate_again, run
from aejax.trained.model import Trained
from aejax.trained.opening import Opener
from aejax.training.step import TrainingConfig
from tests.study.studies import assert_same_study, train

SAMPLERS = (Mixture(num_components=4), MaskedFlow(num_layers=1, widths=(8,)))


@pytest.fixture(scope="module", autouse=True)
def quick_features():
    """These images' classes take few steps to tell apart."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feature_network, "NUM_STEPS", 100)
        yield


@pytest.fixture(scope="module")
def config(dataset, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "quadrants.npz"
    parts = (dataset.train, dataset.validation, dataset.test)
    np.savez(path, image=np.concatenate([p.image for p in parts]), label=np.concatenate([p.label for p in parts]))
    return Config(
        data=DataConfig(name=str(path)),
        autoencoder=PlainConfig(encoder=Dense(widths=(16,)), latent_size=4),
        training=TrainingConfig(epochs=30, batch_size=20),
        generation=GenerationConfig(epochs=40, batch_size=50, num_neighbors=3),
        evaluation=EvaluationConfig(measures=("reconstruction",), baselines=()),
    )


def members(config, samplers=SAMPLERS, seeds=(0, 1)):
    generation = [dataclasses.replace(config.generation, sampler=sampler) for sampler in samplers]
    return [dataclasses.replace(config, seed=seed, generation=g) for g in generation for seed in seeds]


@pytest.fixture(scope="module")
def study(config, tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "generation"
    train(members(config), path)
    return path


def rows_of(path, method, **fields):
    rows = [row for row in read_rows(StudyDirectory(path)) if row["method"] == method]
    return [row for row in rows if all(row["config"].get(name.replace("__", ".")) == v for name, v in fields.items())]


def test_generators_stand_between_a_floor_and_a_reference(study):
    rows = read_rows(StudyDirectory(study))
    assert [row["method"] for row in rows].count("autoencoder") == 2  # Whatever samples from them.
    assert [row["method"] for row in rows].count("generator") == 4
    (floor,), (reference,) = rows_of(study, "real_images"), rows_of(study, "pixel_gaussian")
    distance = lambda row: row["metrics"]["test_frechet_distance"]  # noqa: E731
    mixtures = rows_of(study, "generator", generation__sampler__kind="mixture")
    for row in mixtures:
        assert distance(floor) < distance(row)
    for row in rows:
        if row["method"] != "autoencoder":
            assert {f"{split}_{name}" for split in ("validation", "test") for name in ("coverage", "classes")} <= set(
                row["metrics"]
            )
            assert np.isfinite(list(row["metrics"].values())).all()
    assert floor["metrics"]["test_precision"] > 0.8
    assert reference["metrics"]["test_frechet_distance"] > 0
    assert floor["metrics"]["feature_accuracy"] > 0.9


@pytest.mark.slow
def test_a_generator_survives_a_stop_and_does_not_depend_on_its_neighbors(config, study, tmp_path):
    """Alone, and stopped while the flow learns, the same bits as among others and without a stop."""
    flow = members(config, SAMPLERS[1:])
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    train(flow, straight)
    # The autoencoders are saved once for each chunk; then the flow.
    with pytest.raises(Interrupted):
        train(flow, stopped, stop_at_save=6)
    train(flow, stopped)
    for path in (straight, stopped):
        write_report([StudyDirectory(path)], path)
    assert_same_study(straight, stopped)
    metrics = lambda path: [r["metrics"] for r in rows_of(path, "generator", generation__sampler__kind="masked_flow")]  # noqa: E731
    assert metrics(straight) == metrics(study)
    alone = tmp_path / "alone"
    train(members(config, SAMPLERS[:1], seeds=(1,)), alone)
    (row,) = rows_of(alone, "generator")
    (same,) = rows_of(study, "generator", generation__sampler__kind="mixture", seed=1)
    assert row["metrics"] == same["metrics"]


@pytest.mark.slow
def test_generators_are_evaluated_again_to_the_same_bits(study):
    rows, problems = evaluate_again(StudyDirectory(study), update=False, options=Options(say=lambda _: None))
    assert not problems
    numbers = lambda rows: {(row["method"], row["id"]): row["metrics"] for row in rows}  # noqa: E731
    assert numbers(rows) == numbers(read_rows(StudyDirectory(study)))


def features(image):
    return image.reshape(len(image), -1)[:, :10]


@pytest.mark.slow
def test_features_of_the_users_own(config, tmp_path):
    own = members(config, (Prior(),), seeds=(0,))
    own = [override(member, {"generation.features": "mine.py:features"}) for member in own]
    with pytest.raises(ConfigError, match=r"give --features=mine.py:features"):
        train(own, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    run(own, StudyDirectory(tmp_path / "own"), options=Options(say=lambda _: None, features=features))
    (row,) = rows_of(tmp_path / "own", "generator")
    assert np.isfinite(row["metrics"]["test_frechet_distance"])
    assert "test_classes" not in row["metrics"]
    bad = Options(say=lambda _: None, features=lambda image: image)
    with pytest.raises(UserError, match="should return finite numbers"):
        run(own, StudyDirectory(tmp_path / "bad"), options=bad)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda image: sys.exit("bye"), r"the function failed \(SystemExit: bye\)"),
        (lambda image: 1 / 0, r"the function failed \(ZeroDivisionError: division by zero\)"),
        (lambda image: None, "returned .*it should return finite numbers"),
        (lambda image: [[1.0], [1.0, 2.0]], r"the function failed \(ValueError: "),
        (lambda image: np.zeros((len(image) + 1, 2)), r"for 3 images the function returned \(4, 2\)"),
        (lambda image: np.zeros((len(image), 0)), r"for 3 images the function returned \(3, 0\)"),
        (lambda image: np.full((len(image), 5), np.nan), "returned NaN or infinity"),
        (lambda image: np.zeros((len(image), 4)), "returned 4 features of an image, and 5 of others"),
    ],
)
def test_features_that_are_none_are_one_line(function, message):
    with pytest.raises(DataError, match=message) as caught:
        call(function, np.zeros((3, 2, 2, 1), np.uint8), 5)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"generation.sampler": "autoregressive"}, "does not go with the codes of autoencoder=plain"),
        ({"autoencoder": "fsq", "generation.sampler": "mixture"}, "use prior, autoregressive"),
        ({"generation.epochs": 3}, "generation.sampler is none"),
        *(
            (
                {
                    "generation.sampler": "mixture",
                    "data.preprocessing": kind,
                    "autoencoder.likelihood.output": "identity",
                },
                f"data.preprocessing={kind} takes from each image .* mean and contrast",
            )
            for kind in ("per_image", "per_channel")
        ),
        (
            {"autoencoder": "fsq", "generation.sampler": "autoregressive", "generation.sampler.heads": 3},
            "heads=3 does not divide width=64",
        ),
    ],
)
def test_what_does_not_go_together_is_one_line(changes, message):
    with pytest.raises(ConfigError, match=message):
        check(override(Config(), changes))


# scripts/generate.py.


def made(path, *arguments):
    said = []
    generate([str(path), *arguments], say=said.append)
    stem = said[-1].split(".png")[0]
    with np.load(stem + ".npz") as arrays:
        return dict(arrays), stem


def test_samples_follow_from_study_member_and_seed(study, tmp_path):
    id_ = rows_of(study, "generator", generation__sampler__kind="mixture", seed=1)[0]["id"]
    ask = (f"--member={id_[:8]}", "--seed=3")
    first, stem = made(study, *ask, "--num=20", f"--output={tmp_path / 'a'}")
    again, _ = made(study, *ask, "--num=20", f"--output={tmp_path / 'b'}")
    more, _ = made(study, *ask, "--num=600")
    other, _ = made(study, f"--member={id_}", "--num=20")
    assert first["image"].shape == (20, 8, 8, 1)
    assert first["image"].dtype == np.uint8
    np.testing.assert_array_equal(first["image"], again["image"])
    np.testing.assert_array_equal(first["image"], more["image"][:20])
    assert np.any(first["image"] != other["image"])
    with open(stem + ".png", "rb") as picture:
        assert picture.read(4) == b"\x89PNG"


def test_an_opened_generator_draws_the_same_and_encodes_as_its_autoencoder(study, dataset, tmp_path):
    opener = Opener(StudyDirectory(study), Options(say=lambda _: None))
    row = rows_of(study, "generator", generation__sampler__kind="masked_flow", seed=1)[0]
    (generator,) = opener.open("generator", [row])
    drawn = generator.sample(20, seed=3)
    arrays, _ = made(study, f"--member={row['id']}", "--num=20", "--seed=3")
    np.testing.assert_array_equal(generator.to_stored(drawn), arrays["image"])
    generator.save(tmp_path / "model")
    np.testing.assert_array_equal(Trained.load(tmp_path / "model").sample(20, seed=3), drawn)
    (autoencoder,) = opener.open("autoencoder", rows_of(study, "autoencoder", seed=1))
    image = dataset.test.image
    np.testing.assert_array_equal(generator.encode(image), autoencoder.encode(image))
    np.testing.assert_array_equal(generator.reconstruct(image), autoencoder.reconstruct(image))


@pytest.mark.parametrize(
    ("arguments", "shapes"),
    [
        (["--kind=reconstructions", "--num=5"], {"image": (5, 8, 8, 1), "reconstruction": (5, 8, 8, 1)}),
        (
            ["--kind=interpolations", "--num=3", "--steps=4"],
            {"start": (3, 8, 8, 1), "end": (3, 8, 8, 1), "image": (3, 4, 8, 8, 1), "latent": (3, 4, 4)},
        ),
        (
            ["--kind=arithmetic", "--num=2", "--steps=3", "--source_class=0", "--target_class=2"],
            {"image": (2, 8, 8, 1), "changed": (2, 3, 8, 8, 1), "direction": (4,)},
        ),
        (["--kind=grid", "--num=9"], {"image": (9, 8, 8, 1), "latent": (9, 4)}),
    ],
)
def test_what_else_is_made(study, arguments, shapes):
    arrays, _ = made(study, *arguments)
    assert {name: array.shape for name, array in arrays.items()} == shapes
    assert len(np.unique(arrays["image"])) > 1


def test_interpolations_begin_and_end_at_the_reconstructions(study):
    ways, _ = made(study, "--kind=interpolations", "--num=3", "--steps=5", "--path=linear")
    middle = (ways["latent"][:, 0] + ways["latent"][:, -1]) / 2
    np.testing.assert_allclose(ways["latent"][:, 2], middle, atol=1e-5)
    round_, _ = made(study, "--kind=interpolations", "--num=3", "--steps=5", "--path=spherical")
    np.testing.assert_array_equal(round_["image"][:, 0], ways["image"][:, 0])
    lengths = np.linalg.norm(round_["latent"], axis=-1)
    np.testing.assert_allclose(lengths[:, 2], (lengths[:, 0] + lengths[:, -1]) / 2, rtol=1e-4)


def test_what_cannot_be_made_is_one_line(config, study, tmp_path):
    plain = tmp_path / "plain"
    train([dataclasses.replace(config, generation=GenerationConfig())], plain)
    begun = tmp_path / "begun"
    begun.mkdir()
    shutil.copy(study / "study.json", begun)
    for arguments, message in (
        ([str(plain)], r"has no generator.*--set generation.sampler=mixture"),
        ([str(begun)], "has no finished generator; run its command again"),
        ([str(begun), "--kind=grid"], "has no finished autoencoder; run its command again"),
        ([str(tmp_path / "nothing")], "no study.json"),
        ([str(study), "--member=zzz"], "has no member 'zzz' among its generators: choose of"),
        ([str(study), "--num=100000000000"], "ask for at most"),
        ([str(study), "--kind=grid", "--num=100000000000"], "ask for at most"),
        ([str(study), "--kind=interpolations", "--steps=100000000000"], "ask for at most"),
        ([str(study), "--kind=arithmetic", "--source_class=1"], "give --target_class"),
        (
            [str(study), "--kind=arithmetic", "--source_class=1", "--target_class=77"],
            "has no class 77; its classes are 0, 1, 2, 3",
        ),
        ([str(study), "--kind=cats"], "cats"),
        ([], "name one study's directory"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            generate(arguments, say=lambda _: None)
        assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_conditional_family_generates_each_class_and_one_that_is_asked_for(config, tmp_path):
    measures = {"evaluation.measures": ["reconstruction", "probe"]}
    few = {"autoencoder.latent_size": 1, "training.epochs": 40}  # Too few units to hold the class.
    label = {"autoencoder.condition": "label", "generation.sampler": "gaussian"}
    conditional = override(config, {**label, **few, **measures})
    train([conditional], tmp_path)
    (row,) = rows_of(tmp_path, "autoencoder")
    assert {"test_mse", "test_probe_accuracy"} <= set(row["metrics"])
    write_report([StudyDirectory(tmp_path)], tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "each row is one code, decoded as each class" in page
    opener = Opener(StudyDirectory(tmp_path), Options(say=lambda _: None))
    (generator,) = opener.open("generator", rows_of(tmp_path, "generator"))
    arrays, _ = made(tmp_path, "--num=20", "--label=2")
    np.testing.assert_array_equal(generator.to_stored(generator.sample(20, label=2)), arrays["image"])
    of_all, _ = made(tmp_path, "--num=20")
    assert np.any(of_all["image"] != arrays["image"])
    # The class of an image is its brightest quadrant. The same codes with another label have another one brighter.
    of_zero, _ = made(tmp_path, "--num=20", "--label=0")
    brightness = lambda arrays: arrays["image"].reshape(-1, 2, 4, 2, 4).mean(axis=(2, 4)).reshape(-1, 4)  # noqa: E731
    brighter = brightness(arrays) - brightness(of_zero)
    assert np.mean(brighter[:, 2] > 0) > 0.9
    assert np.mean(brighter[:, 0] < 0) > 0.9
    given, _ = made(tmp_path, "--kind=reconstructions", "--num=5")
    other, _ = made(tmp_path, "--kind=reconstructions", "--num=5", "--label=0")
    assert np.any(given["reconstruction"] != other["reconstruction"])
    grid, _ = made(tmp_path, "--kind=grid", "--num=4", "--label=1")
    assert grid["image"].shape == (4, 8, 8, 1)
    with pytest.raises(
        ConfigError, match="--kind=grid decodes codes, and autoencoder=plain decodes with a label: give --lab"
    ):
        made(tmp_path, "--kind=grid")
