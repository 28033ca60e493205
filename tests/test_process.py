"""How a script ends: one line and a status, whatever is exhausted and whoever reads what it prints."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.errors import is_out_of_memory

# Without the imports of a command, which take seconds.
COMMAND = "import sys; from aejax.cli import process; process.main({command})"
STUDY = "experiments/results/quickstart"
WORST = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}  # Neither a locale nor UTF-8 in its place.
ENVIRONMENTS = [
    locale | encoding | utf8
    for locale in ({}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"})
    for encoding in ({}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1:strict"})
    for utf8 in ({}, {"PYTHONUTF8": "0"})
]


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)


def ended(arguments, env=None, **kwargs):
    """Returns the status of a process, and the lines that it wrote to stderr; its stdout is that of `kwargs`."""
    plain = {name: value for name, value in os.environ.items() if name not in ("LANG", "LC_ALL")}
    process = subprocess.run(
        [sys.executable, *arguments], env=plain | (env or {}), stderr=subprocess.PIPE, encoding="utf-8", **kwargs
    )
    return process.returncode, process.stderr.splitlines()


def main(command, **kwargs):
    return ended(["-c", COMMAND.format(command=command)], **kwargs)


def closing(streams, command):
    """Returns the source of a process that runs a command with some of its streams closed, by their numbers."""
    again = [sys.executable, "-c", COMMAND.format(command=command)]
    return f"import os; [os.close(number) for number in {streams}]; os.execv({sys.executable!r}, {again!r})"


def raising(error):
    """Returns the source of a command that raises an error."""
    return f"lambda arguments: (_ for _ in ()).throw({error})"


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        ("process.UserError('a\\x1b[31m\\nb')", 1, "error: a\\x1b[31m\\nb"),
        ("OSError(28, 'No space left on device', 'a\\nb')", 1, "error: No space left on device: a\\nb; put that right"),
        ("MemoryError('Unable to allocate 95. GiB')", 1, "error: not enough memory: Unable to allocate 95. GiB; put"),
        ("RuntimeError('can\\'t start new thread')", 1, "error: not enough memory: can't start new thread; put"),
        ("KeyboardInterrupt", 130, "interrupted; run the same command again"),
    ],
)
def test_whatever_ends_a_command_is_one_line(error, status, line):
    code, lines = main(raising(error).replace("\n", "\\n").replace("\x1b", "\\x1b"))
    assert code == status
    assert len(lines) == 1
    assert lines[0].startswith(line)


def test_a_bug_keeps_its_traceback():
    status, lines = main(raising("RuntimeError('a bug')"))
    assert status == 1
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "RuntimeError: a bug"


@pytest.mark.parametrize("env", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1:strict"}, WORST])
def test_what_a_stream_cannot_show_is_escaped(env, tmp_path):
    with (tmp_path / "out").open("wb") as out:
        assert main("lambda arguments: print('96 \\u00b1 1 \\u96ea')", env=env, stdout=out) == (0, [])
    assert (tmp_path / "out").read_bytes().strip().endswith(b"\\u96ea")


def test_nobody_has_to_read_what_is_printed():
    printing = "lambda arguments: [print('x' * 1000) for _ in range(1000)] and None"
    for closed in ((1,), (2,), (0, 1, 2)):
        assert ended(["-c", closing(closed, printing)], stdout=subprocess.DEVNULL) == (0, [])
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "wb") as nobody:
        assert main(printing, stdout=nobody) == (141, [])
    with open("/dev/full", "wb") as full:
        status, lines = main(printing, stdout=full)
    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith("error: No space left on device")


def test_a_file_never_takes_the_place_of_a_closed_stream(tmp_path):
    """What libraries write to stderr by its number would end in it."""
    opens = f"lambda arguments: process.sys.exit(open({str(tmp_path / 'file')!r}, 'w').fileno() < 3)"
    assert ended(["-c", closing((2,), opens)]) == (0, [])


def test_memory_that_is_exhausted_is_told_from_a_bug():
    with pytest.raises(jax.errors.JaxRuntimeError) as of_device:
        jax.jit(lambda: jnp.zeros((10**7, 10**7)))()  # 400 TB: more than there are addresses.
    with pytest.raises(MemoryError) as of_host:
        np.zeros((10**7, 10**7))
    assert is_out_of_memory(of_device.value)
    assert is_out_of_memory(of_host.value)
    assert not is_out_of_memory(RuntimeError("RESOURCE_EXHAUSTED"))
    assert not is_out_of_memory(ValueError("can't start new thread"))


def report(env, tmp_path):
    with (tmp_path / "out").open("wb") as out:
        assert ended(["scripts/report.py", STUDY, f"--output={tmp_path / 'é'}"], env=env, stdout=out) == (0, [])
    assert b"autoencoder" in (tmp_path / "out").read_bytes()
    for name in ("report.html", "results.md", "results.tex", "results.csv"):
        assert "autoencoder" in (tmp_path / "é" / name).read_text(encoding="utf-8")
    assert "±" in (tmp_path / "é" / "results.md").read_text(encoding="utf-8")


def test_a_report_is_written_and_printed_in_any_environment(tmp_path):
    report(WORST | {"PYTHONIOENCODING": "ascii"}, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("env", ENVIRONMENTS, ids=str)
def test_a_report_is_written_and_printed_in_each_environment(env, tmp_path):
    report(env, tmp_path)


@pytest.mark.parametrize("cache", ["/dev/null", "file"])
def test_a_cache_that_cannot_be_written_is_done_without_and_not_spoken_of(cache, tmp_path):
    (tmp_path / "file").write_text("")
    code = "from aejax.training.setup import set_up_jax; set_up_jax(); import jax; jax.jit(lambda x: x + 1)(1.0)"
    assert ended(["-c", code], env={"XDG_CACHE_HOME": str(tmp_path / cache)}) == (0, [])


@pytest.mark.mount
def test_a_user_without_a_home_has_no_cache(tmp_path):
    without = ["env", "-u", "HOME", "-u", "XDG_CACHE_HOME"]
    code = "from aejax.cache import cache_directory; print(cache_directory())"
    result = subprocess.run(
        ["unshare", "--user", "--map-user=54321", *without, sys.executable, "-c", code], capture_output=True, text=True
    )
    assert result.stdout == "/dev/null/aejax\n", result.stderr
