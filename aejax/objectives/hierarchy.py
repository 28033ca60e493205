"""Latents in levels, each a Gaussian given the level above."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from aejax.objectives.divergences import gaussian_kl, standard_log_density
from aejax.objectives.posteriors import DiagonalGaussian
from aejax.objectives.priors import PriorDistribution

_DRAWS_FOR_VARIANCE = 1000  # Below the top level a variance has no closed form.


def joined(one: DiagonalGaussian, other: DiagonalGaussian) -> DiagonalGaussian:
    """Returns the Gaussian that the product of two densities is: precisions add up, and weigh the means."""
    # σ² = 1 / (1/σ₁² + 1/σ₂²), by logarithms, of which none is too large.
    log_precision = jnp.logaddexp(-one.log_variance, -other.log_variance)
    share = jnp.exp(-one.log_variance - log_precision)
    return DiagonalGaussian(share * one.mean + (1 - share) * other.mean, -log_precision)


def gaussian_kl_between(one: DiagonalGaussian, other: DiagonalGaussian) -> jax.Array:
    """Returns KL(one ‖ other), summed over units, [...]."""
    distance = (one.mean - other.mean) * jnp.exp(-0.5 * other.log_variance)
    return jnp.sum(gaussian_kl(distance, one.log_variance - other.log_variance), axis=-1)


def split_levels(latent: jax.Array, sizes: Sequence[int]) -> list[jax.Array]:
    """Cuts latents [..., units of all levels] into those of each level, the lowest first."""
    ends = list(itertools.accumulate(sizes))
    return jnp.split(latent, ends[:-1], axis=-1)


@dataclasses.dataclass(frozen=True)
class ChainOfGaussians(PriorDistribution):
    """Of the top level N(0, I), of each other a Gaussian given the one above. A latent is all levels, lowest first."""

    sizes: tuple[int, ...]  # Units of each level.
    below: Callable[[int, jax.Array], DiagonalGaussian]  # Of a level, given latents of the one above, [..., units].

    def log_density(self, latent: jax.Array) -> jax.Array:
        """Returns log p(latent) in nats, [...]."""
        levels = split_levels(latent, self.sizes)
        total = jnp.sum(standard_log_density(levels[-1]), axis=-1)
        for level, (own, above) in enumerate(itertools.pairwise(levels)):
            total += self.below(level, above).log_density(own)
        return total

    def sample(self, key: jax.Array, num: int) -> jax.Array:
        """Returns `num` draws, [num, units of all levels]."""
        *lower, top = self.sizes
        levels = [jax.random.normal(key, (num, top))]
        for level in reversed(range(len(lower))):
            noise = jax.random.normal(jax.random.fold_in(key, level + 1), (num, lower[level]))
            levels.insert(0, self.below(level, levels[0]).draw(noise).latent)
        return jnp.concatenate(levels, axis=-1)

    def variance(self) -> jax.Array:
        """Returns the variance of each unit, [units of all levels], of some draws."""
        return jnp.var(self.sample(jax.random.key(0), _DRAWS_FOR_VARIANCE), axis=0)
