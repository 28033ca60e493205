"""FactorVAE: a discriminator estimates how much the units of a code depend on each other (Kim and Mnih, 2018)."""

import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.variational import VariationalAutoencoder, WithKL
from aejax.config import NonNegativeFloat, PositiveInt, traced
from aejax.data.resident import Batch
from aejax.networks.discriminators import CodeDiscriminator
from aejax.objectives.posteriors import Draw, Posterior


@dataclasses.dataclass(frozen=True, kw_only=True)
class FactorVaeConfig(WithKL):
    """Loss: −log p(x|z) + KL(q(z|x) ‖ p(z)) + gamma · log D(z) / (1 − D(z)).

    A discriminator tells codes of images from codes whose units come from different images. D(z) is the probability
    that it gives to the former, and log D / (1 − D) estimates the total correlation. It is trained with −½ log D(z) −
    ½ log(1 − D(z')), where z are the codes of the first half of each batch, and z' those of the second half with every
    unit permuted by itself. That loss trains only the discriminator, and the loss above only the autoencoder.

    Source: Kim and Mnih, "Disentangling by factorising", 2018, equation 2, algorithms 1 and 2.

    Departures: in the paper the discriminator has its own Adam (β₁ = 0.5); here one optimizer trains both.
    """

    TERMS: ClassVar[tuple[str, ...]] = (*WithKL.TERMS, "total_correlation")
    NEEDS_OTHERS = True
    OPPONENTS: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = (("discriminator", ("discriminator",)),)

    kind: Literal["factor_vae"] = "factor_vae"
    gamma: NonNegativeFloat = traced(10.0)  # Of the total correlation.
    discriminator_widths: tuple[PositiveInt, ...] = (1000, 1000, 1000, 1000, 1000)  # Hidden layers.


class FactorVae(VariationalAutoencoder):
    """The networks of `FactorVaeConfig`."""

    config: FactorVaeConfig

    def setup(self) -> None:
        """Makes the networks, the discriminator among them."""
        super().setup()
        self.discriminator = CodeDiscriminator(self.config.discriminator_widths)

    def divergences(self, batch: Batch, draw: Draw, posterior: Posterior, *, train: bool) -> dict[str, jax.Array]:
        """Returns the KL, the weighted total correlation, and what the discriminator learns by, [batch] each."""
        latent = draw.latent
        half = len(latent) // 2
        # In evaluation, and of a single image, the second half may be all there is: then both kinds are the same codes.
        # What the discriminator learns by is no concern of the encoder, so neither is its gradient.
        constant = jax.lax.stop_gradient(latent)
        first, second = constant[: half or 1], constant[half:]
        key = jax.random.fold_in(self.noise_key(train=train), 1)
        permuted = jax.random.permutation(key, second, axis=0, independent=True)
        logit = self.discriminator(latent)
        wrong = jnp.mean(jax.nn.softplus(-self.discriminator(first))) + jnp.mean(
            jax.nn.softplus(self.discriminator(permuted))
        )
        return {
            "kl": self.warmth(batch) * self.kl(posterior, draw),
            "total_correlation": self.config.gamma * logit,
            "discriminator": jnp.full_like(logit, 0.5 * wrong),
        }
