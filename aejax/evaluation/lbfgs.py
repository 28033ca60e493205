"""L-BFGS with backtracking, of several smooth problems side by side."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

MEMORY = 8  # Pairs of steps and gradient changes that it remembers.


class Minimization(NamedTuple):
    """The state of L-BFGS: points and gradients are [D, A, L], numbers of each problem [1, 1, L]."""

    point: jax.Array
    loss: jax.Array
    gradient: jax.Array
    steps: jax.Array  # [MEMORY, D, A, L], the newest first
    changes: jax.Array  # of the gradient along those steps
    inverse_products: jax.Array  # [MEMORY, 1, 1, L]: 1 / (step · change), 0 where there is none yet
    fraction: jax.Array  # of the next direction to go
    iterations: jax.Array


def minimize(
    evaluate: Callable[[jax.Array], tuple[jax.Array, jax.Array]],
    point: jax.Array,
    loss: jax.Array,
    gradient: jax.Array,
    tolerance: jax.Array,
    max_iterations: int,
) -> Minimization:
    """Returns the search at its end: each problem's gradient is as short as asked for, or there were enough iterations.

    Args:
      evaluate: of points [D, A, L], the losses of L problems, [1, 1, L], and their gradients, [D, A, L].
      point: the first.
      loss: there.
      gradient: there.
      tolerance: the norm of the gradient, [1, 1, L], at which a problem is solved.
      max_iterations: evaluations, after which it ends in any case.

    Source: Nocedal and Wright, "Numerical Optimization", 2006, algorithm 7.4.
    """
    unconverged = lambda search: norm(search.gradient) > tolerance  # noqa: E731
    return jax.lax.while_loop(
        lambda search: jnp.any(unconverged(search)) & (search.iterations < max_iterations),
        lambda search: _advance(search, evaluate, unconverged(search)),
        _begin(point, loss, gradient),
    )


def dot(a: jax.Array, b: jax.Array) -> jax.Array:
    """The product of two points of each problem, [1, 1, L]."""
    return jnp.sum(a * b, axis=(0, 1), keepdims=True)


def norm(a: jax.Array) -> jax.Array:
    """The length of a point of each problem, [1, 1, L]."""
    return jnp.sqrt(dot(a, a))


def _direction(search: Minimization) -> jax.Array:
    """Returns the L-BFGS direction: −gradient, times what the remembered steps tell of the inverse Hessian."""
    pairs = (search.steps, search.changes, search.inverse_products)

    def to_older(result: jax.Array, pair: tuple[jax.Array, ...]) -> tuple[jax.Array, jax.Array]:
        step, change, inverse_product = pair
        coefficient = inverse_product * dot(step, result)
        return result - coefficient * change, coefficient

    def to_newer(result: jax.Array, row: tuple[tuple[jax.Array, ...], jax.Array]) -> tuple[jax.Array, None]:
        (step, change, inverse_product), coefficient = row
        return result + (coefficient - inverse_product * dot(change, result)) * step, None

    result, coefficients = jax.lax.scan(to_older, search.gradient, pairs)  # Unrolled, it takes longer to compile.
    change, inverse_product = search.changes[0], search.inverse_products[0]
    result = result / jnp.where(inverse_product > 0, inverse_product * dot(change, change), 1.0)
    result, _ = jax.lax.scan(to_newer, result, (pairs, coefficients), reverse=True)
    return -result


def _begin(point: jax.Array, loss: jax.Array, gradient: jax.Array) -> Minimization:
    """The search at its first point, where it remembers nothing."""
    memory = jnp.zeros((MEMORY, *point.shape))
    return Minimization(
        point=point,
        loss=loss,
        gradient=gradient,
        steps=memory,
        changes=memory,
        inverse_products=jnp.zeros((MEMORY, *loss.shape)),
        fraction=jnp.ones_like(loss),
        iterations=jnp.zeros((), jnp.int32),
    )


def _advance(
    search: Minimization, evaluate: Callable[[jax.Array], tuple[jax.Array, jax.Array]], unconverged: jax.Array
) -> Minimization:
    """Returns the search after one evaluation: a step where it lowers the loss enough, half the fraction elsewhere.

    A problem that is solved rests, so its result does not depend on the others.
    """
    step = search.fraction * _direction(search)
    point = search.point + step
    loss, gradient = evaluate(point)
    # Rounding in the loss must not refuse the last, smallest steps.
    enough = 1e-4 * dot(step, search.gradient) + 1e-6 * jnp.abs(search.loss)
    accept = unconverged & (loss <= search.loss + enough)
    change = gradient - search.gradient
    product = dot(step, change)
    remember = accept & (product > 1e-10 * dot(change, change))

    def push(memory: jax.Array, newest: jax.Array) -> jax.Array:
        return jnp.where(remember, jnp.concatenate([newest[None], memory[:-1]]), memory)

    return Minimization(
        point=jnp.where(accept, point, search.point),
        loss=jnp.where(accept, loss, search.loss),
        gradient=jnp.where(accept, gradient, search.gradient),
        steps=push(search.steps, step),
        changes=push(search.changes, change),
        inverse_products=push(search.inverse_products, 1 / jnp.where(remember, product, 1.0)),
        fraction=jnp.where(accept, 1.0, search.fraction / 2),
        iterations=search.iterations + 1,
    )
