"""The trackers by name. A new tracker is a file beside this one and its line here, or a user's own file."""

from collections.abc import Iterable

from aejax.errors import ConfigError
from aejax.registry import Registry
from aejax.trackers.base import Tracker
from aejax.trackers.mlflow import MLflow
from aejax.trackers.tensorboard import TensorBoard
from aejax.trackers.wandb import WeightsAndBiases

TRACKERS: Registry[type[Tracker]] = Registry("tracker", (TensorBoard, WeightsAndBiases, MLflow))


def check_trackers(names: Iterable[str]) -> None:
    """Checks that these trackers work here.

    Raises:
      ConfigError: if there is none of a name.
      UserError: if one lacks its package, or what it writes to.
    """
    for name in names:
        if name not in TRACKERS:
            raise ConfigError(f"tracker {name}: unknown choice (choices: {', '.join(TRACKERS)})")
        TRACKERS[name]().check()
