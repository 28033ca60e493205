"""Leapfrog steps of a position and its momentum, by which Hamiltonian dynamics are followed.

Source: Neal, "MCMC using Hamiltonian dynamics", 2011, section 2.3.
"""

from collections.abc import Callable

import jax


def leapfrog(
    gradient: Callable[[jax.Array], jax.Array],
    position: jax.Array,
    momentum: jax.Array,
    step_size: jax.Array,
    cooling: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Returns position and momentum after as many steps as `cooling` is long.

    A step keeps volume, and taken with the momentum turned around it leads back. After it the momentum is multiplied by
    its number of `cooling`, and volume grows by that for each unit.

    Args:
      gradient: of the potential energy at positions, of their shape.
      position: [..., units].
      momentum: [..., units]; the mass is 1.
      step_size: of each unit, with as many axes as the position.
      cooling: what the momentum is multiplied by after each step, [steps].
    """
    slope = gradient(position)
    for index in range(len(cooling)):
        momentum = momentum - step_size / 2 * slope
        position = position + step_size * momentum
        slope = gradient(position)
        momentum = cooling[index] * (momentum - step_size / 2 * slope)
    return position, momentum
