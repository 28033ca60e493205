"""Whatever stands on the command line: a request of a size that can be trained, or one printable line."""

import contextlib
import dataclasses
import io
import json
import operator
import time
import typing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aejax.cli.request import Request, parse
from aejax.config import flatten, to_tree
from aejax.errors import LONGEST, ConfigError
from aejax.experiment import Config
from aejax.search.methods import AnySearchMethod
from aejax.sweep import MOST
from tests.test_architecture import config_classes

SECONDS = 30  # More than any request may take to be read, on a machine that has other work.
COMMANDS = [
    ["--config=experiments/quickstart.py"],
    ["article:fashion", "--set", "optimizer.learning_rate=3e-4"],
    ["--config=experiments/quickstart.py", "--sweep", "optimizer.learning_rate=1e-4,3e-4", "--seeds=10", "--dry_run"],
    ["--set", "optimizer=momentum", "--set", "optimizer.learning_rate=0.05", "--set=optimizer.schedule=cosine"],
    ["--search=halving", "--search", "trials=27", "--space", "optimizer.learning_rate=log:1e-4:1e-1"],
    ["--search=tpe", "--space=optimizer=adam,sgd", "--space=autoencoder.latent_size=8:64", "--search=trials=8"],
    ["--set", "data.name=images.npz", "--workdir=runs/mine", "--tensorboard", "--tracker=wandb"],
    ["--executor=ray", "--workers=8", "--gpus=1", "--ray_address=auto"],
    ["--executor=slurm", "--slurm", "timeout_min=60", "--slurm=slurm_partition=gpu"],
    ["--coordinator=host:1234", "--num_processes=2", "--process=1", "--deterministic"],
    ['--set=evaluation.transfer={"name":"mnist"}', '--set=evaluation.measures=["probe"]', "--features=f.py:g"],
    ["--set=autoencoder=vae", "--set=autoencoder.beta=2", "--set=training.batch_size=all", "--flagfile=nowhere"],
]
FLAGS = sorted({argument.partition("=")[0] for command in COMMANDS for argument in command if argument[:2] == "--"})
FIELDS = [path for path, _ in flatten(to_tree(Config()))]
FIELDS += [path.rpartition(".")[0] for path in FIELDS if "." in path]
FIELDS += [f"autoencoder.{field.name}" for cls in config_classes() for field in dataclasses.fields(cls)]
KINDS = [cls.kind for cls in config_classes() if hasattr(cls, "kind")]
DEFAULTS = [f"{path}={json.dumps(value)}" for path, value in flatten(to_tree(Config()))]
PARTS = ("autoencoder", "autoencoder.encoder", "autoencoder.decoder", "autoencoder.likelihood", "optimizer")
CHOICES = [f"{part}={kind}" for part in (*PARTS, "generation.sampler") for kind in KINDS]
METHODS = [cls.kind for cls in typing.get_args(typing.get_args(AnySearchMethod)[0])]
METHOD_FIELDS = ["trials", "objective", "seed", "batch", "reduction", "rungs", "rounds", "share", "factor", "method"]

# No NUL: no command line can have one. Surrogates stand for bytes that are not UTF-8.
characters = st.characters(exclude_characters="\0") | st.sampled_from("\n\r\t\x1b\x9b\u202e\u2028\udcff\"'\\[]{},:=.")
text = st.text(characters, max_size=12)
fields = (
    st.sampled_from([*FIELDS, *FIELDS, "seed", "epochs"])
    | text
    | st.builds("{}{}".format, st.sampled_from(FIELDS), text)
)
numbers = st.one_of(
    st.integers(-2, 5),
    st.sampled_from([2**31 - 1, 2**31, 2**63, -(2**63), 10**30, 10**400]),
    st.floats(),
)
trees = st.recursive(
    st.none() | st.booleans() | numbers | text | st.sampled_from(KINDS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "name", "\0", "autoencoder"]) | text, inner, max_size=3)
    ),
    max_leaves=8,
)
values = st.one_of(
    numbers.map(str),
    text,
    st.sampled_from([*KINDS, "all", "none", "null", "true", ".5", "1.", "NaN", "-Infinity", "1e999", "9" * 5000]),
    trees.map(json.dumps),
    st.integers(1, 3000).map(lambda depth: "[" * depth + "]" * depth),
    st.integers(1, 3000).map(lambda depth: "[" * depth),
    st.sampled_from(['{"kind":"vae","kind":"plain"}', '"\\ud800"', '"\\u0000.npz"', "x" * 5000, '{"":{}}']),
)
lists = st.lists(values, min_size=1, max_size=3).map(",".join)
domains = lists | st.lists(values, min_size=1, max_size=4).map(":".join) | st.just("log:1e-4:1e-1")


