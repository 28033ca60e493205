"""VAE-GAN: a discriminator of images says what a reconstruction should be like (Larsen et al., 2016)."""

import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.variational import VariationalAutoencoder, WithKL
from aejax.config import NonNegativeFloat, PositiveFloat, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.networks.dense import Dense
from aejax.networks.discriminators import ImageDiscriminator, frozen
from aejax.networks.spectral import SpectrallyNormalized
from aejax.networks.zoo import Decoder, Encoder
from aejax.objectives.likelihoods import HalfSquaredError, Likelihood


@dataclasses.dataclass(frozen=True, kw_only=True)
class VaeGanConfig(WithKL):
    """Loss: L + KL(q(z|x) ‖ p(z)) with L = ‖h(x) − h(x̂)‖² / 2 scale², x̂ the image expected of z ~ q(z|x).

    That is the encoder's loss. h(x) is the last hidden layer of a discriminator, D(x) the probability it gives to x
    being real. The decoder's loss is gamma · L − log D(x̂) − log D(x'), x' the image expected of z' ~ p(z). The
    discriminator's is −log D(x) − log(1 − D(x̂)) − log(1 − D(x')), which is 3 log 2 for a D that says ½ to all. Each is
    trained by its own loss only. While one learns, the losses of the others change too, so none falls steadily:
    do not use `training.patience`.

    Source: Larsen, Sønderby, Larochelle and Winther, "Autoencoding beyond pixel similarity using a learned similarity
    metric", 2016, algorithm 1.

    Departures: the decoder minimises −log D instead of log(1 − D) (Goodfellow et al., 2014, section 3). The
    discriminator's kernels are spectrally normalized (Miyato et al., 2018), which keeps it from winning and limits the
    size of h. Therefore L has a scale (1 in the paper), like the deviation of a pixel in a Gaussian likelihood: the
    smaller it is, the more nats of KL the posterior can use. With the usual momentum of Adam the KL may collapse for
    some epochs: use `optimizer.beta1=0.5`.
    """

    CONDITIONAL: ClassVar[bool] = False
    OPPONENTS: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = (
        ("decoder", ("decoder",)),
        ("discriminator", ("discriminator",)),
    )
    POSTERIOR: ClassVar[bool] = False  # There is one, but the loss bounds no likelihood of pixels.

    kind: Literal["vae_gan"] = "vae_gan"
    likelihood: Likelihood = HalfSquaredError()  # Of which only the expected image counts.
    gamma: NonNegativeFloat = traced(0.02)  # Of L in the decoder's loss: likeness against looking real.
    scale: PositiveFloat = traced(0.2)  # Deviation of the features in L.
    discriminator: Encoder = Dense(activation="leaky_relu")  # The network that judges images.

    def networks(self) -> dict[str, Encoder | Decoder]:
        """Returns the descriptions of its networks by the names of their fields."""
        return super().networks() | {"discriminator": self.discriminator}

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that nothing trains the likelihood's scale, or that the latent has an activation, or None."""
        if self.likelihood.SCALE != "none":
            return f"likelihood={self.likelihood.kind} has a scale that no loss trains; use half_squared_error"
        return super().conflict(preprocessing)


class VaeGan(VariationalAutoencoder):
    """The networks of `VaeGanConfig`."""

    config: VaeGanConfig

    def setup(self) -> None:
        """Makes the networks, the discriminator among them."""
        super().setup()
        self.discriminator = SpectrallyNormalized(ImageDiscriminator(self.config.discriminator))

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the encoder's two terms, the decoder's loss and the discriminator's, [batch] each.

        What a loss is not for, it sees frozen, or stopped.
        """
        expected = self.config.likelihood.mean
        posterior = self.posterior(batch.image, train=train)
        draw = self.draw(posterior, self.noise_key(train=train)).first
        latent = draw.latent
        key = jax.random.fold_in(self.noise_key(train=train), 1)
        prior = jax.lax.stop_gradient(self.prior().sample(key, len(latent)))
        judge = frozen(self.discriminator)

        drawn = expected(self.decode(jnp.concatenate([jax.lax.stop_gradient(latent), prior]), train=train))
        images = jax.lax.stop_gradient(jnp.concatenate([batch.image, drawn]))
        hidden, logit = self.discriminator(images, train=train)
        is_real, is_reconstructed, is_new = jnp.split(logit, 3)
        target = jax.lax.stop_gradient(hidden[: len(latent)])

        image = expected(frozen(self.decoder)(latent, train=train))
        drawn_hidden, drawn_logit = judge(drawn, train=train)
        fooled = jnp.sum(jax.nn.softplus(-jnp.reshape(drawn_logit, (2, -1))), axis=0)
        return {
            "reconstruction": self._distance(judge(image, train=train)[0], target),
            "kl": self.warmth(batch) * self.kl(posterior, draw),
            "decoder": self.config.gamma * self._distance(drawn_hidden[: len(latent)], target) + fooled,
            "discriminator": (jax.nn.softplus(-is_real) + jax.nn.softplus(is_reconstructed) + jax.nn.softplus(is_new)),
        }

    def _distance(self, hidden: jax.Array, target: jax.Array) -> jax.Array:
        return 0.5 * jnp.sum(jnp.square((hidden - target) / self.config.scale), axis=1)
