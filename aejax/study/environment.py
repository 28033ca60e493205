"""The environment of a start: versions, devices, flags and commit. Numbers may depend on it."""

import datetime
import os
import pathlib
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from aejax.store.record import Start, package_version

PACKAGES = ("aejax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy")


def this_start() -> Start:
    """Returns the start of this process: what numbers may depend on beside configs and data."""
    arguments = [argument for argument in sys.argv if not argument.startswith("--workdir")]
    return Start(
        time=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        # Bytes of an argument that are not UTF-8 are escaped: JSON holds text alone.
        command=shlex.join(["python", *arguments]).encode(errors="backslashreplace").decode(),
        environment=environment(),
    )


def environment() -> dict[str, Any]:
    """Returns versions, devices, cores, flags, and the commit of the project's checkout (null where there is none)."""
    import jax

    devices = jax.devices()
    return {
        "python": platform.python_version(),
        **{name: package_version(name) for name in PACKAGES},
        "backend": jax.default_backend(),
        "device": devices[0].device_kind,
        "devices": len(devices),
        "cores": os.cpu_count(),
        "flags": {name: os.environ[name] for name in sorted(os.environ) if name == "XLA_FLAGS" or name[:4] == "JAX_"},
        **_commit(),
    }


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
