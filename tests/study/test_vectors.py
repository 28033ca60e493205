"""A study of vectors from its file to its report: sparse autoencoders of activations."""

import numpy as np
import pytest

from aejax.api.study import load
from aejax.cli.explain import explain
from aejax.config import override
from aejax.errors import DataError
from aejax.experiment import Config
from aejax.report.write import write_report
from aejax.store.directory import StudyDirectory
from tests.study.studies import read_csv, train

pytestmark = pytest.mark.slow  # Half a minute: five methods are compiled.


def test_sparse_autoencoders_of_vectors_are_trained_measured_and_reported(tmp_path):
    generator = np.random.default_rng(0)
    label = np.arange(400) % 4
    vectors = (generator.normal(size=(4, 12)) * 40)[label] + generator.normal(size=(400, 12)) * 5
    np.savez(tmp_path / "vectors.npz", features=vectors, label=label)
    base = override(
        Config(),
        {
            "data.name": str(tmp_path / "vectors.npz"),
            "data.preprocessing": "mean_norm",
            "autoencoder": "jump_relu",
            "autoencoder.latent_size": 24,
            "autoencoder.bandwidth": 0.1,
            "optimizer.learning_rate": 0.01,
            "training.epochs": 30,
            "evaluation.measures": ["reconstruction", "probe", "sparsity", "loss_recovered"],
        },
    )
    weights = (1e-4, 1e-2)
    configs = [override(base, {"autoencoder.weight": weight, "seed": seed}) for weight in weights for seed in (0, 1)]
    train(configs, tmp_path / "study")
    write_report([StudyDirectory(tmp_path / "study")], tmp_path / "study")
    rows = [row for row in read_csv(tmp_path / "study") if row["method"] == "autoencoder"]
    number = lambda name, row: float(row[f"test_{name}"])  # noqa: E731
    for row in rows:
        assert number("loss_recovered", row) > 0.5
        assert number("unexplained_variance", row) < 0.5
        assert 0 < number("l0", row) < 24
        assert 0 <= number("dead_share", row) < 1
        assert number("active_purity", row) > number("chance_purity", row) - 1e-6
    light, heavy = (
        np.mean([number("l0", row) for row in rows if float(row["autoencoder.weight"]) == weight]) for weight in weights
    )
    assert heavy < light
    report = (tmp_path / "study" / "report.html").read_text()
    for words in ("active units (L0)", "loss recovered", "units never active"):
        assert words in report

    best = load(tmp_path / "study").best()
    assert best.encode(vectors[:5]).shape == (5, 24)
    assert best.reconstruct(vectors[:5]).shape == (5, 1, 1, 12)
    with pytest.raises(DataError, match="holds vectors, and no picture shows these"):
        best.picture(vectors[:5])
    with pytest.raises(DataError, match="holds vectors, and no picture shows these"):
        explain([str(tmp_path / "study")], lambda _: None)
