"""What every family has whose encoder gives a distribution of codes, whatever distribution that is."""

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.config import NonNegativeFloat, outlasting, traced
from aejax.data.resident import Batch
from aejax.objectives.likelihoods import LearnedGaussian, Likelihood
from aejax.objectives.posteriors import Draw
from aejax.objectives.priors import PriorDistribution


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithPosterior(Family):
    """The fields that all have whose encoder gives a distribution.

    The likelihood learns how far off its images may be. Half the squared error allows a deviation of 1, which is so
    much for pixels in [0, 1] that small images are not worth a nat of KL, and the posterior collapses.
    """

    LAYERWISE: ClassVar[bool] = False
    POSTERIOR: ClassVar[bool] = True

    likelihood: Likelihood = LearnedGaussian()  # Of the pixels, given the decoder's output.

    @property
    def has_gaussian_posterior(self) -> bool:
        """Whether the distribution of an image's code is a Gaussian with a diagonal covariance."""
        return False


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarmedUp(WithPosterior):
    """The fields that all have whose loss has a KL as a term."""

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction", "kl")

    warmup_epochs: NonNegativeFloat = traced(0.0)  # In which the KL's weight rises from 0 to its own, linearly.

    def warnings(self, config: Any) -> Iterator[str]:
        """Yields what goes together with the whole config, but is hardly meant."""
        yield from super().warnings(config)
        consequence = f"the warm-up of autoencoder={config.autoencoder.kind} is not over"
        epochs = config.training.epochs
        yield from outlasting("autoencoder.warmup_epochs", self.warmup_epochs, "training.epochs", epochs, consequence)


def only_identity(family: Family) -> str | None:
    """Returns that a family's latent has an activation, though the prior is on all numbers; None if it has none."""
    if family.latent_activation == "identity":
        return None
    return f"latent_activation={family.latent_activation} gives codes that the prior does not; use identity"


class PosteriorAutoencoder(Autoencoder):
    """The networks of a family with a posterior. Its code, and its features, are the posterior's center.

    A family says what its posterior, its prior, and draws are: `posterior`, `center`, `draw`, `prior`. Outside training
    the noise is the same every time, so that a loss on validation images changes with the parameters alone, and a
    warm-up is over.
    """

    config: Any  # A `WithPosterior` family.

    def prior(self) -> PriorDistribution:
        """Returns p(z), with its parameters as they are."""
        raise NotImplementedError

    def posterior(self, image: jax.Array, *, train: bool = False) -> Any:
        """Returns q(z|x) of each image: arrays whose first axis is the batch's, which `draw` and others understand."""
        raise NotImplementedError

    def center(self, posterior: Any) -> jax.Array:
        """Returns the code of each image, [batch, units], from its posterior."""
        raise NotImplementedError

    def draw(self, posterior: Any, key: jax.Array, num: int = 1) -> Draw:
        """Returns draws from each posterior, [num, batch, units], and their densities."""
        raise NotImplementedError

    def encode(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the code, [batch, units]."""
        return self.center(self.posterior(image, train=train))

    def rate(self, posterior: Any, draw: Draw) -> jax.Array:
        """Returns the posteriors' KL to the prior, [batch].

        Where it has no closed form it is log q(z|x) − log p(z) of a draw: unbiased, and perhaps negative.

        Args:
          posterior: of each image.
          draw: one of each.
        """
        del posterior
        return draw.log_density - self.prior().log_density(draw.latent)

    def kl(self, posterior: Any, draw: Draw) -> jax.Array:
        """Returns the rate as the loss counts it, [batch]."""
        return self.rate(posterior, draw)

    def warmth(self, batch: Batch) -> jax.Array:
        """Returns the share of the KL's weight that counts by now, a scalar in [0, 1]."""
        if batch.epoch is None:
            return jnp.ones(())
        return jnp.minimum(batch.epoch / jnp.maximum(self.config.warmup_epochs, 1e-6), 1.0)

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction and what the family makes of the posterior, [batch] each."""
        posterior = self.posterior(batch.image, train=train)
        draw = self.draw(posterior, self.noise_key(train=train)).first
        return {
            "reconstruction": self.reconstruction(draw.latent, batch, train=train),
            **self.divergences(batch, draw, posterior, train=train),
        }

    def divergences(self, batch: Batch, draw: Draw, posterior: Any, *, train: bool) -> dict[str, jax.Array]:
        """Returns the terms beyond the reconstruction, weighted, [batch] each.

        Args:
          batch: which the posteriors are of.
          draw: one from each of them.
          posterior: of each image.
          train: whether it is for training.
        """
        del train
        return {"kl": self.warmth(batch) * self.kl(posterior, draw)}

    def log_weights(self, draw: Draw, batch: Batch, *, train: bool = False) -> jax.Array:
        """Returns log p(x, z) − log q(z|x) of draws, [num, batch], for latents [num, batch, units].

        Their mean's expectation is log p(x)'s evidence lower bound; the logarithm of the mean of their exponentials
        bounds log p(x) more closely the more there are (Burda, Grosse and Salakhutdinov, 2016, equation 8).
        """
        latent, log_posterior = draw
        num = latent.shape[0]

        def repeat(x: jax.Array) -> jax.Array:
            return jnp.broadcast_to(x[None], (num, *x.shape)).reshape(-1, *x.shape[1:])

        repeated = batch._replace(image=repeat(batch.image), label=None if batch.label is None else repeat(batch.label))
        loss = self.reconstruction(latent.reshape(-1, latent.shape[-1]), repeated, train=train).reshape(num, -1)
        return self.prior().log_density(latent) - loss - log_posterior
