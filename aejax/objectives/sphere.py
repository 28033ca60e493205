"""Distributions on the sphere of vectors of length 1 in d dimensions: the uniform one, and von Mises and Fisher's.

The density of the latter is proportional to exp(κ μᵀz). Everything about it follows from that of the angle θ between z
and μ, proportional to g(θ) = exp(κ (cos θ − 1)) sin^(d−2) θ on [0, π], whose integrals are taken by Gauss-Legendre
quadrature. That takes no Bessel functions, and serves for every d ≥ 2 and κ ≥ 0.

Source: Davidson, Falorsi, De Cao, Kipf and Tomczak, "Hyperspherical variational auto-encoders", 2018.
"""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from aejax.objectives.posteriors import Draw
from aejax.objectives.priors import PriorDistribution

NUM_NODES = 64  # Of the quadrature.
_BISECTIONS = 26  # More than float32 tells apart.
_TINY = 1e-12


class VonMisesFisher(NamedTuple):
    """Of a batch: a direction μ of length 1, [batch, d], and the concentration κ of codes around it, [batch]."""

    direction: jax.Array
    concentration: jax.Array


@dataclasses.dataclass(frozen=True)
class UniformOnSphere(PriorDistribution):
    """All directions alike."""

    num_units: int

    def log_density(self, latent: jax.Array) -> jax.Array:
        """Returns log p of directions, [...]: a constant, with respect to the sphere's area."""
        return jnp.full(latent.shape[:-1], -log_area(self.num_units))

    def sample(self, key: jax.Array, num: int) -> jax.Array:
        """Returns `num` directions, [num, units]."""
        return to_sphere(jax.random.normal(key, (num, self.num_units)))

    def variance(self) -> jax.Array:
        """Returns the variance of each unit, [units]."""
        return jnp.full(self.num_units, 1 / self.num_units)


def to_sphere(vectors: jax.Array) -> jax.Array:
    """Returns vectors [..., d] divided by their lengths."""
    square = jnp.sum(jnp.square(vectors), axis=-1, keepdims=True)
    return vectors * jax.lax.rsqrt(jnp.maximum(square, _TINY))


def log_area(dimension: int) -> float:
    """Returns the logarithm of the area of the sphere of vectors of length 1 in so many dimensions."""
    return math.log(2) + dimension / 2 * math.log(math.pi) - math.lgamma(dimension / 2)


def draw_directions(posterior: VonMisesFisher, key: jax.Array, num: int) -> Draw:
    """Returns `num` draws of each distribution, [num, batch, d], through which gradients of both parameters go.

    An angle is where its distribution function takes a uniform number, and its derivative by κ follows from that; the
    paper rejects draws, and corrects the gradient for it. What is across μ has a random direction.
    """
    direction, concentration = posterior
    batch, dimension = direction.shape
    angle_key, across_key = jax.random.split(key)
    share = jax.random.uniform(angle_key, (num, batch))
    angle = _angle(dimension, share, jnp.broadcast_to(concentration[None], share.shape))
    across = jax.random.normal(across_key, (num, batch, dimension))
    for _ in range(2):  # A second time, since the first leaves a part along μ where nearly all was that.
        across = to_sphere(across - jnp.sum(across * direction[None], axis=-1, keepdims=True) * direction[None])
    latent = jnp.cos(angle)[..., None] * direction[None] + jnp.sin(angle)[..., None] * across
    log_constant = log_area(dimension - 1) + _log_mass(concentration, dimension)
    return Draw(latent, -concentration[None] * _distance(angle) - log_constant[None])


def kl_to_uniform(posterior: VonMisesFisher) -> jax.Array:
    """Returns the KL of each distribution to the uniform one, [batch] (equation 4 of the paper)."""
    direction, concentration = posterior
    dimension = direction.shape[-1]
    mass, distance = _integrals(_end(concentration, dimension), concentration, dimension)
    log_constant = log_area(dimension - 1) + _log_mass(concentration, dimension)
    return -concentration * distance / mass - log_constant + log_area(dimension)


