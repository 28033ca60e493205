"""VAE-GAN: a discriminator of images says how much a reconstruction is like its image (Larsen et al., 2016)."""

import dataclasses
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.variational import VariationalAutoencoder, WithKL
from aejax.config import NonNegativeFloat, PositiveFloat, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.networks.dense import Dense
from aejax.networks.discriminators import ImageDiscriminator, frozen
from aejax.networks.spectral import SpectrallyNormalized
from aejax.networks.zoo import Encoder
from aejax.objectives.likelihoods import HalfSquaredError, Likelihood


@dataclasses.dataclass(frozen=True, kw_only=True)
class VaeGan(WithKL):
    """Loss: L + KL(q(z|x) ‖ p(z)) with L = ‖D_l(x) − D_l(x̂)‖² / 2 scale², x̂ the expected image of z ~ q(z|x)."""

    TERMS: ClassVar[tuple[str, ...]] = WithKL.TERMS
    OPPONENTS: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = (
        ("decoder", ("decoder",)),
        ("discriminator", ("discriminator",)),
    )
    POSTERIOR: ClassVar[bool] = False

    kind: Literal["vae_gan"] = "vae_gan"
    likelihood: Likelihood = HalfSquaredError()
    discriminator: Encoder = Dense(activation="leaky_relu")
    gamma: NonNegativeFloat = traced(1.0)
    scale: PositiveFloat = traced(1.0)


class VaeGanAutoencoder(VariationalAutoencoder):
    """The networks of a `VaeGan` config."""

    config: VaeGan
    normalized: bool = True

    def setup(self) -> None:
        super().setup()
        d = ImageDiscriminator(self.config.discriminator)
        self.discriminator = SpectrallyNormalized(d) if self.normalized else d

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        config = self.config
        posterior = self.posterior(batch.image, train=train)
        latent = self.draw(posterior, train=train)[0]
        key = jax.random.fold_in(self.noise_key(train=train), 1)
        prior = jax.random.normal(key, latent.shape)
        judge = frozen(self.discriminator)

        both = jnp.concatenate([jax.lax.stop_gradient(latent), prior])
        drawn = config.likelihood.mean(self.decode(both, train=train))
        own = jax.lax.stop_gradient(jnp.concatenate([batch.image, drawn]))
        features, logit = self.discriminator(own, train=train)
        target = jax.lax.stop_gradient(features[: len(latent)])
        fake_features, fake_logit = judge(drawn, train=train)
        image = config.likelihood.mean(frozen(self.decoder)(latent, train=train))
        real, rec, new = jnp.split(logit, 3)
        rec_d, new_d = jnp.split(fake_logit, 2)
        return {
            "reconstruction": self._error(judge(image, train=train)[0], target),
            "kl": self.warmth(batch) * self.kl(posterior),
            "decoder": config.gamma * self._error(fake_features[: len(latent)], target)
            + jax.nn.softplus(-rec_d)
            + jax.nn.softplus(-new_d),
            "discriminator": jax.nn.softplus(-real) + jax.nn.softplus(rec) + jax.nn.softplus(new),
        }

    def _error(self, features: jax.Array, target: jax.Array) -> jax.Array:
        return 0.5 * jnp.sum(jnp.square(features - target), axis=1) / jnp.square(self.config.scale)
