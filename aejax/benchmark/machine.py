"""The machine that is measured: its devices, and the versions of what runs on them."""

import importlib.util
from importlib.metadata import version
from typing import Any, NamedTuple

PEERS = ("keras", "tensorflow", "torch", "pythae", "scikit-learn")


def machine() -> dict[str, Any]:
    """Returns the environment as a study records it, and the versions of the peers that are installed."""
    from aejax.study.environment import environment

    return environment() | {peer: version(peer) for peer in PEERS if is_installed(peer)}


def is_installed(package: str) -> bool:
    """Whether a package can be imported."""
    return importlib.util.find_spec({"scikit-learn": "sklearn"}.get(package, package)) is not None


class FactsRunner(NamedTuple):
    """A runner that has facts and nothing to run."""

    values: dict[str, Any]

    def run(self) -> float:
        """Does nothing, once."""
        return 1

    def facts(self) -> dict[str, Any]:
        """Returns the values."""
        return self.values


def make_runner() -> FactsRunner:
    """Returns a runner whose facts are the machine: a process that asks a device for them takes memory of it."""
    from aejax.training.setup import set_up_jax

    set_up_jax()
    return FactsRunner({"machine": machine()})
