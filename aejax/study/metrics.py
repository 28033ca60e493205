"""The curves of a population: a JSON line for each member and epoch, and TensorBoard's files where asked for."""

import json
import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from aejax.config import config_id
from aejax.errors import UserError
from aejax.study.directory import exists, read_bytes

FILE = "metrics.jsonl"


class MetricsWriter:
    """Writes what `aejax.training.loop.train` hands out; use it as a context manager."""

    def __init__(
        self, directory: pathlib.Path | None, configs: Sequence[Any], *, tensorboard: bool, keep_bytes: int = 0
    ):
        """Opens the file, of which the first `keep_bytes` stay: what came after a checkpoint comes again.

        Without a directory nothing is kept: another process does that.
        """
        self._ids = [(config_id(config), config.seed) for config in configs]
        if directory is None:
            self._file, self._summaries = open(os.devnull, "ab"), []  # noqa: SIM115
            return
        self._file = (directory / FILE).open("ab")
        self._file.truncate(keep_bytes)
        self._summaries = (
            [_summary_writer(directory / "tensorboard" / name) for name, _ in self._ids] if tensorboard else []
        )

    def __enter__(self) -> "MetricsWriter":
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()
        for summary in self._summaries:
            summary.close()

    def __call__(self, first: int, metrics: dict[str, np.ndarray]) -> None:
        """Writes metrics of [members, epochs] from the member at index `first` on; epoch 0 stands for none."""
        for member, epoch in zip(*np.nonzero(metrics["epoch"]), strict=True):
            values = {name: shortest(value[member, epoch]) for name, value in metrics.items()}
            name, seed = self._ids[first + member]
            # JSON has no NaN and no infinity; the epoch in which a member diverged has both.
            finite = {key: value if math.isfinite(value) else None for key, value in values.items()}
            self._file.write((json.dumps({"id": name, "seed": seed, **finite}) + "\n").encode())
            for key, value in values.items() if self._summaries else ():
                self._summaries[first + member].add_scalar(key, value, values["epoch"])
        self._file.flush()

    def sync(self) -> int:
        """Returns how many bytes the file holds, once they are on the disk."""
        os.fsync(self._file.fileno())
        return self._file.tell()


def read_curves(directory: pathlib.Path) -> dict[str, dict[str, np.ndarray]]:
    """Returns the metrics of each member of a population by its id, arrays [epochs] in order; NaN where not finite."""
    content = read_bytes(directory / FILE) if exists(directory / FILE) else b""
    records: dict[str, dict[int, dict[str, float]]] = {}
    for line in content.decode(errors="replace").splitlines():
        try:
            record = json.loads(line)
            records.setdefault(record.pop("id"), {})[record["epoch"]] = record
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # A process that writes, or was killed, leaves half a line at the end.
    return {
        name: {
            key: np.array([epochs[number].get(key, math.nan) for number in sorted(epochs)], float)
            for key in next(iter(epochs.values()))
        }
        for name, epochs in records.items()
    }


def thin(content: bytes, every: int) -> bytes:
    """Returns the lines of a file of curves: of each member one epoch in `every`, from the first on, and the last."""
    lines = content.decode().splitlines(keepends=True)
    records = [json.loads(line) for line in lines]
    last = {record["id"]: record["epoch"] for record in records}
    kept = [r["epoch"] % every == 1 or r["epoch"] == last[r["id"]] for r in records]
    return "".join(line for line, keep in zip(lines, kept, strict=True) if keep).encode()


def shortest(value: np.generic) -> float | int:
    """Returns what stands in JSON for a value: of a float, no more digits than tell it from the next of its type."""
    return float(str(value)) if isinstance(value, np.floating) else value.item()


def require_tensorboard() -> None:
    """Raises UserError where TensorBoard files cannot be written."""
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        raise UserError("--tensorboard needs a package that is missing; run pip install 'aejax[tensorboard]'") from None


def _summary_writer(directory: pathlib.Path) -> Any:
    import tensorboardX

    return tensorboardX.SummaryWriter(str(directory))
