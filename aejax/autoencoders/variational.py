"""What every variational autoencoder has: an encoder that gives a distribution, a draw from it, and a KL to the prior.

Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014. The posterior q(z|x) is a Gaussian with a diagonal
covariance, the prior p(z) = N(0, I) or one that is learned (`objectives.priors`).
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder, Family
from aejax.config import NonNegativeFloat, outlasting, traced
from aejax.data.load import Dataset
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch, ResidentData
from aejax.networks.layers import flatten, make_dense
from aejax.objectives.divergences import LOG_VARIANCES, gaussian_log_density
from aejax.objectives.likelihoods import LearnedGaussian, Likelihood
from aejax.objectives.priors import AnyPrior, PriorDistribution, StandardNormalPrior


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variational(Family):
    """The fields that all have whose encoder gives a distribution.

    The likelihood learns how far off its images may be. Half the squared error allows a deviation of 1, which is so
    much for pixels in [0, 1] that small images are not worth a nat of KL, and the posterior collapses.
    """

    LAYERWISE: ClassVar[bool] = False
    POSTERIOR: ClassVar[bool] = True

    likelihood: Likelihood = LearnedGaussian()  # Of the pixels, given the decoder's output.
    prior: AnyPrior = StandardNormalPrior()  # p(z), which the posteriors are drawn to.

    @property
    def has_learned_prior(self) -> bool:
        """Whether the prior has parameters."""
        return self.prior.LEARNED

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the latent has an activation, or why the encoder does not go with the prior, or None."""
        return only_identity(self) or self.prior.conflict(self.encoder) or super().conflict(preprocessing)

    def misfits(self, config: Any, dataset: Dataset, others: Mapping[str, Dataset]) -> Iterator[str]:
        """Yields why the family cannot be trained on a data set, its prior for instance."""
        yield from super().misfits(config, dataset, others)
        misfit = self.prior.misfit(len(dataset.train.image))
        if misfit:
            yield f"autoencoder.{misfit}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithKL(Variational):
    """The fields that all have whose loss knows a KL."""

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction", "kl")

    warmup_epochs: NonNegativeFloat = traced(0.0)  # In which the KL's weight rises from 0 to its own, linearly.
    free_bits: NonNegativeFloat = traced(0.0)  # Nats of each unit's mean KL that cost nothing (Kingma et al., 2016).

    def warnings(self, config: Any) -> Iterator[str]:
        """Yields what goes together with the whole config, but is hardly meant."""
        yield from super().warnings(config)
        consequence = f"the warm-up of autoencoder={config.autoencoder.kind} is not over"
        epochs = config.training.epochs
        yield from outlasting("autoencoder.warmup_epochs", self.warmup_epochs, "training.epochs", epochs, consequence)

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that bits cannot be free under a prior, or None."""
        if self.free_bits > 0 and not self.prior.INDEPENDENT:
            return (
                f"free_bits={self.free_bits} are of each unit's KL, and that to prior={self.prior.kind} is none of its "
                "units'; leave it out, or use prior=standard_normal"
            )
        return super().conflict(preprocessing)


class Posterior(NamedTuple):
    """Of a batch: a Gaussian for each image, [batch, latent_size], float32."""

    mean: jax.Array
    log_variance: jax.Array


def only_identity(family: Family) -> str | None:
    """Returns that a family's latent has an activation, though the prior is on all numbers; None if it has none."""
    if family.latent_activation == "identity":
        return None
    return f"latent_activation={family.latent_activation} gives codes that the prior does not; use identity"


