"""Saving a population while it trains."""

import time
from typing import Any

from aejax.data.description import DataDescription
from aejax.data.preprocessing import to_arrays
from aejax.store.metrics import MetricsWriter
from aejax.store.status import PopulationStatus, write_status
from aejax.study.job import Execution
from aejax.training.loop import Cost, Midway
from aejax.training.population import is_leader
from aejax.training.state import TrainState


class PopulationSaver:
    """Saves when it is time, or when the process was asked to stop, and then lets it stop."""

    def __init__(self, execution: Execution, status: PopulationStatus, write: MetricsWriter):
        self._execution, self._status, self._write = execution, status, write
        self._data, self._preprocessing = DataDescription.of(execution.dataset), to_arrays(execution.data.preprocessing)
        self._interval = execution.options.checkpoint_seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to save."""
        return bool(self._execution.options.stop) or time.monotonic() - self._last >= self._interval

    def save(self, state: TrainState, cost: Cost, midway: Midway | None = None) -> None:
        """Saves the state of all members, and how far a round came in an epoch; then obeys a stop."""
        started = time.monotonic()
        if is_leader():
            # The curves first: a checkpoint says how much of them belongs to it.
            written = self._write.sync()
            facts: dict[str, Any] = {
                "cost": cost._asdict(),
                "metrics_bytes": written.num_bytes,
                "metrics_digest": written.digest,
            }
            epoch = None if midway is None else midway.epoch
            if midway is not None:
                facts["midway"] = [midway.first, len(midway.epoch.state.step)]
            number = self._execution.checkpoints.save(state, facts, self._data, self._preprocessing, epoch)
            self._status = self._status._replace(checkpoint=number)
            write_status(self._execution.path, self._status)
        self._execution.options.obey_stop()
        self._last = time.monotonic()
        # Never more than a twentieth of the time for saving, unless every chunk is to be saved.
        asked = self._execution.options.checkpoint_seconds
        self._interval = max(asked, 20 * (self._last - started)) if asked else 0.0
