"""What training carries from step to step: data only."""

import enum
from typing import Any

import flax.struct
import jax


class Status(enum.IntEnum):
    """Where a member stands. All but RUNNING are final, and PAUSED is for this member."""

    RUNNING = 0
    FINISHED = 1  # It trained for its number of epochs.
    REACHED_TARGET = 2  # The training error fell to the threshold.
    OUT_OF_PATIENCE = 3  # The validation error stopped improving.
    DIVERGED = 4  # The loss or the parameters became non-finite; the state is the last finite one.
    PAUSED = 5  # It trained for as long as it was to for now: another member may go on from where it stands.


class TrainState(flax.struct.PyTreeNode):
    """One member. Keys are not part of it: they follow from seed, epoch and step."""

    params: Any
    opt_state: Any
    collections: Any  # Flax variables that are not parameters, such as running statistics.
    average: Any  # Moving average of the parameters, or None.
    best: Any  # The variables with the lowest validation error so far, or None without patience.
    step: jax.Array  # int32: updates so far.
    epoch: jax.Array  # int32: epochs so far.
    status: jax.Array  # int32: a `Status`.
    best_error: jax.Array  # float32: the lowest validation error so far.
    stale_epochs: jax.Array  # int32: epochs since then.
    # float32 [validation images]: each one's error at the epoch with the lowest mean. None where there are none.
    lowest_errors: jax.Array | None
    past_minimum: jax.Array  # float32: how far their mean has risen since, in standard errors of the paired difference.

    def current_variables(self) -> dict[str, Any]:
        """Returns the Flax variables that are evaluated after an epoch, with the average of the parameters if kept."""
        return {"params": self.params if self.average is None else self.average, **self.collections}

    def evaluated_variables(self) -> dict[str, Any]:
        """Returns the Flax variables that count: the best on validation if kept, else the current ones."""
        return self.current_variables() if self.best is None else self.best
