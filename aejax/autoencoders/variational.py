"""What every variational autoencoder has: an encoder that gives a distribution, a draw from it, and a KL to the prior.

Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014. The posterior q(z|x) is a Gaussian with a diagonal
covariance, the prior p(z) = N(0, I) or one that is learned (`objectives.priors`).
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from aejax.autoencoders.with_posterior import PosteriorAutoencoder, WarmedUp, WithPosterior, only_identity
from aejax.config import NonNegativeFloat, optional_part, traced
from aejax.data.load import Dataset
from aejax.data.preprocessing import Kind
from aejax.data.resident import ResidentData
from aejax.networks.layers import flatten, make_dense
from aejax.networks.posterior_flows import AnyFlow, make_flow
from aejax.objectives.divergences import LOG_VARIANCES
from aejax.objectives.posteriors import Draw, Posterior, draw_gaussian
from aejax.objectives.priors import AnyPrior, PriorOfGaussians, StandardNormalPrior


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variational(WithPosterior):
    """The fields that all have whose posteriors begin as Gaussians."""

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
    def has_own_prior(self) -> bool:
        """Whether codes are drawn to another distribution than N(0, I): one with parameters."""
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
        """Returns the field that does not go with posteriors that a flow makes, or None."""
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
class WithKL(Variational, WarmedUp):
    """The fields that all of them have whose loss knows a KL."""

    free_bits: NonNegativeFloat = traced(0.0)  # Nats of each unit's mean KL that cost nothing (Kingma et al., 2016).

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


class VariationalAutoencoder(PosteriorAutoencoder):
    """The networks of a family with Gaussian posteriors, or with what a flow makes of them.

    The code is the posterior's mean; with a flow it is what that makes of the mean of the Gaussian before it.
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

    def prior(self) -> PriorOfGaussians:
        """Returns p(z), with its parameters as they are."""

        def of(image: jax.Array) -> tuple[jax.Array, jax.Array]:
            mean, log_variance, _ = self.gaussian(image)
            return mean, log_variance

        return self.config.prior.distribution(self.prior_parameters, self.config.latent_size, of)

    def posterior(self, image: jax.Array, *, train: bool = False) -> Any:
        """Returns q(z|x) of each image: a `Posterior`, unless a family makes something else of its Gaussian."""
        return self.gaussian(image, train=train)

    def gaussian(self, image: jax.Array, *, train: bool = False) -> Posterior:
        """Returns the Gaussian of each image."""
        hidden = flatten(self.encoder(image, train=train))
        mean, log_variance = self.latent(hidden), self.log_variance(hidden)
        context = None if self.config.flow is None else hidden.astype(jnp.float32)
        return Posterior(mean.astype(jnp.float32), jnp.clip(log_variance.astype(jnp.float32), *LOG_VARIANCES), context)

    def encode(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the code, [batch, latent_size]."""
        if self.config.flow is None:  # The mean does without the variance.
            return self.preactivate(image, train=train)
        return super().encode(image, train=train)

    def center(self, posterior: Posterior) -> jax.Array:
        """Returns the code of each image, [batch, latent_size], from its posterior."""
        if self.config.flow is None:
            return posterior.mean
        return self._flow(posterior.mean[None], posterior)[0][0]

    def draw(self, posterior: Posterior, key: jax.Array, num: int = 1) -> Draw:
        """Returns draws from each posterior, [num, batch, latent_size], and their densities."""
        draw = draw_gaussian(posterior, key, num)
        if self.config.flow is None:
            return draw
        latent, log_volume = self._flow(draw.latent, posterior)
        return Draw(latent, draw.log_density - log_volume)

    def _flow(self, latent: jax.Array, posterior: Posterior) -> tuple[jax.Array, jax.Array]:
        """Returns the draws that a flow makes of a Gaussian's, and the log of how much volume grows there."""
        assert posterior.context is not None, "a flow needs the context of each image"
        flowed: tuple[jax.Array, jax.Array] = self.flow(latent, posterior.context)
        return flowed

    def rate(self, posterior: Posterior, draw: Draw) -> jax.Array:
        """Returns the posteriors' KL to the prior, [batch], in closed form where it has one."""
        if self.config.flow is not None:
            return super().rate(posterior, draw)
        return self.prior().kl(posterior.mean, posterior.log_variance, draw.latent)

    def kl(self, posterior: Posterior, draw: Draw) -> jax.Array:
        """Returns the rate, [batch], with each unit whose mean over the batch is free counted as that."""
        if self.config.flow is not None or not self.config.prior.INDEPENDENT:
            return self.rate(posterior, draw)
        divergence = self.prior().unit_kl(posterior.mean, posterior.log_variance)
        is_free = jnp.mean(divergence, axis=0, keepdims=True) < self.config.free_bits
        return jnp.sum(jnp.where(is_free, self.config.free_bits, divergence), axis=1)
