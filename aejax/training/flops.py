"""How many floating-point operations training takes."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval

from aejax.data.resident import Batch, ResidentData
from aejax.training.state import TrainState
from aejax.training.step import Stage, Task, batch_size, init_state, stage_optimizer, steps_per_epoch, train_step


def training_flops(task: Task, data: ResidentData, num_steps: float) -> float:
    """Returns the floating-point operations of a member's first training steps, stage after stage."""
    total, per_epoch = 0.0, steps_per_epoch(task.training, jax.eval_shape(task.select, data))
    for stage in task.stages:
        steps = min(num_steps, stage.epochs * per_epoch)
        total += steps * step_flops(task, stage, data)
        num_steps -= steps
    return total


def step_flops(task: Task, stage: Stage, data: ResidentData) -> int:
    """Returns the floating-point operations of one step of a stage of one member, as `matmul_flops` counts them."""
    size = batch_size(task.training, jax.eval_shape(task.select, data))
    state = jax.eval_shape(functools.partial(init_state, task), data)
    seen = jax.eval_shape(task.see, {"params": state.params, **state.collections}, data)
    example = jax.eval_shape(lambda seen: seen.batch("train", jnp.zeros(size, jnp.int32)), seen)
    optimizer = stage_optimizer(task, stage, data)

    def step(state: TrainState, image: jax.Array, label: jax.Array | None, code: jax.Array | None) -> Any:
        batch = Batch(image, label, data.size("train"), jnp.zeros(()), code)
        return train_step(task, stage, optimizer, state, batch, want_norm=False)

    return matmul_flops(step, state, example.image, example.label, example.code)


def matmul_flops(function: Callable[..., Any], *arguments: Any) -> int:
    """Returns the operations of all matrix products and convolutions in a function, two for each multiplication.

    The body of a scan or map counts as often as it runs, that of another loop once. What is left out (activations, the
    optimizer) is less than a hundredth in most networks.
    """
    jaxpr = jax.make_jaxpr(function)(*arguments).jaxpr
    # Without what no result needs, which the compiler leaves out too.
    return _count(partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))[0])


def _count(jaxpr: Any) -> int:
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            total += 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(shape[axis] for axis in contracted)
        elif equation.primitive.name == "conv_general_dilated":
            kernel, outputs = equation.invars[1].aval.shape, equation.params["dimension_numbers"].rhs_spec[0]
            total += 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(kernel) // kernel[outputs]
        inner = [getattr(value, "jaxpr", value) for value in jax.tree.leaves(list(equation.params.values()))]
        times = equation.params["length"] if equation.primitive.name == "scan" else 1
        total += times * sum(_count(part) for part in inner if hasattr(part, "eqns"))
    return total
