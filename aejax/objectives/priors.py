"""Priors p(z) of variational families: configs, and the distributions that they are with their parameters in hand.

A config says which parameters a prior has, and what they are at first. They are among the family's own parameters,
under "prior", and its loss trains them. `distribution` makes a `PriorDistribution` of them: losses, measures and
samplers all ask that one.
"""

import abc
import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from aejax.config import PositiveFloat, PositiveInt, traced
from aejax.objectives.divergences import LOG_2PI, LOG_VARIANCES, gaussian_kl, gaussian_log_density, standard_log_density
from aejax.registry import Registry

NUM_NODES = 32  # Of the quadrature by which the KL of single units is found where it has no closed form.

Parameters = Mapping[str, jax.Array]
# From images as the encoder sees them, [n, height, width, channels], to mean and log variance of q(z|x), [n, units].
Encode = Callable[[jax.Array], tuple[jax.Array, jax.Array]]


class PriorDistribution(abc.ABC):
    """A distribution of latents [..., units]: what is asked of every prior."""

    @abc.abstractmethod
    def log_density(self, latent: jax.Array) -> jax.Array:
        """Returns log p(latent) in nats, [...]."""

    @abc.abstractmethod
    def sample(self, key: jax.Array, num: int) -> jax.Array:
        """Returns `num` draws, [num, units]."""

    @abc.abstractmethod
    def variance(self) -> jax.Array:
        """Returns the variance of each unit, [units]."""


class PriorOfGaussians(PriorDistribution):
    """A prior to which Gaussian posteriors are drawn: it knows their KL."""

    @abc.abstractmethod
    def unit_kl(self, mean: jax.Array, log_variance: jax.Array) -> jax.Array:
        """Returns the KL of each unit's posterior to the distribution of that unit by itself, [batch, units].

        Args:
          mean: of the posteriors, [batch, units].
          log_variance: of the posteriors, [batch, units].
        """

    def kl(self, mean: jax.Array, log_variance: jax.Array, latent: jax.Array) -> jax.Array:
        """Returns the KL of each posterior to the prior, [batch]: here log q(z|x) − log p(z), of one draw.

        That is unbiased, and may be negative. A prior that knows a closed form has that instead.

        Args:
          mean: of the posteriors, [batch, units].
          log_variance: of the posteriors, [batch, units].
          latent: z, a draw of each, [batch, units].
        """
        return jnp.sum(gaussian_log_density(latent, mean, log_variance), axis=1) - self.log_density(latent)


@dataclasses.dataclass(frozen=True)
class StandardNormal(PriorOfGaussians):
    """N(0, I). All of it has closed forms."""

    num_units: int

    def log_density(self, latent: jax.Array) -> jax.Array:
        """Returns log N(latent; 0, I), [...]."""
        return jnp.sum(standard_log_density(latent), axis=-1)

    def sample(self, key: jax.Array, num: int) -> jax.Array:
        """Returns `num` draws, [num, units]."""
        return jax.random.normal(key, (num, self.num_units))

    def variance(self) -> jax.Array:
        """Returns 1 for each unit, [units]."""
        return jnp.ones(self.num_units)

    def unit_kl(self, mean: jax.Array, log_variance: jax.Array) -> jax.Array:
        """Returns the KL of each unit, [batch, units]."""
        return gaussian_kl(mean, log_variance)

    def kl(self, mean: jax.Array, log_variance: jax.Array, latent: jax.Array) -> jax.Array:
        """Returns the KL of each posterior, [batch], whatever was drawn: the sum over its units."""
        del latent
        return jnp.sum(self.unit_kl(mean, log_variance), axis=1)