def pairs(names, values):
    return st.builds("{}={}".format, names, values)


settings_of_fields = st.one_of(
    pairs(st.just("--set"), st.sampled_from(DEFAULTS) | st.sampled_from(CHOICES)),
    pairs(st.just("--set"), pairs(st.sampled_from(FIELDS), st.sampled_from(["0", "1", "2", "0.5", "null", "true"]))),
    pairs(st.just("--set"), pairs(fields, values)),
    pairs(st.just("--set"), pairs(st.sampled_from(FIELDS), values)),
    pairs(st.just("--sweep"), pairs(st.sampled_from(FIELDS), lists)),
)
searches = st.tuples(
    pairs(st.just("--search"), st.sampled_from(METHODS)),
    pairs(st.just("--space"), pairs(st.sampled_from(FIELDS), domains)),
    pairs(st.just("--search"), pairs(st.sampled_from(METHOD_FIELDS), values)),
).map(list)
flags = st.one_of(
    settings_of_fields,
    pairs(st.just("--space"), pairs(fields, domains)),
    pairs(st.just("--search"), text | pairs(st.sampled_from(METHOD_FIELDS) | text, values)),
    pairs(st.just("--seeds"), st.integers(-1, 10) | st.just(2**31)),
    pairs(st.sampled_from(FLAGS), values),
    pairs(st.builds("--{}".format, fields), values),
    st.sampled_from(["--help", "-h", "--", "--nodry_run", *FLAGS]) | text,
)


@st.composite
def mutated(draw):
    """A command that works, but for a few characters or arguments."""
    command = list(draw(st.sampled_from(COMMANDS)))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(command) - 1))
        argument = command[place]
        cut = draw(st.integers(0, len(argument)))
        changed = [argument[:cut] + draw(text) + argument[cut + draw(st.integers(0, 2)) :]]
        command[place : place + 1] = draw(st.sampled_from([changed, [], [argument, argument], changed]))
        command.insert(draw(st.integers(0, len(command))), draw(settings_of_fields))
    return command


command_lines = st.one_of(
    st.lists(settings_of_fields, min_size=1, max_size=3),
    st.builds(operator.add, searches, st.lists(settings_of_fields, max_size=1)),
    mutated(),
    st.lists(flags, max_size=3),
)


def answer(arguments):
    """Checks that the flags are answered well; returns the request, or what was said."""
    started = time.monotonic()
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            request = parse(arguments, "help")
    except ConfigError as error:
        said = str(error)
        assert said.isprintable(), said
        assert 0 < len(said) <= LONGEST
    else:
        if request is None:
            assert "help" in printed.getvalue()
        else:
            assert isinstance(request, Request)
            assert 0 < len(request.configs) <= MOST
    assert time.monotonic() - started < SECONDS


def fuzz(num):
    return settings(
        max_examples=num, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )


@fuzz(300)
@given(command_lines)
def test_any_flags_are_a_request_or_one_line(arguments):
    answer(arguments)


@pytest.mark.slow
@fuzz(10_000)
@given(command_lines)
def test_ten_thousand_command_lines(arguments):
    answer(arguments)
