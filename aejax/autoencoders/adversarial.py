"""The adversarial autoencoder: a discriminator pushes the codes' distribution to a prior (Makhzani et al., 2016)."""

import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.autoencoders.with_posterior import only_identity
from aejax.config import NonNegativeFloat, PositiveInt, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.networks.discriminators import CodeDiscriminator, frozen
from aejax.networks.spectral import SpectrallyNormalized
from aejax.objectives.priors import StandardNormal


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdversarialConfig(Family):
    """Loss: −log p(x|z) − weight · log D(z) with z = encode(x), which is not random.

    D(z) is the probability, by a discriminator, that z is a draw of the prior p(z) = N(0, I). The discriminator is
    trained with −log D(z') − log(1 − D(z)), z' ~ p(z), which is 2 log 2 where it cannot tell them apart. That loss
    trains only the discriminator, and the loss above only the autoencoder. The discriminator's kernels are spectrally
    normalized (Miyato et al., 2018), so that it does not win at once.

    Source: Makhzani, Shlens, Jaitly, Goodfellow and Frey, "Adversarial autoencoders", 2016, section 2, with the
    deterministic encoder.

    Departures: in the paper reconstruction and regularization take turns, each with an optimizer of its own; here a
    step does both, and the weight says how much the prior counts.
    """

    TERMS: ClassVar[tuple[str, ...]] = (*Family.TERMS, "adversarial")
    OPPONENTS: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = (("discriminator", ("discriminator",)),)

    kind: Literal["adversarial"] = "adversarial"
    weight: NonNegativeFloat = traced(5.0)  # Of the discriminator's verdict.
    discriminator_widths: tuple[PositiveInt, ...] = (256, 256)  # Hidden layers.

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the latent has an activation, or None."""
        return only_identity(self) or super().conflict(preprocessing)


class Adversarial(Autoencoder):
    """The networks of an `AdversarialConfig`."""

    config: AdversarialConfig

    def setup(self) -> None:
        """Makes the networks, the discriminator among them."""
        super().setup()
        self.discriminator = SpectrallyNormalized(CodeDiscriminator(self.config.discriminator_widths))

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the two terms of the loss, and what the discriminator learns by, [batch] each."""
        latent = self.encode(batch.image, train=train)
        prior = StandardNormal(latent.shape[1]).sample(self.noise_key(train=train), len(latent))
        judge = frozen(self.discriminator)
        both = jnp.concatenate([prior, jax.lax.stop_gradient(latent)])
        is_prior, is_code = jnp.split(self.discriminator(both, train=train), 2)
        return {
            "reconstruction": self.reconstruction(latent, batch, train=train),
            "adversarial": self.config.weight * jax.nn.softplus(-judge(latent, train=train)),
            "discriminator": jax.nn.softplus(-is_prior) + jax.nn.softplus(is_code),
        }
