"""Hyperbolic space of curvature −c, in normal coordinates around its origin, and wrapped normal distributions on it.

A point's coordinates z have its direction, and as their length its distance from the origin. Of the Poincaré ball of
radius 1 / √c that is the point tanh(√c ‖z‖ / 2) z / (√c ‖z‖), whose logarithm at the origin is z / 2 (the metric is 4
there). In float32 a ball ends about 17 / √c from its origin, where its points round to the boundary; these coordinates
have no end. c = 0 is Euclidean space.

Source: Mathieu, Le Lan, Maddison, Tomioka and Teh, "Continuous hierarchical representations with Poincaré variational
auto-encoders", 2019, sections 2 and 3.
"""

import math

import jax
import jax.numpy as jnp

from aejax.objectives.posteriors import Draw, Posterior, draw_gaussian

_TINY = 1e-24  # Its root is added to lengths, whose slope at zero is then zero.
_FAR = 10.0  # Beyond e to that, arcsinh x is log 2x.


def exponential(center: jax.Array, step: jax.Array, curvature: jax.typing.ArrayLike) -> jax.Array:
    """Returns where geodesics from centers lead: the exponential map, of the common shape of both, [..., units].

    With the center negated it is the map's inverse, the logarithm: `exponential(-center, point, c)` is the step from a
    center to a point. On the ball it is Möbius addition.

    Args:
      center: where they begin, [..., units], in normal coordinates.
      step: their direction and length, [..., units], in axes that were carried to the center from the origin, without
        a turn, along the geodesic between them. On the ball these are λ times the chart's axes, λ² the metric.
      curvature: c.
    """
    # The hyperboloid's coordinates, divided by e to the sum of both lengths, by which none is too large.
    square_far, square_long = _square(center, curvature), _square(step, curvature)
    far, long = jnp.sqrt(square_far + _TINY), jnp.sqrt(square_long + _TINY)
    along = jnp.multiply(curvature, jnp.sum(center * step, axis=-1, keepdims=True))
    sinh_long, sinh_far = jnp.exp(_log_sinhc(square_long) - long), jnp.exp(_log_sinhc(square_far) - far)
    cosh_long = (1 + jnp.exp(-2 * long)) / 2
    cosh_far_less_one = jnp.exp(2 * _log_sinhc(square_far / 4) - far) / 2  # (cosh r − 1) / r².
    of_center = cosh_long * sinh_far + along * sinh_long * cosh_far_less_one
    scaled = sinh_long * jnp.exp(-far) * step + of_center * center
    length = jnp.sqrt(_square(scaled, curvature) + _TINY)
    log_length = jnp.log(length) + far + long
    # Where it is near, both lengths together are at most `_FAR` − log √`_TINY`.
    near = jnp.arcsinh(jnp.minimum(length * jnp.exp(jnp.minimum(far + long, 40.0)), math.exp(_FAR + 1)))
    return scaled * jnp.where(log_length > _FAR, log_length + math.log(2), near) / length


def log_volume(point: jax.Array, curvature: jax.typing.ArrayLike) -> jax.Array:
    """Returns the logarithm of how much volume lies at points [..., units] for each volume of coordinates, [...].

    It is that of (sinh √c ‖z‖ / √c ‖z‖)^(units − 1).
    """
    return (point.shape[-1] - 1) * _log_sinhc(_square(point, curvature)[..., 0])


def draw_wrapped(posterior: Posterior, curvature: jax.typing.ArrayLike, key: jax.Array, num: int) -> Draw:
    """Returns `num` draws of each wrapped normal distribution, [num, batch, units], and their densities.

    Its draws are where steps from its center lead that a Gaussian with its variances gives. Densities are those of the
    coordinates. With respect to the space's own volume they are less by `log_volume`, as in the paper; the rest,
    `log_volume` of the step, is the paper's correction of the volume.

    Args:
      posterior: the centers, [batch, units], and the log variances of steps from them, along axes as `exponential` has.
      curvature: c.
      key: of the steps.
      num: of draws.
    """
    step = draw_gaussian(posterior._replace(mean=jnp.zeros_like(posterior.mean)), key, num)
    latent = exponential(posterior.mean[None], step.latent, curvature)
    growth = log_volume(latent, curvature) - log_volume(step.latent, curvature)
    return Draw(latent, step.log_density + growth)


def _square(vector: jax.Array, curvature: jax.typing.ArrayLike) -> jax.Array:
    """Returns c ‖v‖², [..., 1]."""
    return jnp.multiply(curvature, jnp.sum(jnp.square(vector), axis=-1, keepdims=True))


def _log_sinhc(square: jax.Array) -> jax.Array:
    """Returns log(sinh r / r) for r²."""
    is_small = square < 0.25
    r = jnp.sqrt(jnp.where(is_small, 0.25, square))
    series = square / 6 - jnp.square(square) / 180 + square**3 / 2835
    return jnp.where(is_small, series, r + jnp.log1p(-jnp.exp(-2 * r)) - jnp.log(2 * r))
