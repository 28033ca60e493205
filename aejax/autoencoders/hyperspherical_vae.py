"""The hyperspherical VAE: codes are directions, and the prior holds all of them alike (Davidson et al., 2018)."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.with_posterior import PosteriorAutoencoder, WarmedUp, only_identity
from aejax.data.preprocessing import Kind
from aejax.networks.layers import flatten, make_dense
from aejax.objectives.posteriors import Draw
from aejax.objectives.sphere import UniformOnSphere, VonMisesFisher, draw_directions, kl_to_uniform, to_sphere


@dataclasses.dataclass(frozen=True, kw_only=True)
class HypersphericalVaeConfig(WarmedUp):
    """Loss: −log p(x|z) + KL(vMF(μ, κ) ‖ U(S^(d−1))): z is of length 1, and d is `latent_size`.

    The encoder gives the direction μ, and κ = 1 + softplus of a number. κ decides how far a code is from μ; where units
    are many, uniform directions are nearly a Gaussian's, and little is gained.

    Source: Davidson, Falorsi, De Cao, Kipf and Tomczak, "Hyperspherical variational auto-encoders", 2018.

    Departures: angles are drawn by their distribution function in the place of rejection, which needs no correction of
    the gradient. What is decoded is brought to length 1 first, so that codes of any sampler are directions.
    """

    kind: Literal["hyperspherical_vae"] = "hyperspherical_vae"

    @property
    def has_own_prior(self) -> bool:
        """True: codes are drawn to all directions alike."""
        return True

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that there are no directions, or that the latent has an activation, or None."""
        if self.latent_size < 2:
            return f"latent_size={self.latent_size} leaves no direction to choose; use at least 2"
        return only_identity(self) or super().conflict(preprocessing)


class HypersphericalVae(PosteriorAutoencoder):
    """The networks of `HypersphericalVaeConfig`."""

    config: HypersphericalVaeConfig

    def setup(self) -> None:
        """Makes the networks, and beside the layer of directions that of concentrations."""
        super().setup()
        self.concentration = make_dense(1, self.config.encoder.initializer)

    def prior(self) -> UniformOnSphere:
        """Returns p(z)."""
        return UniformOnSphere(self.config.latent_size)

    def posterior(self, image: jax.Array, *, train: bool = False) -> VonMisesFisher:
        """Returns q(z|x) of each image."""
        hidden = flatten(self.encoder(image, train=train))
        direction, raw = (layer(hidden).astype(jnp.float32) for layer in (self.latent, self.concentration))
        return VonMisesFisher(to_sphere(direction), 1 + jax.nn.softplus(raw[:, 0]))

    def center(self, posterior: VonMisesFisher) -> jax.Array:
        """Returns the direction of each image, [batch, latent_size]."""
        return posterior.direction

    def draw(self, posterior: VonMisesFisher, key: jax.Array, num: int = 1) -> Draw:
        """Returns draws from each posterior, [num, batch, latent_size], and their densities."""
        return draw_directions(posterior, key, num)

    def rate(self, posterior: VonMisesFisher, draw: Draw) -> jax.Array:
        """Returns the posteriors' KL to the prior, [batch]."""
        del draw
        return kl_to_uniform(posterior)

    def emit(self, latent: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """The decoder's own output, [batch, *output_shape]."""
        return super().emit(to_sphere(latent), label, train=train)
