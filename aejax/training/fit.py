"""Training one model on arrays, in one program: the one way to train whatever is no member of a population."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import flax.struct
import jax

from aejax.data.preprocessing import Array
from aejax.data.resident import ResidentData, map_examples
from aejax.training.loop import train_chunk
from aejax.training.state import TrainState
from aejax.training.step import Task, init_state

# A method of a model: its name, or a function of the bound model and what it is applied to.
Applied = str | Callable[..., Any]


class Fitted(flax.struct.PyTreeNode):
    """A trained model, and how its training went."""

    model: Any = flax.struct.field(pytree_node=False)  # A Flax module.
    variables: Any  # The Flax variables that count: the best on validation if kept, else the last.
    state: TrainState | None  # From which training can go on, if it is kept.
    curves: dict[str, jax.Array]  # The metrics of each epoch, [epochs].

    def apply(self, method: Applied, *arguments: Any) -> Any:
        """Applies a method of the model; arguments that are no arrays are constants of the compiled program."""
        constants = [index for index, argument in enumerate(arguments, 1) if not hasattr(argument, "shape")]
        run = jax.jit(self.model.apply, static_argnums=constants, static_argnames="method")
        return run(self.variables, *arguments, method=method)

    def map(self, method: Applied, values: Array) -> Any:
        """Applies a method of the model to all rows of an array, a block at a time."""
        return _map(self.model, method, self.variables, values)


def fit(task: Task, data: ResidentData, *, state: TrainState | None = None, num_epochs: int | None = None) -> Fitted:
    """Trains one model.

    It may be called in a compiled function; the task's seed may be traced there.

    Args:
      task: what is trained, and how.
      data: images, or codes alone; see `training_arrays`.
      state: from which training goes on; None: it begins.
      num_epochs: how many follow; None: all that the task has, 0: none, so the state is the first.
    """
    num_epochs = task.epochs if num_epochs is None else num_epochs

    @jax.jit
    def run(state: TrainState | None, data: ResidentData) -> tuple[TrainState, dict[str, jax.Array]]:
        state = init_state(task, data) if state is None else state
        return train_chunk(task, state, data, num_epochs) if num_epochs else (state, {})

    after, curves = run(state, data)
    return Fitted(task.model, after.evaluated_variables(), after, curves)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _map(model: nn.Module, method: Applied, variables: Any, values: Array) -> Any:
    def block(indices: jax.Array) -> Any:
        return model.apply(variables, values[indices], method=method)

    return map_examples(block, len(values))
