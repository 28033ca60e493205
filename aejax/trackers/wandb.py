"""Weights & Biases: a run for each member, grouped by setting. https://docs.wandb.ai"""

import os
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any, Literal

from aejax.errors import UserError, in_one_line
from aejax.trackers.base import Metrics, TrackedPopulation, Tracker, require_package

FINISH_SECONDS = 60.0  # How long the end of a run may wait for a network that is away.

# All members share one process, so what W&B records of a process would be the same in each run.
_SETTINGS: dict[str, Any] = {
    "console": "off",
    "silent": True,
    "disable_git": True,
    "save_code": False,
    "x_disable_stats": True,
    "x_save_requirements": False,
    "finish_timeout": FINISH_SECONDS,
    "finish_timeout_raises": True,
}


class WeightsAndBiases(Tracker):
    """Writes to W&B, or offline. What its environment variables do not say is the study's."""

    kind: Literal["wandb"] = "wandb"

    def __init__(self) -> None:
        self._runs: dict[int, Any] = {}

    def check(self) -> None:
        """Checks that the package is there and, unless W&B is offline, that somebody is logged in."""
        require_package("wandb", self.kind)
        import wandb

        if wandb.setup().settings.mode not in ("online", "shared", "run"):
            return
        try:
            logged_in = wandb.login()
            reason = "nobody is logged in"
        except Exception as error:
            logged_in, reason = False, in_one_line(error)
        if not logged_in:
            raise UserError(
                f"tracker wandb: W&B does not let us in ({reason}); run wandb login, or set WANDB_MODE=offline"
            )

    def begin(self, population: TrackedPopulation) -> Sequence[int]:
        """Opens the runs. Those of an offline start before are written again as a whole, in the place of the old."""
        import wandb

        folder = os.environ.get("WANDB_DIR")
        if folder is None:
            population.folder.mkdir(exist_ok=True)  # Where there is none, W&B would write somewhere else.
            folder = str(population.folder)
        settings = {name: value for name, value in _SETTINGS.items() if name in wandb.Settings.model_fields}
        for index, member in enumerate(population.members):
            self._runs[index] = wandb.init(
                project=os.environ.get("WANDB_PROJECT", population.study),
                dir=folder,
                id=population.key(member),
                name=member.id,
                group=member.setting,
                job_type=population.method,
                config=dict(member.config),
                resume="allow",
                reinit="create_new",
                settings=wandb.Settings(**settings),
            )
            if self._runs[index].offline:
                _remove_earlier(pathlib.Path(self._runs[index].settings.sync_dir), population.key(member))
        return [max(0, run.starting_step - 1) for run in self._runs.values()]

    def log(self, member: int, epochs: Sequence[Metrics]) -> None:
        """Logs each epoch as the step of its number."""
        for metrics in epochs:
            self._runs[member].log(dict(metrics), step=int(metrics["epoch"]), commit=True)

    def finish(self, member: int, status: str, metrics: Metrics) -> None:
        """Writes the final metrics and the status into the run's summary, and ends it."""
        run = self._runs.pop(member)
        run.summary.update({"status": status, **{f"final/{name}": value for name, value in metrics.items()}})
        run.finish(exit_code=int(status == "diverged"))

    def close(self) -> None:
        """Ends the runs that are left as failed; the next start goes on with them."""
        while self._runs:
            self._runs.popitem()[1].finish(exit_code=1)


def _remove_earlier(directory: pathlib.Path, key: str) -> None:
    """Removes what earlier starts wrote offline of a run: W&B makes a new directory each time, and cannot go on."""
    for other in directory.parent.glob(f"offline-run-*-{key}"):
        if other != directory:
            shutil.rmtree(other)
