"""The command `aejax`: its commands, their help, what a wrong name gets, and how little it imports."""

import importlib
import inspect
import pathlib
import subprocess
import sys

import pytest

import aejax
from aejax.__main__ import COMMANDS, run
from aejax.cli.data import SUBCOMMANDS, data
from aejax.errors import ConfigError

ROOT = pathlib.Path(__file__).parent.parent.parent
SCRIPTS = {path.stem: path for path in (ROOT / "scripts").glob("*.py")}


def function(name):
    module = COMMANDS[name].module if name in COMMANDS else SUBCOMMANDS[name][0]
    return getattr(importlib.import_module(module), name)


def ended(*arguments):
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, encoding="utf-8")
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_the_overview_names_every_command(arguments, capsys):
    assert run(arguments) is None
    lines = capsys.readouterr().out.splitlines()
    for name, command in COMMANDS.items():
        assert [line.split() for line in lines if line.startswith(f"  {name} ")] == [[name, *command.summary.split()]]
    assert max(map(len, lines)) <= 80


def test_the_version_is_the_package_s(capsys):
    run(["--version"])
    assert capsys.readouterr().out == f"aejax {aejax.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "unknown command 'trian'; did you mean train?"),
        (["Report", "runs/x"], "unknown command 'Report'; did you mean report?"),
        (["x\x1b[31m\n"], "unknown command 'x\\x1b[31m\\n'; see aejax --help"),
        ([""], "unknown command ''; see aejax --help"),
        (["--seeds=3", "train"], "'--seeds=3' comes after a command, as in: aejax train --seeds=3; see aejax --help"),
    ],
)
def test_a_wrong_name_is_one_line(arguments, message):
    with pytest.raises(ConfigError) as error:
        run(arguments)
    assert str(error.value) == message


@pytest.mark.parametrize("name", [*(name for name in COMMANDS if name != "data"), *SUBCOMMANDS])
def test_the_help_of_a_command_is_its_docstring_and_its_flags(name, capsys):
    command = function(name)
    assert not command(["--help"])
    out = capsys.readouterr().out
    assert out.startswith(inspect.getdoc(command))
    assert (f"aejax {name}" if name in COMMANDS else f"aejax data {name}") in inspect.getdoc(command)
    assert "--plugin" in out
    assert "scripts/" not in out


def test_the_help_of_a_group_lists_its_commands(capsys):
    assert data([]) is None
    out = capsys.readouterr().out
    assert out.startswith(inspect.getdoc(data))
    assert all(f"\n  {name}" in out for name in SUBCOMMANDS)
    with pytest.raises(ConfigError, match="unknown command 'data inspct'; did you mean inspect"):
        data(["inspct"])


def test_a_process_ends_with_the_status_of_its_command():
    assert ended("-m", "aejax", "trian") == (2, "", "error: unknown command 'trian'; did you mean train?\n")
    assert ended("-m", "aejax", "status", "nowhere") == ended("scripts/status.py", "nowhere")
    status, out, error = ended("-m", "aejax", "status", "nowhere")
    assert (status, out) == (1, "")
    assert error == "error: nowhere holds no study.json; name a directory that aejax train wrote\n"


def test_a_command_that_needs_no_jax_imports_none():
    """Nor does the overview import numpy, pydantic or anything else that takes long."""
    code = "import sys; from aejax.__main__ import run; run({}); print(sorted(set({}) & set(sys.modules)))"
    quick = ["absl", "flax", "jax", "numpy", "pandas", "pydantic"]
    for arguments, never in ((["--help"], quick), (["experiments"], ["flax", "jax"]), (["report", "-h"], ["jax"])):
        assert ended("-c", code.format(arguments, never))[1].splitlines()[-1] == "[]", arguments


def test_each_command_has_a_script_of_two_lines():
    younger = {"data", "experiments", "score", "encode"}  # Than the scripts.
    assert set(SCRIPTS) == set(COMMANDS) - younger
    for name, path in SCRIPTS.items():
        _, *code = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
        assert code == ["from aejax.__main__ import main", 'if __name__ == "__main__":', f'    main("{name}")']
