"""The Poincaré VAE: codes are points of hyperbolic space, which has room for hierarchies (Mathieu et al., 2019)."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.with_posterior import PosteriorAutoencoder, WarmedUp, only_identity
from aejax.config import NonNegativeFloat, traced
from aejax.data.preprocessing import Kind
from aejax.networks.layers import flatten, make_dense
from aejax.objectives.divergences import LOG_VARIANCES
from aejax.objectives.hyperbolic import draw_wrapped
from aejax.objectives.posteriors import Draw, Posterior
from aejax.objectives.priors import StandardNormal


@dataclasses.dataclass(frozen=True, kw_only=True)
class PoincareVaeConfig(WarmedUp):
    """Loss: −log p(x|z) + log q(z|x) − log p(z), wrapped normal distributions of hyperbolic space of curvature −c.

    q(z|x) is around μ, the exponential map at the origin of what the encoder gives: z = exp_μ(v), v ~ N(0, σ²). p(z) is
    around the origin, with variances of 1. The density of z is that of v, corrected by how volume grows with distance.
    The decoder is given the logarithm of z at the origin. c = 0 is the VAE.

    Source: Mathieu, Le Lan, Maddison, Tomioka and Teh, "Continuous hierarchical representations with Poincaré
    variational auto-encoders", 2019, section 3, with their wrapped normal.

    Departures: a code is written as its logarithm at the origin, times 2, so that its length is its distance from
    there. On the ball it is tanh(√c ‖z‖ / 2) z / (√c ‖z‖), but float32 holds no points far from the ball's origin. The
    prior of these numbers is N(0, I). The decoder has no gyroplanes, and there is no Riemannian normal.
    """

    kind: Literal["poincare_vae"] = "poincare_vae"
    curvature: NonNegativeFloat = traced(1.0)  # c; the curvature itself is −c.

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the latent has an activation, or None."""
        return only_identity(self) or super().conflict(preprocessing)


class PoincareVae(PosteriorAutoencoder):
    """The networks of `PoincareVaeConfig`."""

    config: PoincareVaeConfig

    def setup(self) -> None:
        """Makes the networks, and beside the layer of centers that of log variances."""
        super().setup()
        self.log_variance = make_dense(self.config.latent_size, self.config.encoder.initializer)

    def prior(self) -> StandardNormal:
        """Returns p(z), the density of a code's numbers."""
        return StandardNormal(self.config.latent_size)

    def posterior(self, image: jax.Array, *, train: bool = False) -> Posterior:
        """Returns of each image the center of q(z|x), and the log variances of steps from there."""
        hidden = flatten(self.encoder(image, train=train))
        mean, log_variance = (layer(hidden).astype(jnp.float32) for layer in (self.latent, self.log_variance))
        return Posterior(mean, jnp.clip(log_variance, *LOG_VARIANCES))

    def center(self, posterior: Posterior) -> jax.Array:
        """Returns the code of each image, [batch, latent_size]."""
        return posterior.mean

    def draw(self, posterior: Posterior, key: jax.Array, num: int = 1) -> Draw:
        """Returns draws from each posterior, [num, batch, latent_size], and the densities of their numbers."""
        return draw_wrapped(posterior, self.config.curvature, key, num)
