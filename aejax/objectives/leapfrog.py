"""Leapfrog steps of a position and its momentum, by which Hamiltonian dynamics are followed.

Source: Neal, "MCMC using Hamiltonian dynamics", 2011, section 2.3; where the mass depends on the position, Girolami and
Calderhead, "Riemann manifold Langevin and Hamiltonian Monte Carlo methods", 2011, equations 16 to 18.
"""

import abc
import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from aejax.objectives.divergences import standard_log_density


class Mass(abc.ABC):
    """The mass G(z) at positions: a momentum there has the distribution N(0, G(z)). All arrays are [..., units]."""

    @abc.abstractmethod
    def momentum(self, position: jax.Array, noise: jax.Array) -> jax.Array:
        """Returns the momenta that standard normal numbers make."""

    @abc.abstractmethod
    def log_density(self, position: jax.Array, momentum: jax.Array) -> jax.Array:
        """Returns log N(momentum; 0, G(position)), [...]: less a constant, the negative of the kinetic energy."""

    @abc.abstractmethod
    def velocity(self, position: jax.Array, momentum: jax.Array) -> jax.Array:
        """Returns the gradient of the kinetic energy by the momentum."""

    @abc.abstractmethod
    def slope(self, position: jax.Array) -> Callable[[jax.Array], jax.Array]:
        """Returns the gradient of the kinetic energy by the position, as a function of the momentum."""


@dataclasses.dataclass(frozen=True)
class UnitMass(Mass):
    """G = I everywhere."""

    def momentum(self, position: jax.Array, noise: jax.Array) -> jax.Array:
        """Returns the noise."""
        del position
        return noise

    def log_density(self, position: jax.Array, momentum: jax.Array) -> jax.Array:
        """Returns log N(momentum; 0, I), [...]."""
        del position
        return jnp.sum(standard_log_density(momentum), axis=-1)

    def velocity(self, position: jax.Array, momentum: jax.Array) -> jax.Array:
        """Returns the momentum."""
        del position
        return momentum

    def slope(self, position: jax.Array) -> Callable[[jax.Array], jax.Array]:
        """Returns a function that gives zeros."""
        del position
        return jnp.zeros_like


def leapfrog(
    gradient: Callable[[jax.Array], jax.Array],
    position: jax.Array,
    momentum: jax.Array,
    step_size: jax.Array,
    cooling: jax.Array,
    mass: Mass | None = None,
    num_iterations: int = 1,
) -> tuple[jax.Array, jax.Array]:
    """Returns position and momentum after as many steps as `cooling` is long.

    A step keeps volume, and taken with the momentum turned around it leads back. After it the momentum is multiplied by
    its number of `cooling`, and volume grows by that for each unit. Where the mass depends on the position, both hold
    as far as the iterations have converged.

    Args:
      gradient: of the potential energy at positions, of their shape.
      position: [..., units].
      momentum: [..., units].
      step_size: of each unit, with as many axes as the position.
      cooling: what the momentum is multiplied by after each step, [steps].
      mass: by which momenta move positions; None: 1.
      num_iterations: by which the momentum halfway, and then the position, are found, each of which says itself what it
        is (a fixed point). Of a unit mass the first is exact.
    """
    mass, potential = mass or UnitMass(), gradient(position)
    for index in range(len(cooling)):
        kinetic, halfway = mass.slope(position), momentum
        for _ in range(num_iterations):
            halfway = momentum - step_size / 2 * (potential + kinetic(halfway))
        first = mass.velocity(position, halfway)
        there = position
        for _ in range(num_iterations):
            there = position + step_size / 2 * (first + mass.velocity(there, halfway))
        position, potential = there, gradient(there)
        momentum = cooling[index] * (halfway - step_size / 2 * (potential + mass.slope(position)(halfway)))
    return position, momentum
