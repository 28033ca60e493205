"""What every variational autoencoder has: an encoder that gives a distribution, a draw from it, and a KL to the prior.

Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014. The posterior q(z|x) is a Gaussian with a diagonal
covariance, the prior p(z) = N(0, I) or one that is learned (`objectives.priors`).
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder, Family
from aejax.config import NonNegativeFloat, optional_part, outlasting, traced
from aejax.data.load import Dataset
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch, ResidentData
from aejax.networks.layers import flatten, make_dense
from aejax.networks.posterior_flows import AnyFlow, make_flow
from aejax.objectives.divergences import LOG_VARIANCES
from aejax.objectives.likelihoods import LearnedGaussian, Likelihood
from aejax.objectives.posteriors import Draw, Posterior, draw_gaussian
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
    flow: AnyFlow | None = optional_part()  # What makes other distributions of the posteriors' Gaussians; null: none.

    @property
    def has_gaussian_posterior(self) -> bool:
        """Whether the distribution of an image's code is a Gaussian with a diagonal covariance."""
        return self.has_posterior and self.flow is None

    @property
    def needs_gaussian(self) -> str | None:
        """What of the family is defined for Gaussian posteriors alone, as a message names it; None: nothing."""
        return None

    @property
    def has_learned_prior(self) -> bool:
        """Whether the prior has parameters."""
        return self.prior.LEARNED

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the latent has an activation, or why the encoder does not go with the prior, or None."""
        return (
            only_identity(self)
            or self.prior.conflict(self.encoder)
            or self._conflict_of_flow()
            or super().conflict(preprocessing)
        )

    def _conflict_of_flow(self) -> str | None:
        """Returns what does not go with posteriors that a flow makes, or None."""
        needing = self.needs_gaussian or (f"prior={self.prior.kind}" if self.prior.OF_GAUSSIANS else None)
        if self.flow is None or needing is None:
            return None
        return (
            f"{needing} is made of the densities of Gaussian posteriors, and flow={self.flow.kind} leaves none; "
            "use flow=null"
        )

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
        """Returns that bits cannot be free under a prior or a flow, or None."""
        if self.free_bits > 0 and self.flow is not None:
            return (
                f"free_bits={self.free_bits} are of each unit's KL, and with flow={self.flow.kind} units are not "
                "independent; leave one of them out"
            )
        if self.free_bits > 0 and not self.prior.INDEPENDENT:
            return (
                f"free_bits={self.free_bits} are of each unit's KL, and that to prior={self.prior.kind} is none of its "
                "units'; leave it out, or use prior=standard_normal"
            )
        return super().conflict(preprocessing)


def only_identity(family: Family) -> str | None:
    """Returns that a family's latent has an activation, though the prior is on all numbers; None if it has none."""
    if family.latent_activation == "identity":
        return None
    return f"latent_activation={family.latent_activation} gives codes that the prior does not; use identity"


class VariationalAutoencoder(Autoencoder):
    """The networks of a family with a posterior. Its code, and its features, are the posterior's mean; with a flow they
    are what that makes of the mean of the Gaussian before it.

    Outside training the noise is the same every time, so that a loss on validation images changes with the parameters
    alone, and a warm-up is over.
    """

    config: Any  # A `Variational` family.

    def setup(self) -> None:
        """Makes the networks, the layer of the posterior's log variances beside that of its means, prior and flow."""
        super().setup()
        if self.config.flow is not None:
            self.flow = make_flow(self.config.flow, self.config.latent_size)
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

        def of(image: jax.Array) -> tuple[jax.Array, jax.Array]:
            mean, log_variance, _ = self.posterior(image)
            return mean, log_variance

        return self.config.prior.distribution(self.prior_parameters, self.config.latent_size, of)

    def posterior(self, image: jax.Array, *, train: bool = False) -> Posterior:
        """Returns q(z|x) of each image."""
        hidden = flatten(self.encoder(image, train=train))
        mean, log_variance = self.latent(hidden), self.log_variance(hidden)
        context = None if self.config.flow is None else hidden.astype(jnp.float32)
        return Posterior(mean.astype(jnp.float32), jnp.clip(log_variance.astype(jnp.float32), *LOG_VARIANCES), context)

    def encode(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the code, [batch, latent_size]."""
        if self.config.flow is None:
            return super().encode(image, train=train)
        return self.center(self.posterior(image, train=train))

    def center(self, posterior: Posterior) -> jax.Array:
        """Returns the code of each image, [batch, latent_size], from its posterior."""
        if self.config.flow is None:
            return posterior.mean
        return self.flow(posterior.mean[None], posterior.context)[0][0]

    def draw(self, posterior: Posterior, key: jax.Array, num: int = 1) -> Draw:
        """Returns draws from each posterior, [num, batch, latent_size], and their densities."""
        draw = draw_gaussian(posterior, key, num)
        if self.config.flow is None:
            return draw
        latent, log_volume = self.flow(draw.latent, posterior.context)
        return Draw(latent, draw.log_density - log_volume)

    def rate(self, posterior: Posterior, draw: Draw) -> jax.Array:
        """Returns the posteriors' KL to the prior, [batch].

        Where it has no closed form it is log q(z|x) − log p(z) of a draw: unbiased, and perhaps negative.

        Args:
          posterior: of each image.
          draw: one of each.
        """
        prior = self.prior()
        if self.config.flow is not None:
            return draw.log_density - prior.log_density(draw.latent)
        return prior.kl(posterior.mean, posterior.log_variance, draw.latent)

    def kl(self, posterior: Posterior, draw: Draw) -> jax.Array:
        """Returns the rate, [batch], with each unit whose mean over the batch is free counted as that."""
        if self.config.flow is not None or not self.config.prior.INDEPENDENT:
            return self.rate(posterior, draw)
        divergence = self.prior().unit_kl(posterior.mean, posterior.log_variance)
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
        draw = self.draw(posterior, self.noise_key(train=train)).first
        return {
            "reconstruction": self.reconstruction(draw.latent, batch.image, train=train),
            **self.divergences(batch, draw, posterior, train=train),
        }

    def divergences(self, batch: Batch, draw: Draw, posterior: Posterior, *, train: bool) -> dict[str, jax.Array]:
        """Returns the terms beyond the reconstruction, weighted, [batch] each.

        Args:
          batch: which the posteriors are of.
          draw: one from each of them.
          posterior: of each image.
          train: whether it is for training.
        """
        del train
        return {"kl": self.warmth(batch) * self.kl(posterior, draw)}

    def log_weights(self, draw: Draw, target: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns log p(x, z) − log q(z|x) of draws, [num, batch], for latents [num, batch, latent_size].

        Their mean's expectation is log p(x)'s evidence lower bound; the logarithm of the mean of their exponentials
        bounds log p(x) more closely the more there are (Burda, Grosse and Salakhutdinov, 2016, equation 8).
        """
        latent, log_posterior = draw
        num = latent.shape[0]
        targets = jnp.broadcast_to(target[None], (num, *target.shape)).reshape(-1, *target.shape[1:])
        loss = self.reconstruction(latent.reshape(-1, latent.shape[-1]), targets, train=train).reshape(num, -1)
        return self.prior().log_density(latent) - loss - log_posterior