def _distance(angle: jax.Array) -> jax.Array:
    """Returns 1 − cos θ, of which nothing cancels."""
    return 2 * jnp.square(jnp.sin(angle / 2))


def _log_density(angle: jax.Array, concentration: jax.Array, dimension: int) -> jax.Array:
    """Returns log g of angles."""
    log_across = jnp.log(jnp.maximum(jnp.sin(angle), _TINY))
    return (dimension - 2) * log_across - concentration * _distance(angle)


def _log_peak(concentration: jax.Array, dimension: int) -> jax.Array:
    """Returns the greatest value of log g, held: where κ sin² θ = (d − 2) cos θ."""
    held = jax.lax.stop_gradient(concentration)
    half = (dimension - 2) / 2
    rest = half + jnp.sqrt(half**2 + jnp.square(held)) + _TINY
    angle = jnp.arctan2(jnp.sqrt(2 * half / rest), held / rest)
    return _log_density(angle, held, dimension)


def _end(concentration: jax.Array, dimension: int) -> jax.Array:
    """Returns the angle beyond which nothing is left, held: κ (1 − cos θ) has nearly a Gamma distribution."""
    shape = (dimension - 1) / 2
    held = jnp.maximum(jax.lax.stop_gradient(concentration), _TINY)
    distance = jnp.minimum((shape + 10 * math.sqrt(shape) + 30) / held, 2.0)
    return 2 * jnp.arcsin(jnp.sqrt(distance / 2))


class _Integrals(NamedTuple):
    """Up to an angle, [...]: ∫ g and ∫ g (1 − cos θ), both divided by the greatest value of g."""

    mass: jax.Array
    distance: jax.Array


def _integrals(angle: jax.Array, concentration: jax.Array, dimension: int) -> _Integrals:
    node, weight = (jnp.asarray(x, jnp.float32).reshape((1,) * angle.ndim + (-1,)) for x in _quadrature())
    angles, of_nodes = angle[..., None] * node, concentration[..., None]
    relative = _log_density(angles, of_nodes, dimension) - _log_peak(of_nodes, dimension)
    mass = angle[..., None] * weight * jnp.exp(relative)
    return _Integrals(jnp.sum(mass, axis=-1), jnp.sum(mass * _distance(angles), axis=-1))


@functools.cache
def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    """Nodes in [0, 1], and their weights."""
    node, weight = scipy.special.roots_legendre(NUM_NODES)
    return (node + 1) / 2, weight / 2


def _log_mass(concentration: jax.Array, dimension: int) -> jax.Array:
    """Returns log ∫ g over all angles."""
    mass = _integrals(_end(concentration, dimension), concentration, dimension).mass
    return jnp.log(mass) + _log_peak(concentration, dimension)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _angle(dimension: int, share: jax.Array, concentration: jax.Array) -> jax.Array:
    """Returns the angles up to which a share of the mass lies, [...]."""
    end = _end(concentration, dimension)
    wanted = share * _integrals(end, concentration, dimension).mass

    def halve(_: int, interval: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = interval
        middle = (low + high) / 2
        is_beyond = _integrals(middle, concentration, dimension).mass > wanted
        return jnp.where(is_beyond, low, middle), jnp.where(is_beyond, middle, high)

    low, high = jax.lax.fori_loop(0, _BISECTIONS, halve, (jnp.zeros_like(end), end))
    middle: jax.Array = (low + high) / 2
    return middle


@_angle.defjvp
def _angle_by_concentration(dimension: int, values: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    """The angle moves such that the share stays: ∂θ/∂κ = −(∂F/∂κ) / (∂F/∂θ)."""
    share, concentration = values
    angle = _angle(dimension, share, concentration)
    up_to, of_all = (_integrals(bound, concentration, dimension) for bound in (angle, _end(concentration, dimension)))
    relative = _log_density(angle, concentration, dimension) - _log_peak(concentration, dimension)
    slope = (up_to.distance - up_to.mass * of_all.distance / of_all.mass) / jnp.maximum(jnp.exp(relative), _TINY)
    return angle, slope * tangents[1]
