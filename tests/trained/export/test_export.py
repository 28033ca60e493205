"""Exported models: the numbers of the original in a process without aejax, on every platform, written whole or not."""

import dataclasses
import functools
import json
import re
import subprocess
import sys

import jax
import jax.export
import numpy as np
import pytest
from safetensors.numpy import load_file

import aejax
from aejax.__main__ import run
from aejax.autoencoders.zoo import FAMILIES
from aejax.cli.export import export
from aejax.config import load
from aejax.data.description import DataDescription
from aejax.data.preprocessing import Preprocessing
from aejax.errors import ConfigError, UserError
from aejax.experiment import Config
from aejax.trained.export.programs import PLATFORMS, custom_calls, make_programs, to_stablehlo
from aejax.trained.model import Trained
from aejax.training.step import init_variables

CONFIG = aejax.Config(
    data=aejax.DataConfig(preprocessing="zca"),
    autoencoder=aejax.VaeConfig(
        encoder=aejax.Dense(widths=(16,)), latent_size=3, likelihood=aejax.HalfSquaredError(output="identity")
    ),
    training=aejax.TrainingConfig(epochs=1, batch_size=40),
    evaluation=aejax.EvaluationConfig(measures=("reconstruction",), baselines=("pca",)),
)
# Nothing but jax, numpy, flatbuffers and what these import themselves.
ALONE = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("aejax", "flax", "optax", "orbax", "pandas", "pydantic", "safetensors"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Block())
"""


@pytest.fixture(scope="module")
def images(dataset):
    return np.concatenate([split.image for split in dataset.splits.values()])


@pytest.fixture(scope="module")
def study(images, tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "study"
    return aejax.run(CONFIG, images, seeds=2, workdir=path)


@pytest.fixture(scope="module")
def vae(study):
    return study.best("mse")


@pytest.fixture(scope="module")
def exported(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "vae"
    export([str(study.path), f"--to={path}"], say=lambda line: None)
    return path


def alone(code, folder):
    """Runs code in a process that can import neither aejax nor what else it needs."""
    process = subprocess.run([sys.executable, "-c", ALONE + code], cwd=folder, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_in_a_process_without_aejax_the_programs_give_the_same_numbers_for_any_number_of_images(vae, exported, images):
    many = np.resize(images, (512, *images.shape[1:]))
    np.save(exported.parent / "images.npy", many)
    alone(
        """
import jax.export, numpy as np
def read(name):
    with open(f"{name}.jax_export", "rb") as file:
        return jax.export.deserialize(bytearray(file.read())).call
images = np.load("../images.npy")
for num in (1, 7, 512):
    latents = read("encoder")(images[:num])
    np.savez(f"../{num}.npz", latents=latents, images=read("decoder")(latents))
