"""TensorBoard: a directory of event files for each member, below its population's."""

import pathlib
from collections.abc import Sequence
from typing import Any, Literal

from aejax.trackers.base import Metrics, TrackedPopulation, Tracker, require_package


class TensorBoard(Tracker):
    """Writes event files. They are begun anew at every start, with all epochs so far: none is in them twice."""

    kind: Literal["tensorboard"] = "tensorboard"

    def __init__(self) -> None:
        self._writers: list[Any] = []
        self._last: list[int] = []

    def check(self) -> None:
        """Checks that the package is there."""
        require_package("tensorboardX", self.kind)

    def begin(self, population: TrackedPopulation) -> Sequence[int]:
        """Opens a new file for each member, in the place of older ones."""
        self._writers = [_writer(population.path / "tensorboard" / member.id) for member in population.members]
        self._last = [0] * len(self._writers)
        return list(self._last)

    def log(self, member: int, epochs: Sequence[Metrics]) -> None:
        """Adds the metrics as scalars."""
        for metrics in epochs:
            self._last[member] = int(metrics["epoch"])
            self._add(member, metrics)

    def finish(self, member: int, status: str, metrics: Metrics) -> None:
        """Adds the final metrics as scalars at the last epoch, below `final`."""
        self._add(member, {f"final/{name}": value for name, value in metrics.items()})
        self._writers[member].add_text("status", status, self._last[member])

    def close(self) -> None:
        """Closes the files."""
        for writer in self._writers:
            writer.close()

    def _add(self, member: int, metrics: Metrics) -> None:
        for name, value in metrics.items():
            self._writers[member].add_scalar(name, value, self._last[member])


def _writer(directory: pathlib.Path) -> Any:
    import tensorboardX

    for old in directory.glob("events.*"):
        old.unlink()
    # A TensorBoard that has read the older files forgets what they held.
    return tensorboardX.SummaryWriter(str(directory), purge_step=1)
