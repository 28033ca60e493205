"""A published study that keeps a trained model: written with it, or beside it where a second run is bitwise equal."""

import json
import shutil

import numpy as np
import pytest

import aejax
from aejax.cli import commands, compare
from aejax.errors import ConfigError, UserError
from tests.study.studies import edit_json, train


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "study"
    config = aejax.Config(
        autoencoder=aejax.PlainConfig(encoder=aejax.Dense(widths=(8,)), latent_size=2),
        training=aejax.TrainingConfig(epochs=1),
        evaluation=aejax.EvaluationConfig(measures=("reconstruction",), baselines=()),
    )
    train([config], path)
    return path


def command(function, *arguments):
    lines = []
    function(list(map(str, arguments)), say=lines.append)
    return lines


def test_publishing_keeps_the_best_model(study, tmp_path):
    target = tmp_path / "published"
    lines = command(commands.report, study, f"--output={tmp_path}", f"--publish={target}", "--keep_model")
    own, kept = aejax.load(study).best(), aejax.load(target).best()
    assert lines[-1].startswith(f"{target / 'models'}/autoencoder-{own.id}: ")
    images = np.full((2, 8, 8, 1), 100, np.uint8)
    np.testing.assert_array_equal(kept.encode(images), own.encode(images))
    with pytest.raises(UserError, match="keeps a model, which would be lost: add --keep_model"):
        command(commands.report, study, f"--output={tmp_path}", f"--publish={target}")
    kept.export(tmp_path / "exported")
    assert "| autoencoder |" in (tmp_path / "exported" / "README.md").read_text(encoding="utf-8")


def test_a_second_run_that_is_bitwise_equal_leaves_its_model(study, tmp_path):
    target, again = tmp_path / "published", f"--workdir={tmp_path / 'again'}"
    command(commands.report, study, f"--output={tmp_path}", f"--publish={target}")
    with pytest.raises(UserError, match="is published without the trained autoencoder"):
        aejax.load(target).best()
    assert "all metrics: bitwise equal" in command(compare.reproduce, target, again, "--keep_model")[-2]
    images = np.full((2, 8, 8, 1), 100, np.uint8)
    np.testing.assert_array_equal(aejax.load(target).best().encode(images), aejax.load(study).best().encode(images))


def test_a_second_run_that_differs_leaves_none(study, tmp_path):
    target, other = tmp_path / "published", shutil.copytree(study, tmp_path / "other")
    command(commands.report, study, f"--output={tmp_path}", f"--publish={target}")
    (results,) = other.glob("populations/autoencoder-*/results.json")
    edit_json(results, lambda tree: json.loads(json.dumps(tree).replace('"test_mse": 0.', '"test_mse": 0.00001')))
    with pytest.raises(UserError, match=r"keeps no model: not all numbers of .* are bitwise equal"):
        command(compare.reproduce, target, f"--workdir={other}", "--keep_model")
    assert not (target / "models").exists()


def test_a_large_model_and_wrong_flags_are_one_line(study, tmp_path, monkeypatch):
    monkeypatch.setattr("aejax.trained.keeping.MAX_BYTES", 1000)
    with pytest.raises(UserError, match=r"takes 4\d+ bytes, and a published study keeps a model of at most 1000"):
        command(commands.report, study, f"--output={tmp_path}", f"--publish={tmp_path / 'one'}", "--keep_model")
    assert not (tmp_path / "one").exists()
    with pytest.raises(ConfigError, match="give --publish=DIR"):
        command(commands.report, study, "--keep_model")
    with pytest.raises(ConfigError, match="is not published, and has its checkpoints"):
        command(compare.reproduce, study, f"--workdir={tmp_path / 'two'}", "--keep_model")
