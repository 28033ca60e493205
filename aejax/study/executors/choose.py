"""The executors by their names, as the flags know them."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from aejax.errors import ConfigError
from aejax.study.executors.base import Executor
from aejax.study.executors.local import Local

Name = Literal["local", "ray", "slurm"]
NAMES: tuple[Name, ...] = get_args(Name)


class ExecutorRequest(NamedTuple):
    """Which executor, and what of it was asked for; None where nothing was."""

    name: Name = "local"
    num_workers: int | None = None  # Populations at a time.
    cpus: float | None = None  # For each of them.
    gpus: float | None = None
    ray_address: str | None = None
    slurm: Mapping[str, Any] | None = None  # Parameters of jobs, by submitit's names.

    def check(self) -> None:
        """Raises ConfigError if something was asked for that the executor does not know."""
        asked = {
            "workers": (self.num_workers, ("ray", "slurm")),
            "cpus": (self.cpus, ("ray", "slurm")),
            "gpus": (self.gpus, ("ray", "slurm")),
            "ray_address": (self.ray_address, ("ray",)),
            "slurm": (self.slurm or None, ("slurm",)),
        }
        for flag, (value, names) in asked.items():
            if value is not None and self.name not in names:
                raise ConfigError(f"--{flag} goes with --executor={' or '.join(names)}, and this is {self.name}")
        for flag, amount in {"cpus": self.cpus, "gpus": self.gpus}.items():
            if self.name == "slurm" and amount is not None and not amount.is_integer():
                raise ConfigError(f"--{flag}={amount:g}: Slurm gives whole ones")


def make_executor(request: ExecutorRequest) -> Executor:
    """Returns the executor that was asked for.

    Raises:
      UserError: if a package is missing that it needs.
    """
    if request.name == "ray":
        from aejax.study.executors.ray_cluster import RayCluster

        return RayCluster(
            request.ray_address, request.num_workers, 1 if request.cpus is None else request.cpus, request.gpus or 0
        )
    if request.name == "slurm":
        from aejax.study.executors.slurm import Slurm

        resources = {"cpus_per_task": request.cpus, "gpus_per_node": request.gpus}
        asked = {name: int(value) for name, value in resources.items() if value is not None}
        return Slurm(request.num_workers, asked | dict(request.slurm or {}))
    return Local()