@dataclasses.dataclass(frozen=True)
class GaussianMixture(PriorOfGaussians):
    """Σ_k w_k N(m_k, v_k), v_k diagonal. The KL of a posterior is a draw's, but of a single component a closed form."""

    log_weight: jax.Array  # log w, [components].
    mean: jax.Array  # m, [components, units].
    log_variance: jax.Array  # log v, [components, units].

    def log_density(self, latent: jax.Array) -> jax.Array:
        """Returns log p(latent), [...]."""
        return jax.nn.logsumexp(self.log_joint(latent), axis=-1)

    def log_joint(self, latent: jax.Array) -> jax.Array:
        """Returns log w_k N(latent; m_k, v_k) of each component k, [..., components]."""
        flat = latent.reshape(-1, 1, latent.shape[-1])
        of_components = jnp.sum(gaussian_log_density(flat, self.mean[None], self.log_variance[None]), axis=2)
        return (of_components + self.log_weight[None]).reshape(*latent.shape[:-1], len(self.log_weight))

    def sample(self, key: jax.Array, num: int) -> jax.Array:
        """Returns `num` draws, [num, units]."""
        which_key, noise_key = jax.random.split(key)
        which = jax.random.categorical(which_key, self.log_weight, shape=(num,))
        noise = jax.random.normal(noise_key, (num, self.mean.shape[1]))
        return self.mean[which] + jnp.exp(0.5 * self.log_variance[which]) * noise

    def variance(self) -> jax.Array:
        """Returns the variance of each unit, [units]: within components and between them."""
        weight = jnp.exp(self.log_weight)[:, None]
        center = jnp.sum(weight * self.mean, axis=0, keepdims=True)
        return jnp.sum(weight * (jnp.exp(self.log_variance) + jnp.square(self.mean - center)), axis=0)

    def kl(self, mean: jax.Array, log_variance: jax.Array, latent: jax.Array) -> jax.Array:
        """Returns the KL of each posterior, [batch]: log q(z|x) − log p(z) of a draw, or of one component all of it."""
        if len(self.log_weight) > 1:
            return super().kl(mean, log_variance, latent)
        distance = (mean - self.mean) * jnp.exp(-0.5 * self.log_variance)
        return jnp.sum(gaussian_kl(distance, log_variance - self.log_variance), axis=1)

    def unit_kl(self, mean: jax.Array, log_variance: jax.Array) -> jax.Array:
        """Returns the KL of each unit, [batch, units], with ∫ q log p by Gauss-Hermite quadrature."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(NUM_NODES)

        def log_prior(node: jax.Array) -> jax.Array:
            unit = (mean + jnp.exp(0.5 * log_variance) * node)[:, None]
            of_components = gaussian_log_density(unit, self.mean[None], self.log_variance[None])
            return jax.nn.logsumexp(of_components + self.log_weight[None, :, None], axis=1)

        values = jax.lax.map(log_prior, jnp.asarray(nodes, jnp.float32))
        cross_entropy = -jnp.tensordot(jnp.asarray(weights / weights.sum(), jnp.float32), values, axes=1)
        return cross_entropy - 0.5 * (log_variance + LOG_2PI + 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PriorConfig(abc.ABC):
    """What all have. LEARNED is whether it has parameters. INDEPENDENT is whether its units are independent, so that
    the KL is the sum of those of units. OF_GAUSSIANS is whether it is made of Gaussian posteriors.
    """

    LEARNED: ClassVar[bool] = True
    INDEPENDENT: ClassVar[bool] = False
    OF_GAUSSIANS: ClassVar[bool] = False
    if TYPE_CHECKING:
        kind: str

    def conflict(self, encoder: Any) -> str | None:
        """Returns why the prior does not go with an encoder's config, or None."""
        del encoder
        return None

    def misfit(self, num_images: int) -> str | None:
        """Returns why so many training images are too few, or None."""
        del num_images
        return None

    def parameters(self, key: jax.Array, num_units: int, image_shape: tuple[int, ...]) -> dict[str, jax.Array]:
        """Returns the parameters as they are drawn, by name: none, unless a prior has some.

        Args:
          key: of what is drawn.
          num_units: of the latent.
          image_shape: (height, width, channels) of an image as the encoder sees it.
        """
        del key, num_units, image_shape
        return {}

    def init_from_data(self, parameters: Parameters, images: Callable[[int], jax.Array]) -> Parameters:
        """Returns the parameters that training begins with, from those that were drawn.

        Args:
          parameters: by name.
          images: gives so many training images as the encoder sees them, [n, height, width, channels].
        """
        del images
        return parameters

    @abc.abstractmethod
    def distribution(self, parameters: Parameters, num_units: int, encode: Encode) -> PriorOfGaussians:
        """Returns the prior.

        Args:
          parameters: by name, perhaps in bfloat16.
          num_units: of the latent.
          encode: gives the posteriors of images.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class StandardNormalPrior(PriorConfig):
    """p(z) = N(0, I), which nothing learns. The KL of a Gaussian posterior has a closed form, and is a sum over units.

    Source: Kingma and Welling, "Auto-encoding variational Bayes", 2014.
    """

    LEARNED = False
    INDEPENDENT = True

    kind: Literal["standard_normal"] = "standard_normal"

    def distribution(self, parameters: Parameters, num_units: int, encode: Encode) -> StandardNormal:
        """Returns N(0, I)."""
        del parameters, encode
        return StandardNormal(num_units)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MixturePrior(PriorConfig):
    """p(z) = Σ_k w_k N(z; m_k, v_k), v_k diagonal: weights, means and variances are learned.

    The KL is log q(z|x) − log p(z) of the draw that is decoded: unbiased, and of one component in closed form.
    Components begin with equal weights, variances of 1 and random means. The nearer these are to each other, the more
    images each component learns from at first.

    Source: the MoG prior of Tomczak and Welling, "VAE with a VampPrior", 2018, equation 10, whose weights are equal
    and stay so.
    """

    kind: Literal["mixture"] = "mixture"
    num_components: PositiveInt = 50
    spread: PositiveFloat = traced(0.5)  # The deviation of the means' numbers at first.

    def parameters(self, key: jax.Array, num_units: int, image_shape: tuple[int, ...]) -> dict[str, jax.Array]:
        """Returns `logit` [components], `mean` and `log_variance` [components, units]."""
        del image_shape
        shape = self.num_components, num_units
        return {
            "logit": jnp.zeros(self.num_components),
            "mean": self.spread * jax.random.normal(key, shape),
            "log_variance": jnp.zeros(shape),
        }

    def distribution(self, parameters: Parameters, num_units: int, encode: Encode) -> GaussianMixture:
        """Returns the mixture."""
        del num_units, encode
        values = {name: value.astype(jnp.float32) for name, value in parameters.items()}
        log_variance = jnp.clip(values["log_variance"], *LOG_VARIANCES)
        return GaussianMixture(jax.nn.log_softmax(values["logit"]), values["mean"], log_variance)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VampPrior(PriorConfig):
    """p(z) = 1/K Σ_k q(z|u_k): the mean of the posteriors of K learned pseudo-inputs u_k, by the family's own encoder.

    The KL is log q(z|x) − log p(z) of the draw that is decoded: unbiased, and of one component in closed form. What
    this trains of the prior are the pseudo-inputs, and the encoder by both of its uses. Pseudo-inputs begin as training
    images, evenly chosen among them. They are not kept in the range of pixels, as the paper's are.

    Source: Tomczak and Welling, "VAE with a VampPrior", 2018, equation 9.
    """

    OF_GAUSSIANS = True

    kind: Literal["vamp"] = "vamp"
    num_components: PositiveInt = 50  # K; the paper has 500.

    def conflict(self, encoder: Any) -> str | None:
        """Returns that an encoder makes the code of an image depend on others, or None."""
        if getattr(encoder, "norm", None) != "batch":
            return None
        return (
            "prior=vamp is made of the posteriors of single pseudo-inputs, and with encoder.norm=batch a posterior "
            "depends on the other images of its batch; use encoder.norm=group"
        )

    def misfit(self, num_images: int) -> str | None:
        """Returns that there are fewer training images than pseudo-inputs, or None."""
        if self.num_components <= num_images:
            return None
        return (
            f"prior.num_components={self.num_components} pseudo-inputs begin as training images, and there are "
            f"{num_images}; make it smaller"
        )

    def parameters(self, key: jax.Array, num_units: int, image_shape: tuple[int, ...]) -> dict[str, jax.Array]:
        """Returns `pseudo_input`, [components, height, width, channels]: noise, until training begins."""
        del num_units
        return {"pseudo_input": jax.random.uniform(key, (self.num_components, *image_shape))}

    def init_from_data(self, parameters: Parameters, images: Callable[[int], jax.Array]) -> Parameters:
        """Returns training images for the pseudo-inputs."""
        return {**parameters, "pseudo_input": images(self.num_components)}

    def distribution(self, parameters: Parameters, num_units: int, encode: Encode) -> GaussianMixture:
        """Returns the mixture of the pseudo-inputs' posteriors."""
        del num_units
        log_weight = jnp.full(self.num_components, -math.log(self.num_components))
        return GaussianMixture(log_weight, *encode(parameters["pseudo_input"]))


PRIORS: Registry[type[PriorConfig]] = Registry("prior", (StandardNormalPrior, MixturePrior, VampPrior))
AnyPrior = Annotated[PriorConfig, PRIORS]
