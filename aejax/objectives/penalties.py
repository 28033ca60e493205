"""Penalties on codes and on encoders: per example, not weighted, without reduction over the batch."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from aejax.objectives.divergences import bernoulli_kl

Function = Callable[[jax.Array], jax.Array]


def absolute_sum(latent: jax.Array) -> jax.Array:
    """Returns Σ_j |h_j|, [batch], for a latent h of [batch, latent_size]."""
    return jnp.sum(jnp.abs(latent.astype(jnp.float32)), axis=-1)


def rate_divergence(logit: jax.Array, target: jax.typing.ArrayLike) -> jax.Array:
    """Returns Σ_j KL(Bernoulli(target) ‖ Bernoulli(ρ_j)), ρ_j the mean over the batch of unit j, [batch].

    Ng (2011) takes the mean over the training set. This one is a property of the batch, so every example carries the
    same value. It stays in logarithms: units that are saturated on all examples give a finite value, and a gradient
    that brings them back.

    Args:
      logit: [batch, latent_size]; the units are its sigmoid.
      target: the rate that units should have on average, in [0, 1].
    """
    logit = logit.astype(jnp.float32)
    log_on = jax.nn.logsumexp(jax.nn.log_sigmoid(logit), axis=0)
    log_off = jax.nn.logsumexp(jax.nn.log_sigmoid(-logit), axis=0)
    return jnp.full(len(logit), jnp.sum(bernoulli_kl(target, log_on - log_off)))


class JacobianNorm(NamedTuple):
    """A way to compute ‖J‖²_F, J = ∂ latent / ∂ image, and the same norm of a difference of two Jacobians.

    `squared` of the sketch at x is ‖J(x)‖²_F, [batch], or an unbiased estimate of it. A sketch is linear in the
    Jacobian, so `squared` of the difference of those at x and y is ‖J(x) − J(y)‖²_F likewise.
    """

    sketch: Callable[[jax.Array], tuple[jax.Array, jax.Array]]  # Images, [batch, ...] -> their latent, and a sketch.
    squared: Function  # Sketches, or their differences -> [batch].


def dense_layer_norm(activation: Function, preactivate: Function, kernel: jax.Array) -> JacobianNorm:
    """Returns the norm for activation(W x + b): Σ_j activation'(a_j)² Σ_i W_ij² (Rifai et al., 2011a).

    Args:
      activation: elementwise.
      preactivate: [batch, ...] -> a = W x + b, [batch, latent_size].
      kernel: W, [inputs, latent_size].
    """
    squared_columns = jnp.sum(jnp.square(kernel.astype(jnp.float32)), axis=0)

    def sketch(image: jax.Array) -> tuple[jax.Array, jax.Array]:
        preactivation = preactivate(image).astype(jnp.float32)
        return jax.jvp(activation, (preactivation,), (jnp.ones_like(preactivation),))

    return JacobianNorm(sketch, lambda slope: jnp.square(slope) @ squared_columns)


def exact_norm(encode: Function) -> JacobianNorm:
    """Returns the norm for any encoder, from all rows of the Jacobian: one backward pass for each latent unit.

    A pass serves the whole batch, since the latent of one example does not depend on another. Batch normalisation in
    training breaks that: then what a row holds is the derivative of the batch's sum.

    Args:
      encode: [batch, ...] -> [batch, latent_size].
    """

    def sketch(image: jax.Array) -> tuple[jax.Array, jax.Array]:
        return _rows(encode, image, lambda latent: jnp.eye(latent.shape[-1], dtype=latent.dtype)[:, None])

    return JacobianNorm(sketch, _sum_of_squares)


def hutchinson_norm(encode: Function, key: jax.Array, num_probes: int) -> JacobianNorm:
    """Returns an unbiased estimate for any encoder: E_v ‖Jᵀ v‖² = ‖J‖²_F for v of random signs (Hutchinson, 1989).

    The key fixes the probes, so all images of a batch's shape are sketched with the same.

    Args:
      encode: as for `exact_norm`.
      key: of the probes, which differ between examples.
      num_probes: over which the estimate is averaged: one backward pass each.
    """

    def sketch(image: jax.Array) -> tuple[jax.Array, jax.Array]:
        draw = lambda latent: jax.random.rademacher(key, (num_probes, *latent.shape), latent.dtype)  # noqa: E731
        return _rows(encode, image, draw)

    return JacobianNorm(sketch, lambda rows: _sum_of_squares(rows) / num_probes)


def curvature(norm: JacobianNorm, image: jax.Array, sketch: jax.Array, noise: jax.Array) -> jax.Array:
    """Returns the mean over draws ε of ‖J(image) − J(image + ε)‖²_F, [batch] (Rifai et al., 2011b).

    With ε ~ N(0, σ²I) it tends to σ² times the squared norm of the Hessian as σ falls.

    Args:
      norm: how Jacobians are compared.
      image: [batch, ...].
      sketch: of the Jacobian at the image.
      noise: the draws, [draws, batch, ...].
    """
    distance = lambda draw: norm.squared(norm.sketch(image + draw)[1] - sketch)  # noqa: E731
    return jnp.mean(jax.lax.map(distance, noise), axis=0)


def squared_jacobian(
    function: Callable[[jax.Array], jax.Array], point: jax.Array, num_probes: int | None, key: jax.Array
) -> jax.Array:
    """Returns ‖J‖² (Frobenius) of a function of each example by itself, or an unbiased estimate of it, [batch].

    ‖J‖² is the trace of JᵀJ, and so the expectation of ‖J u‖² over directions u of random signs (Hutchinson, 1989).
    Directions of the output, with reverse derivatives as for encoders above, would do as well, but with a larger
    variance where there are more outputs than inputs, as a decoder has.

    Args:
      function: [examples, inputs] -> [examples, ...].
      point: where, [batch, inputs].
      num_probes: random directions for each example; None: one along each input, which is exact.
      key: of the directions.
    """
    batch, size = point.shape
    count = num_probes or size
    if num_probes is None:
        directions, share = jnp.tile(jnp.eye(size), (batch, 1)), 1.0
    else:
        directions, share = jax.random.rademacher(key, (batch * count, size), jnp.float32), 1 / count
    # Copies of the points, and not a loop over directions: all of it stays one matrix product a layer.
    _, slopes = jax.jvp(function, (jnp.repeat(point, count, axis=0),), (directions.astype(point.dtype),))
    return share * jnp.sum(jnp.square(slopes).reshape(batch, -1), axis=1)


def _rows(encode: Function, image: jax.Array, make_probes: Function) -> tuple[jax.Array, jax.Array]:
    """Returns the latent, and vᵀ J for each of several probes v, [probes, batch, ...], in the image's type.

    `make_probes` gives them for the latent: [probes, batch, latent_size], or [probes, 1, latent_size] for all examples.
    """
    latent, pull_back = jax.vjp(encode, image)
    row = lambda probe: pull_back(jnp.broadcast_to(probe, latent.shape))[0]  # noqa: E731
    return latent, jax.lax.map(row, make_probes(latent))


def _sum_of_squares(rows: jax.Array) -> jax.Array:
    """Returns the sum of squares over all but the second axis, the examples."""
    return jnp.sum(jnp.square(rows), axis=(0, *range(2, rows.ndim)))
