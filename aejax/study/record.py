"""study.json: which configs a study trains, on which data, and every start of it. Enough to run it again elsewhere."""

import dataclasses
import datetime
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from aejax.config import flatten, load, to_tree
from aejax.errors import ConfigError, UserError
from aejax.study.directory import StudyDirectory, exists, read_json, write_json

PACKAGES = ("aejax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Start:
    """One start of a study: when, by which command, and in which environment."""

    time: str
    command: str
    environment: dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """What study.json holds. Configs are plain trees: those who only read a study need no training code."""

    project: Literal["aejax"] = "aejax"
    format: Literal[1] = 1
    name: str
    question: str
    configs: tuple[dict[str, Any], ...]
    data: dict[str, str]  # The fingerprint of each data config, by its JSON.
    starts: tuple[Start, ...] = ()
    lineage: dict[str, str] = dataclasses.field(default_factory=dict)  # See `aejax.study.plan.Lineage`.
    search: dict[str, Any] | None = None  # By what its members were found, if it is a search; see `aejax.search`.


def read_record(directory: StudyDirectory) -> Record | None:
    """Returns what study.json holds, or None where no study was begun.

    Raises:
      UserError: if it is no study's, or was edited into something that is none.
    """
    directory.check()
    if not exists(directory.record):
        return None
    tree = read_json(directory.record)
    if not isinstance(tree, dict) or tree.get("project") != "aejax":
        raise UserError(f"{directory.record} is not one of aejax's; choose another --workdir")
    try:
        return load(Record, tree)
    except ConfigError as error:
        raise UserError(f"{directory.record} was changed into something that is no study: {error}") from None


def require_record(directory: StudyDirectory) -> Record:
    """Returns what study.json holds.

    Raises:
      UserError: if there is none, or if it is no study's.
    """
    record = read_record(directory)
    if record is None:
        raise UserError(f"{directory.path} holds no study.json; name a directory that scripts/train.py wrote")
    return record


def write_record(directory: StudyDirectory, record: Record) -> None:
    """Writes study.json."""
    write_json(directory.record, to_tree(record))


def unite(directory: StudyDirectory, recorded: Sequence[Any], wanted: Sequence[Any]) -> list[Any]:
    """Returns the config trees that a study holds and those that are asked for, each once.

    A study may grow by seeds and by points of its sweep, and a part of it may be asked for. All else would mix two
    studies in one table.

    Raises:
      ConfigError: if the study holds other configs, saying where they differ.
    """
    known = {_key(tree): tree for tree in recorded}
    asked = {_key(tree): tree for tree in wanted}
    known_settings, asked_settings = {_setting(t) for t in known.values()}, {_setting(t) for t in asked.values()}
    if recorded and not (known_settings <= asked_settings or asked_settings <= known_settings):
        other = next(tree for tree in asked.values() if _setting(tree) not in known_settings)
        changes = min((_differences(tree, other) for tree in known.values()), key=len)
        raise ConfigError(
            f"{directory.path} holds another study ({'; '.join(changes[:4])}{'; ...' if len(changes) > 4 else ''}); "
            "choose another --workdir"
        )
    return list((known | asked).values())


def _key(tree: Mapping[str, Any]) -> str:
    return json.dumps(tree, sort_keys=True)


def _setting(tree: Mapping[str, Any]) -> str:
    return _key({name: value for name, value in tree.items() if name != "seed"})


def _differences(recorded: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    old, new = dict(flatten(recorded)), dict(flatten(asked))
    paths = [path for path in (old | new) if path != "seed" and old.get(path, ...) != new.get(path, ...)]
    # First what was chosen, last what follows from it.
    paths.sort(key=lambda path: (not path.endswith(".kind"), path not in old or path not in new))
    shown = lambda values, path: json.dumps(values[path]) if path in values else "absent"  # noqa: E731
    return [f"{path} is {shown(old, path)} there and {shown(new, path)} here" for path in paths]


def this_start() -> Start:
    """Returns the start of this process: what numbers may depend on beside configs and data."""
    arguments = [argument for argument in sys.argv if not argument.startswith("--workdir")]
    return Start(
        time=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=shlex.join(["python", *arguments]),
        environment=environment(),
    )


def environment() -> dict[str, Any]:
    """Returns versions, devices, cores, flags, and the commit of the project's checkout (null where there is none)."""
    import jax

    devices = jax.devices()
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "backend": jax.default_backend(),
        "device": devices[0].device_kind,
        "devices": len(devices),
        "cores": os.cpu_count(),
        "flags": {name: os.environ[name] for name in sorted(os.environ) if name == "XLA_FLAGS" or name[:4] == "JAX_"},
        **_commit(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> dict[str, Any]:
    def git(*arguments: str) -> str:
        root = pathlib.Path(__file__).parent
        return subprocess.run(
            ["git", "-C", root, *arguments], capture_output=True, encoding="utf-8", check=True
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "clean": not git("status", "--porcelain", "--untracked-files=no")}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "clean": None}


def environment_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Returns a line for each part of the environment that differs."""
    names = dict.fromkeys([*old, *new])
    return [f"{name}: {old.get(name)} then, {new.get(name)} now" for name in names if old.get(name) != new.get(name)]
