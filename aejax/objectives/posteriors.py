"""Posteriors q(z|x) of variational families: draws of them, and what is known of them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from aejax.objectives.divergences import standard_log_density


class Posterior(NamedTuple):
    """Of a batch: a Gaussian with a diagonal covariance for each image, [batch, units], float32.

    Where a flow follows, the Gaussian is that of the draws before it, and `context` is what the flow is told of the
    image, [batch, size].
    """

    mean: jax.Array
    log_variance: jax.Array
    context: jax.Array | None = None


class Draw(NamedTuple):
    """Draws of posteriors."""

    latent: jax.Array  # z, [..., units].
    log_density: jax.Array  # log q(z|x), in nats, [...].

    @property
    def first(self) -> "Draw":
        """The first draw of each posterior."""
        return Draw(self.latent[0], self.log_density[0])


def draw_gaussian(posterior: Posterior, key: jax.Array, num: int) -> Draw:
    """Returns `num` draws of each Gaussian, [num, batch, units]."""
    noise = jax.random.normal(key, (num, *posterior.mean.shape))
    latent = posterior.mean[None] + jnp.exp(0.5 * posterior.log_variance)[None] * noise
    return Draw(latent, jnp.sum(standard_log_density(noise) - 0.5 * posterior.log_variance[None], axis=-1))
