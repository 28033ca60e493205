"""Studies of learned priors: the experiment at its smallest, by flags, interrupted, sampled from and explained."""

import numpy as np
import pytest

from aejax.cli import commands, request
from aejax.cli.explain import explain
from aejax.errors import Interrupted
from aejax.evaluation import feature_network
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.store.explanations import read_explanations
from aejax.sweep import group
from tests.study.studies import read_csv, read_lines, train

FLAGS = [
    "--config=experiments/quickstart.py",
    "--set=autoencoder=vae",
    "--set=autoencoder.latent_size=3",
    "--set=autoencoder.encoder.widths=[8]",
    "--set=data.validation_size=100",
    "--set=training.epochs=4",
    '--set=evaluation.measures=["posterior","likelihood"]',
    "--set=evaluation.baselines=[]",
    "--set=evaluation.likelihood_samples=5",
    "--set=generation.sampler=prior",
    "--set=generation.num_samples=100",
]


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)


def configs(*arguments, seeds=1):
    return request.parse([*FLAGS, f"--seeds={seeds}", *arguments], "").configs


def test_flags_choose_a_prior_and_sweep_it_and_its_numbers():
    (vamp,) = configs("--set=autoencoder.prior=vamp", "--set=autoencoder.prior.num_components=7")
    assert (vamp.autoencoder.prior.kind, vamp.autoencoder.prior.num_components) == ("vamp", 7)
    swept = configs("--sweep=autoencoder.prior=standard_normal,mixture,vamp")
    assert [config.autoencoder.prior.kind for config in swept] == ["standard_normal", "mixture", "vamp"]
    assert len(group(swept)) == 3
    sizes = configs("--set=autoencoder.prior=mixture", "--sweep=autoencoder.prior.num_components=2,4")
    assert len(group(sizes)) == 2
    spreads = configs("--set=autoencoder.prior=mixture", "--sweep=autoencoder.prior.spread=0.1,0.5,1.0")
    assert [len(population.members) for population in group(spreads)] == [3]


@pytest.mark.slow
def test_a_study_of_priors_resumes_samples_and_reports(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_network, "NUM_STEPS", 50)
    members = configs("--sweep=autoencoder.prior=standard_normal,mixture,vamp", seeds=2)
    train(members, tmp_path / "straight")
    with pytest.raises(Interrupted):
        train(members, tmp_path / "stopped", stop_at_save=2)
    train(members, tmp_path / "stopped")
    for path in (tmp_path / "straight", tmp_path / "stopped"):
        commands.report([str(path)])
    assert read_csv(tmp_path / "straight") == read_csv(tmp_path / "stopped")
    assert read_lines(tmp_path / "straight") == read_lines(tmp_path / "stopped")
    rows = read_rows(StudyDirectory(tmp_path / "straight"))
    for method, name in (("autoencoder", "test_nll"), ("generator", "test_frechet_distance")):
        found = [row["metrics"][name] for row in rows if row["method"] == method]
        assert len(set(found)) == 6
        assert np.isfinite(found).all()
    assert "autoencoder.prior" in (tmp_path / "straight" / "report.html").read_text()


@pytest.mark.slow
def test_the_experiment_at_its_smallest_and_its_explanation(tmp_path):
    study = tmp_path / "study"
    commands.train(
        [
            "--config=experiments/priors.py:small",
            "--seeds=1",
            "--set=training.epochs=3",
            "--set=evaluation.likelihood_samples=5",
            f"--workdir={study}",
        ]
    )
    rows = read_rows(StudyDirectory(study))
    assert len(rows) == 3
    assert all(np.isfinite(list(row["metrics"].values())).all() for row in rows)
    explain(["--part=traversals", "--part=units", "--part=paths", str(study)])
    found, faults = read_explanations(StudyDirectory(study))
    assert not faults
    assert len(found) == 3
