"""The curves of a population: a JSON line for each member and epoch, and TensorBoard's files where asked for."""

import json
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from aejax.config import config_id
from aejax.errors import UserError


class MetricsWriter:
    """Writes what `aejax.training.loop.train` hands out; use it as a context manager."""

    def __init__(self, directory: pathlib.Path, configs: Sequence[Any], *, tensorboard: bool):
        self._ids = [(config_id(config), config.seed) for config in configs]
        self._file = (directory / "metrics.jsonl").open("w")
        self._summaries = (
            [_summary_writer(directory / "tensorboard" / name) for name, _ in self._ids] if tensorboard else []
        )

    def __enter__(self) -> "MetricsWriter":
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()
        for summary in self._summaries:
            summary.close()

    def __call__(self, metrics: dict[str, np.ndarray]) -> None:
        """Writes metrics of [members, epochs]; entries of epoch 0 stand for members that had stopped."""
        for member, epoch in zip(*np.nonzero(metrics["epoch"]), strict=True):
            values = {name: value[member, epoch].item() for name, value in metrics.items()}
            name, seed = self._ids[member]
            # JSON has no NaN and no infinity; the epoch in which a member diverged has both.
            finite = {key: value if math.isfinite(value) else None for key, value in values.items()}
            self._file.write(json.dumps({"id": name, "seed": seed, **finite}) + "\n")
            for key, value in values.items() if self._summaries else ():
                self._summaries[member].add_scalar(key, value, values["epoch"])
        self._file.flush()


def require_tensorboard() -> None:
    """Raises UserError where TensorBoard files cannot be written."""
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        raise UserError("--tensorboard needs a package that is missing; run pip install 'aejax[tensorboard]'") from None


def _summary_writer(directory: pathlib.Path) -> Any:
    import tensorboardX

    return tensorboardX.SummaryWriter(str(directory))
