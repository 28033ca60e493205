"""How many floating-point operations training takes."""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval

from aejax.data.resident import Batch, ResidentData
from aejax.training.state import TrainState
from aejax.training.step import (
    Stage,
    Task,
    batch_size,
    init_state,
    labelled_batch_size,
    stage_optimizer,
    steps_per_epoch,
    train_step,
)


class Product(NamedTuple):
    """A matrix product or convolution of a function: how often it is computed, and its equation in the jaxpr."""

    times: int
    equation: Any


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
    return sum(times * _flops(product) for times, product in step_products(task, stage, data))


def step_products(task: Task, stage: Stage, data: ResidentData) -> list[Product]:
    """Returns the matrix products and convolutions of one step of a stage of one member."""
    size = batch_size(task.training, jax.eval_shape(task.select, data))
    state = jax.eval_shape(functools.partial(init_state, task), data)
    own = jax.eval_shape(task.see, {"params": state.params, **state.collections}, data)
    beside = labelled_batch_size(task, own)

    def draw(own: ResidentData, size: int) -> Batch:
        return own.batch("train", jnp.zeros(size, jnp.int32))

    def arrays(own: ResidentData) -> tuple[Any, Any]:
        batch, labelled = draw(own, size), None if beside is None else draw(own, beside)
        return (batch.image, batch.label, batch.code), labelled and (labelled.image, labelled.label)

    optimizer = stage_optimizer(task, stage, data)

    def step(state: TrainState, example: Any, labelled: Any) -> Any:
        image, label, code = example
        batch = Batch(image, label, data.size("train"), jnp.zeros(()), code, labelled and Batch(*labelled))
        return train_step(task, stage, optimizer, state, batch, want_norm=False)

    return _products(step, state, *jax.eval_shape(arrays, own))


def matmul_flops(function: Callable[..., Any], *arguments: Any) -> int:
    """Returns the operations of all matrix products and convolutions in a function, two for each multiplication.

    The body of a scan or map counts as often as it runs, that of another loop once. What is left out (activations, the
    optimizer) is less than a hundredth in most networks.
    """
    return sum(times * _flops(product) for times, product in _products(function, *arguments))


def _products(function: Callable[..., Any], *arguments: Any) -> list[Product]:
    jaxpr = jax.make_jaxpr(function)(*arguments).jaxpr
    # Without what no result needs, which the compiler leaves out too.
    return list(_walk(partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))[0], 1))


def _walk(jaxpr: Any, times: int) -> Iterator[Product]:
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            yield Product(times, equation)
        inner = [getattr(value, "jaxpr", value) for value in jax.tree.leaves(list(equation.params.values()))]
        repeats = equation.params["length"] if equation.primitive.name == "scan" else 1
        for part in inner:
            if hasattr(part, "eqns"):
                yield from _walk(part, times * repeats)


def _flops(equation: Any) -> int:
    outputs = math.prod(equation.outvars[0].aval.shape)
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        shape = equation.invars[0].aval.shape
        return 2 * outputs * math.prod(shape[axis] for axis in contracted)
    kernel, axes = equation.invars[1].aval.shape, equation.params["dimension_numbers"].rhs_spec
    return 2 * outputs * math.prod(kernel) // kernel[axes[0]]
