"""Methods: what the zoo says of each, and what it takes to add one."""

import ast
import dataclasses

import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.config import override
from aejax.data.load import DataConfig
from aejax.errors import ConfigError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check
from aejax.methods.base import find_method
from aejax.methods.images import ImageMethod
from aejax.methods.roles import Entry, Role
from aejax.methods.zoo import METHODS, SUBJECT, named, order_of, role_of
from aejax.networks.dense import Dense
from aejax.report.write import write_report
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.store.results import settings
from aejax.study.job import Options
from aejax.study.run import run
from aejax.training.step import TrainingConfig
from tests.report.rows import make_row
from tests.study.studies import ROOT

CONFIG = Config(
    data=DataConfig(validation_size=100),
    autoencoder=PlainConfig(encoder=Dense(widths=()), latent_size=4),
    training=TrainingConfig(epochs=1),
    evaluation=EvaluationConfig(measures=("ridge",), baselines=("random_projection",)),
)


def test_a_method_is_a_file_and_a_line(tmp_path, monkeypatch):
    # The method of a plugin, without the line there that registers it.
    plugin = ast.parse((ROOT / "tests" / "plugins" / "small.py").read_text(encoding="utf-8"))
    imports = [node for node in plugin.body if isinstance(node, ast.Import | ast.ImportFrom)]
    (method,) = [node for node in plugin.body if getattr(node, "name", None) == "RandomProjection"]
    text = ast.unparse(ast.Module([*imports, method], []))
    (tmp_path / "random_projection.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(METHODS, "random_projection", Entry("random_projection:RandomProjection", Role.BASELINE))

    directory = StudyDirectory(tmp_path / "study")
    configs = [dataclasses.replace(CONFIG, seed=seed) for seed in range(2)]
    check(configs[0])
    run(configs, directory, options=Options(say=lambda _: None))
    rows = read_rows(directory)
    assert [row["method"] for row in rows] == [*["autoencoder"] * 2, *["random_projection"] * 2]
    own = rows[2:]
    assert len({row["metrics"]["test_ridge_accuracy"] for row in own}) > 1  # Another seed, another matrix.
    assert "optimizer.kind" not in own[0]["config"]

    write_report([directory], directory.path)
    markdown = (directory.path / "results.md").read_text(encoding="utf-8")
    sentence = next(line for line in markdown.splitlines() if line.startswith("* ridge"))
    assert sentence.startswith("* ridge: autoencoder")
    assert "random" in sentence
    assert ">random_projection<" in (directory.path / "report.html").read_text(encoding="utf-8")


def test_a_baseline_that_is_none_is_refused_with_what_was_meant():
    check(override(CONFIG, {"evaluation.baselines": ["pixels", "untrained"]}))
    with pytest.raises(ConfigError, match=r"evaluation.baselines: unknown choice 'pixel'; did you mean 'pixels'\?"):
        check(override(CONFIG, {"evaluation.baselines": ["pca", "pixel"]}))
    with pytest.raises(ConfigError, match=r"'generator' \(choices: untrained, supervised, pixels, pca, k_means\)"):
        check(override(CONFIG, {"evaluation.baselines": ["generator"]}))


@pytest.mark.parametrize("name", METHODS)
def test_what_the_zoo_says_of_a_method_is_what_its_class_does(name):
    method = find_method(name)
    assert method.name == name
    assert method.makes_images == isinstance(method, ImageMethod)
    assert (method.warm_start_from == SUBJECT) == bool(method.role & (Role.PRETRAINED | Role.GENERATOR))
    assert not method.trains or method.has_parameters
    asked = override(Config(), {"fine_tuning.epochs": 1, "semi_supervised.epochs": 1, "generation.sampler": "gaussian"})
    assert method.wanted(asked, labelled=True) != METHODS[name].needs_patches
    if METHODS[name].needs_patches:
        asked = override(asked, {"autoencoder.patches": {"size": 3}})
    assert (method.task(asked, (8, 8, 1), 4) is not None) == method.has_parameters
    assert method.wanted(asked, labelled=True)
    assert method.wanted(asked, labelled=False) == (not METHODS[name].needs_labels)
    asked = override(asked, {"evaluation.baselines": []})
    assert method.wanted(asked, labelled=True) == (Role.BASELINE not in method.role)
    assert bool(METHODS[name].note) == (Role.REFERENCE in method.role)


def test_a_method_of_another_version_stands_beside_the_subject():
    rows = [make_row(method=name, test_mse=1.0, validation_mse=1.0) for name in ("older", "pixels", SUBJECT)]
    assert [group.method for group in settings(rows)] == [SUBJECT, "pixels", "older"]
    assert role_of("older") == Role.BASELINE
    assert order_of("older") == len(METHODS)
    assert "older" not in named(Role.BASELINE)
