"""Experiments by name and by path: they are the same, from wherever the command runs."""

import pathlib

import pytest

from aejax.cli.experiment_file import load_experiment
from aejax.cli.experiments import DIRECTORY, experiments, shipped
from aejax.cli.request import parse
from aejax.errors import ConfigError

ROOT = pathlib.Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Runs each test where the project is not."""
    monkeypatch.chdir(tmp_path)


def test_every_experiment_of_the_repository_is_found_by_its_name():
    assert ROOT / "experiments" == DIRECTORY
    assert shipped() == sorted(path.stem for path in (ROOT / "experiments").glob("*.py"))


@pytest.mark.parametrize("reference", ["quickstart", "features:fashion", "search:tpe"])
def test_a_name_and_a_path_ask_for_the_same(reference):
    name, _, variant = reference.partition(":")
    path = f"{ROOT}/experiments/{name}.py" + (f":{variant}" if variant else "")
    asked = parse([f"--config={path}", "--seeds=2"], "")
    assert asked.workdir == "runs/" + reference.replace(":", "-")
    for arguments in ([reference], [f"--config={reference}"], [path]):
        assert parse([*arguments, "--seeds=2"], "") == asked
    assert parse(["--seeds=2", reference], "") == asked


def test_a_path_is_that_of_a_file_here():
    pathlib.Path("mine.py").write_text("'Why?'\nfrom aejax.experiment import Config as get_config\n", "utf-8")
    pathlib.Path("quickstart").write_text("no experiment", "utf-8")
    assert load_experiment("mine.py").question == load_experiment("./mine.py").question == "Why?"
    assert load_experiment("quickstart").question.startswith("Do a dense autoencoder's features")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quickstrat"], "unknown experiment 'quickstrat'; did you mean quickstart?"),
        (["--config=feature:mnist"], "unknown experiment 'feature'; did you mean features?"),
        (["mine"], "unknown experiment 'mine'; did you mean mine.py?"),
        (["zzzz"], "unknown experiment 'zzzz'; see aejax experiments, or give the path of a file"),
        ([""], "unknown experiment ''; see aejax experiments, or give the path of a file"),
        (["experiments/quickstart.py"], "--config=experiments/quickstart.py: no such file; did you mean quickstart?"),
        (["./min.py"], "--config=./min.py: no such file; did you mean mine.py?"),
        (["features:mnits"], "--config=features:mnits: unknown variant 'mnits'; variants: mnist, fashion"),
        (["quickstart", "--config=beta"], "the experiment is given twice: as 'quickstart' and by --config=beta"),
        (["quickstart", "beta"], "leftover argument 'beta'"),
    ],
)
def test_a_wrong_name_is_one_line(arguments, message):
    pathlib.Path("mine.py").write_text("", "utf-8")
    with pytest.raises(ConfigError) as error:
        parse(arguments, "")
    assert str(error.value).startswith(message)


def test_the_list_has_every_name_with_its_question_and_its_variants():
    said = []
    experiments([], said.append)
    for name in shipped():
        assert any(line.startswith(f"{name}: ") and line.endswith("?") for line in said)
    assert "    vae:dense  vae:conv  vae:small" in said
    assert not any(line.startswith("    quickstart:") for line in said)


def test_one_experiment_is_described_by_its_docstring():
    said = []
    experiments(["features:fashion"], said.append)
    assert said[0].startswith(f"{DIRECTORY / 'features.py'}\n\nWhich autoencoder learns")
    assert "\nCost: " in said[0]
    with pytest.raises(ConfigError, match="did you mean features"):
        experiments(["featurs"])
    with pytest.raises(ConfigError, match="leftover argument 'beta'"):
        experiments(["vae", "beta"])
    pathlib.Path("no.py").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"no.py: not a Python file"):
        experiments(["no.py"])
