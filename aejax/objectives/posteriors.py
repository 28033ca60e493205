"""Posteriors q(z|x) of variational families: draws of them, and what is known of them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from aejax.objectives.divergences import gaussian_log_density, standard_log_density


class Draw(NamedTuple):
    """Draws of posteriors."""

    latent: jax.Array  # z, [..., units].
    log_density: jax.Array  # log q(z|x), in nats, [...].

    @property
    def first(self) -> "Draw":
        """The first draw of each posterior."""
        return Draw(self.latent[0], self.log_density[0])


class DiagonalGaussian(NamedTuple):
    """Gaussians with diagonal covariances, [..., units] both."""

    mean: jax.Array
    log_variance: jax.Array

    def draw(self, noise: jax.Array) -> Draw:
        """Returns the draws that standard normal numbers [..., units] make."""
        latent = self.mean + jnp.exp(0.5 * self.log_variance) * noise
        return Draw(latent, jnp.sum(standard_log_density(noise) - 0.5 * self.log_variance, axis=-1))

    def log_density(self, latent: jax.Array) -> jax.Array:
        """Returns the log density of latents [..., units], [...]."""
        return jnp.sum(gaussian_log_density(latent, self.mean, self.log_variance), axis=-1)


class Posterior(NamedTuple):
    """Of a batch: a Gaussian with a diagonal covariance for each image, [batch, units], float32.

    Where a flow follows, the Gaussian is that of the draws before it, and `context` is what the flow is told of the
    image, [batch, size].
    """

    mean: jax.Array
    log_variance: jax.Array
    context: jax.Array | None = None


def draw_gaussian(posterior: Posterior, key: jax.Array, num: int) -> Draw:
    """Returns `num` draws of each Gaussian, [num, batch, units]."""
    noise = jax.random.normal(key, (num, *posterior.mean.shape))
    return DiagonalGaussian(posterior.mean[None], posterior.log_variance[None]).draw(noise)