np.save("../drawn.npy", read("sampler")(np.uint32(5), np.arange(2, dtype=np.int32)))
""",
        exported,
    )
    for num in (1, 7, 512):
        with np.load(exported.parent / f"{num}.npz") as given:
            expected = vae.encode(many[:num])
            np.testing.assert_allclose(given["latents"], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
            np.testing.assert_allclose(given["images"], vae.decode(given["latents"]), rtol=1e-5, atol=1e-6)
    drawn = np.load(exported.parent / "drawn.npy")
    np.testing.assert_allclose(drawn[:600], vae.sample(600, seed=5), rtol=1e-5, atol=1e-6)


def test_the_lines_of_the_card_run_as_they_are(exported):
    card = (exported / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 6
    assert alone(code + "\nprint(latents.shape)", exported) == "(4, 3)\n"


def test_the_card_has_a_head_and_says_data_results_and_limits(vae, exported):
    card = (exported / "README.md").read_text(encoding="utf-8")
    head = dict(line.split(": ", 1) for line in card.split("---\n")[1].splitlines())
    assert json.loads(head["library_name"]) == "jax"
    assert "vae" in json.loads(head["tags"])
    (result,) = json.loads(head["model-index"])[0]["results"]
    assert {"mse", "ssim"} <= {metric["type"] for metric in result["metrics"]}
    assert vae.trained_on.fingerprint in card
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in card.splitlines() if line.startswith("| ")]
    assert [(row[0], row[-1]) for row in rows] == [("method", "n"), ("autoencoder", "2"), ("pca", "fixed")]
    assert [line for line in card.splitlines() if line.startswith("## ")] == [
        "## Use",
        "## Data and training",
        "## Results",
        "## Cost",
        "## Limits",
        "## Files",
    ]


def test_metrics_are_those_of_the_study_with_intervals_and_baselines(study, vae, exported):
    metrics = json.loads((exported / "metrics.json").read_text())
    rows = study.results[study.results["method"] == "autoencoder"]
    interval = metrics["setting"]["metrics"]["test_mse"]
    assert interval["mean"] == pytest.approx(rows["test_mse"].mean())
    assert interval["n"] == 2
    assert interval["low"] < interval["mean"] < interval["high"]
    assert metrics["setting"]["seeds"] == [0, 1]
    assert metrics["member"]["metrics"]["test_mse"] == rows.set_index("id").loc[vae.id, "test_mse"]
    (pca,) = metrics["baselines"]
    assert (pca["method"], pca["seeds"], pca["metrics"]["test_mse"]["n"]) == ("pca", None, 1)


def test_weights_config_and_signature_are_whole(vae, exported):
    arrays = load_file(exported / "weights.safetensors")
    assert set(arrays) == set(vae.arrays())
    np.testing.assert_array_equal(arrays["preprocessing/mean"], vae.preprocessing.mean)
    described = json.loads((exported / "config.json").read_text())
    assert load(Config, described["config"]) == vae.config
    assert (described["preprocessing"], described["data"]["fingerprint"]) == ("zca", vae.trained_on.fingerprint)
    signature = json.loads((exported / "signature.json").read_text())
    (taken,) = signature["programs"]["encoder"]["inputs"]
    assert (taken["shape"], taken["dtype"], signature["platforms"]) == (["n", 8, 8, 1], "uint8", list(PLATFORMS))
    assert set(signature["programs"]) == {"encoder", "decoder", "sampler"}


def untrained(family, images, method="autoencoder", **others):
    """A model of a family with random weights: an export need not be trained."""
    tree = {"autoencoder": {"kind": family} | others.pop("autoencoder", {})} | others
    config = load(Config, tree)
    described = DataDescription(
        name="images",
        fingerprint="f",
        image_shape=images.shape[1:],
        image_type="uint8",
        num_images={"train": 40, "validation": 0, "test": 0},
        num_classes=4,
    )
    fitted = Preprocessing(kind=config.data.preprocessing)
    model = Trained(method, config, described, fitted, {}, {})
    shapes = jax.eval_shape(functools.partial(init_variables, model.task), model.outline)
    draw = np.random.default_rng(0)
    fill = lambda leaf: np.asarray(draw.normal(0, 0.1, leaf.shape), leaf.dtype)  # noqa: E731
    return dataclasses.replace(model, variables=jax.tree.map(fill, shapes))


QUICK = ("plain", "vq_vae")


def check_family(family, images):
    model = untrained(family, images)
    programs, _ = make_programs(model)
    names = [program.name for program in programs]
    assert names[0] == "encoder"
    assert "decoder" in names
    for program in programs:
        read = jax.export.deserialize(bytearray(to_stablehlo(program)))
        assert read.platforms == PLATFORMS
        assert custom_calls(read.mlir_module()) <= {"shape_assertion"}
        if program.name == "encoder":
            np.testing.assert_allclose(read.call(images[:3]), model.encode(images[:3]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", QUICK)
def test_a_family_exports_for_every_platform_and_number(family, images):
    check_family(family, images)


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(QUICK)))
def test_every_other_family_does_too(family, images):
    check_family(family, images)


@pytest.mark.parametrize(
    "network", ["conv", *(pytest.param(name, marks=pytest.mark.slow) for name in ("resnet", "vit"))]
)
def test_no_network_leaves_what_one_backend_alone_has(network, images):
    model = untrained("plain", images, autoencoder={"encoder": {"kind": network}})
    program = make_programs(model)[0][0]
    read = jax.export.deserialize(bytearray(to_stablehlo(program)))
    assert custom_calls(read.mlir_module()) <= {"shape_assertion"}
    assert read.call(images[:2]).shape == (2, 32)


def test_a_program_that_one_platform_alone_runs_is_one_line(vae):
    program = make_programs(vae)[0][0]

    def by_eigenvectors(image):
        code = program.function(image)
        return code @ jax.numpy.linalg.eigh(code.T @ code)[1]

    def by_number(image):
        return program.function(image) if len(image) else image

    line = "the encoder cannot be exported for any number of images on cpu, cuda, tpu: "
    with pytest.raises(UserError, match=line + "ValueError: it calls .*, which not every platform has"):
        to_stablehlo(program._replace(function=by_eigenvectors))
    with pytest.raises(UserError, match=line + "TypeError"):
        to_stablehlo(program._replace(function=by_number))


def test_a_model_that_cannot_draw_says_why_in_its_card(images, tmp_path):
    model = untrained("plain", images, data={"preprocessing": "per_channel"})
    model.export(tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "* No decoder: data.preprocessing=per_channel takes from each image" in card
    assert "* Preprocessing: `per_channel`, done by the programs" in card
    assert "Nothing was measured of this model." in card
    assert "black or white" not in card
    assert not (tmp_path / "model" / "decoder.jax_export").exists()


def test_the_card_of_a_model_of_binary_images_says_so(images, tmp_path):
    untrained("plain", images, data={"binarization": "dynamic"}).export(tmp_path / "model")
    assert "black or white (`data.binarization=dynamic`)" in (tmp_path / "model" / "README.md").read_text("utf-8")


def test_a_supervised_network_exports_its_classifier(images):
    model = untrained("plain", images, method="supervised")
    programs, lacking = make_programs(model)
    assert [program.name for program in programs] == ["encoder", "classifier"]
    assert lacking[0].startswith("No decoder: ")
    assert jax.export.deserialize(bytearray(to_stablehlo(programs[1]))).call(images[:2]).shape == (2, 4)


def test_nothing_is_overwritten_and_nothing_half_written_is_left(vae, exported, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="is there already"):
        vae.export(exported)
    monkeypatch.setattr("aejax.trained.export.directory.to_card", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        vae.export(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_saved_model_is_exported_too(vae, exported, tmp_path):
    vae.save(tmp_path / "model")
    lines = []
    export([str(tmp_path / "model")], say=lines.append)
    again = tmp_path / "model" / "exported" / f"autoencoder-{vae.id}"
    assert lines[-1].startswith(f"{again}: README.md, config.json, decoder.jax_export")
    assert (again / "weights.safetensors").read_bytes() == (exported / "weights.safetensors").read_bytes()
    with pytest.raises(ConfigError, match=r"holds a single model that Trained\.save saved; leave out --member"):
        export([str(tmp_path / "model"), "--member=1"])


def test_wrong_arguments_are_one_line(study, tmp_path):
    with pytest.raises(ConfigError, match="name one study's directory"):
        run(["export", "one", "two"])
    with pytest.raises(UserError, match=r"holds no study\.json"):
        export([str(tmp_path)])
    with pytest.raises(UserError, match="has no member 'xyz' among its autoencoders"):
        export([str(study.path), "--member=xyz"])
    with pytest.raises(UserError, match="has no generator"):
        export([str(study.path), "--method=generator"])


def test_onnx_without_jax2onnx_is_one_line(vae, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'aejax\[onnx\]'"):
        vae.export(tmp_path / "model", onnx=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.onnx
@pytest.mark.filterwarnings("ignore")
def test_onnx_gives_the_same_numbers(vae, images, tmp_path):
    import onnxruntime

    vae.export(tmp_path / "model", onnx=True)
    sessions = {
        name: onnxruntime.InferenceSession(tmp_path / "model" / f"{name}.onnx") for name in ("encoder", "decoder")
    }
    for num in (1, 7, 50):
        (latents,) = sessions["encoder"].run(None, {"images": images[:num]})
        np.testing.assert_allclose(latents, vae.encode(images[:num]), rtol=1e-4, atol=1e-4)
        (again,) = sessions["decoder"].run(None, {"latents": latents})
        np.testing.assert_allclose(again, vae.decode(latents), rtol=1e-4, atol=1e-5)