class VariationalAutoencoder(Autoencoder):
    """The networks of a family with a posterior. Its code, and its features, are the posterior's mean.

    Outside training the noise is the same every time, so that a loss on validation images changes with the parameters
    alone, and a warm-up is over.
    """

    config: Any  # A `Variational` family.

    def setup(self) -> None:
        """Makes the networks, the layer of the posterior's log variances beside that of its means, and the prior."""
        super().setup()
        size, prior = self.config.latent_size, self.config.prior
        self.log_variance = make_dense(size, self.config.encoder.initializer)
        self.prior_parameters = self.param("prior", prior.parameters, size, self.image_shape) if prior.LEARNED else {}

    def init_from_data(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with what a learned prior begins with; see `Autoencoder.init_from_data`."""
        if not self.config.prior.LEARNED:
            return variables

        def images(num: int) -> jax.Array:
            return data.batch("train", data.evenly("train", num)).image

        params = variables["params"]
        return {**variables, "params": {**params, "prior": self.config.prior.init_from_data(params["prior"], images)}}

    def prior(self) -> PriorDistribution:
        """Returns p(z), with its parameters as they are."""
        return self.config.prior.distribution(self.prior_parameters, self.config.latent_size, self.posterior)

    def posterior(self, image: jax.Array, *, train: bool = False) -> Posterior:
        """Returns q(z|x) of each image."""
        hidden = flatten(self.encoder(image, train=train))
        mean, log_variance = self.latent(hidden), self.log_variance(hidden)
        return Posterior(mean.astype(jnp.float32), jnp.clip(log_variance.astype(jnp.float32), *LOG_VARIANCES))

    def draw(self, posterior: Posterior, *, train: bool, num: int = 1) -> jax.Array:
        """Returns draws from each posterior, [num, batch, latent_size]."""
        noise = jax.random.normal(self.noise_key(train=train), (num, *posterior.mean.shape))
        return posterior.mean[None] + jnp.exp(0.5 * posterior.log_variance)[None] * noise

    def kl(self, posterior: Posterior, latent: jax.Array) -> jax.Array:
        """Returns the posteriors' KL to the prior, [batch]; a unit whose mean over the batch is free counts as that.

        Args:
          posterior: of each image.
          latent: a draw from each, [batch, latent_size], by which the KL to a learned prior is estimated.
        """
        prior = self.prior()
        if not self.config.prior.INDEPENDENT:
            return prior.kl(*posterior, latent)
        divergence = prior.unit_kl(*posterior)
        is_free = jnp.mean(divergence, axis=0, keepdims=True) < self.config.free_bits
        return jnp.sum(jnp.where(is_free, self.config.free_bits, divergence), axis=1)

    def warmth(self, batch: Batch) -> jax.Array:
        """Returns the share of the KL's weight that counts by now, a scalar in [0, 1]."""
        if batch.epoch is None:
            return jnp.ones(())
        return jnp.minimum(batch.epoch / jnp.maximum(self.config.warmup_epochs, 1e-6), 1.0)

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction and what the family makes of the posterior, [batch] each."""
        posterior = self.posterior(batch.image, train=train)
        latent = self.draw(posterior, train=train)[0]
        return {
            "reconstruction": self.reconstruction(latent, batch.image, train=train),
            **self.divergences(batch, latent, posterior, train=train),
        }

    def divergences(
        self, batch: Batch, latent: jax.Array, posterior: Posterior, *, train: bool
    ) -> dict[str, jax.Array]:
        """Returns the terms beyond the reconstruction, weighted, [batch] each.

        Args:
          batch: which the posteriors are of.
          latent: a draw from each of them.
          posterior: of each image.
          train: whether it is for training.
        """
        del train
        return {"kl": self.warmth(batch) * self.kl(posterior, latent)}

    def log_weights(
        self, latent: jax.Array, target: jax.Array, posterior: Posterior, *, train: bool = False
    ) -> jax.Array:
        """Returns log p(x, z) − log q(z|x) of draws, [num, batch], for latent [num, batch, latent_size].

        Their mean's expectation is log p(x)'s evidence lower bound; the logarithm of the mean of their exponentials
        bounds log p(x) more closely the more there are (Burda, Grosse and Salakhutdinov, 2016, equation 8).
        """
        num = latent.shape[0]
        targets = jnp.broadcast_to(target[None], (num, *target.shape)).reshape(-1, *target.shape[1:])
        loss = self.reconstruction(latent.reshape(-1, latent.shape[-1]), targets, train=train).reshape(num, -1)
        log_prior = self.prior().log_density(latent)
        mean, log_variance = (x[None] for x in posterior)
        return log_prior - loss - jnp.sum(gaussian_log_density(latent, mean, log_variance), axis=-1)
