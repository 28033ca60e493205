"""Every command that a page, an experiment or a command's help shows is read by the flags of the real command."""

import importlib
import inspect

import family_pages
import pytest

from aejax.__main__ import COMMANDS, run
from aejax.cli import request
from aejax.cli.experiments import DIRECTORY
from aejax.errors import ConfigError
from tests.docs.blocks import PAGES, ROOT, commands_in, commands_of, files_of


def texts():
    """The commands of every page by the page's name, and the files that it holds."""
    for page in PAGES:
        text = page.read_text()
        if page.parent == family_pages.WORDS:
            text = family_pages.compose(page.stem, text)
        yield str(page.relative_to(ROOT)), commands_of(text), files_of(text)
    for path in sorted(DIRECTORY.glob("*.py")):
        yield f"experiments/{path.name}", commands_in(path.read_text().split('"""')[1]), {}
    for name, command in COMMANDS.items():
        function = getattr(importlib.import_module(command.module), name)
        yield f"aejax {name} --help", commands_in(inspect.getdoc(function)), {}


STANDING_FOR_ANY = {"--config=...": "--config=quickstart", "my/own.py": "quickstart"}
CASES = [pytest.param(commands, files, id=name) for name, commands, files in texts() if commands]


def read(command):
    """Reads a command's flags; of `train` also experiment, config and sweep. Nothing is run.

    Files of plugins stay out of this process: tests/docs/test_code.py runs what needs them.
    """
    name, *arguments = command
    if name != "train" or any(argument.startswith("--continue_from") for argument in arguments):  # Of a study.
        run([name, *arguments, "--help"])
    elif not any(argument.startswith("--plugin") for argument in arguments):
        assert request.parse([STANDING_FOR_ANY.get(argument, argument) for argument in arguments], "") is not None


@pytest.mark.parametrize(("commands", "files"), CASES)
def test_commands_are_read_by_their_own_flags(commands, files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").symlink_to(DIRECTORY)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    for command in commands:
        try:
            read(command)
        except ConfigError as error:
            pytest.fail(f"{' '.join(command)}: {error}")


def test_commands_are_found_however_they_are_written():
    text = "$ A=1 aejax train quickstart --set a=1    # why\n$ .venv/bin/python scripts/report.py \\\n  x\n"
    assert commands_of(f"```console\n{text}```\n") == [["train", "quickstart", "--set", "a=1"], ["report", "x"]]
    assert commands_of("```\ncd x && aejax status y && ls\nit's no command\n```\n") == [["status", "y"]]
    assert sum(len(param.values[0]) for param in CASES) > 150


@pytest.mark.parametrize(
    "command", ["train quickstart --set autoencoder=vaee", "generate runs/x --kind=dreams", "trane"]
)
def test_a_command_that_is_wrong_is_seen(command, capsys):
    with pytest.raises(ConfigError):
        read(command.split())
