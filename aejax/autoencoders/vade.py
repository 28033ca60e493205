"""Variational deep embedding: a VAE whose prior is a mixture, a component for each cluster (Jiang et al., 2017)."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.base import of_training_images
from aejax.autoencoders.clustered import too_few_images
from aejax.autoencoders.variational import VariationalAutoencoder, WithKL
from aejax.config import PositiveInt
from aejax.data.load import Dataset
from aejax.data.preprocessing import Kind
from aejax.data.resident import ResidentData
from aejax.objectives.clusters import fit_mixture
from aejax.objectives.hierarchy import gaussian_kl_between
from aejax.objectives.posteriors import DiagonalGaussian, Draw, Posterior
from aejax.objectives.priors import AnyPrior, GaussianMixture, MixturePrior


@dataclasses.dataclass(frozen=True, kw_only=True)
class VadeConfig(WithKL):
    """Loss: −log p(x|z) + Σ_c γ_c KL(q(z|x) ‖ p(z|c)) + KL(γ ‖ π) with z ~ q(z|x), and γ_c = p(c|z) of that draw.

    The prior is a mixture of Gaussians, with a component, of weight π_c, for each cluster. It begins as the mixture of
    the codes of a plain autoencoder, of `training.pretraining_epochs`. The cluster of an image is the component to
    which its code most probably belongs.

    Source: Jiang, Zheng, Tan, Tang and Zhou, "Variational deep embedding: an unsupervised and generative approach to
    clustering", 2017, equations 9, 12 and 16.
    """

    PRETRAINED: ClassVar[bool] = True

    kind: Literal["vade"] = "vade"
    latent_size: PositiveInt = 10  # Units of the latent.
    prior: AnyPrior = MixturePrior(num_components=10)  # p(z): a mixture, with a component for each cluster.

    @property
    def num_own_clusters(self) -> int:
        """To how many clusters it assigns images: the components of the prior."""
        assert isinstance(self.prior, MixturePrior), "a prior without components was refused"
        return self.prior.num_components

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the prior is no mixture, or has a flow before it, or None."""
        if not isinstance(self.prior, MixturePrior):
            return f"prior={self.prior.kind} has no clusters; use prior=mixture"
        return super().conflict(preprocessing)

    @property
    def needs_gaussian(self) -> str:
        """Its loss: a flow leaves no Gaussians, whose KL to those of components is known."""
        return "the KL to each component"

    def misfits(self, config: Any, dataset: Dataset, others: Mapping[str, Dataset]) -> Iterator[str]:
        """Yields why the family cannot be trained on a data set, of too few images for instance."""
        yield from super().misfits(config, dataset, others)
        yield from too_few_images("autoencoder.prior.num_components", self.num_own_clusters, dataset)


class Vade(VariationalAutoencoder):
    """The networks of `VadeConfig`."""

    config: VadeConfig

    def begin(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with the mixture of the training images' codes as prior; see `Autoencoder.begin`."""
        codes = of_training_images(self, variables, data)
        fitted = fit_mixture(codes, self.config.num_own_clusters, jax.random.key(0))
        prior = {"logit": fitted.log_weight, "mean": fitted.mean, "log_variance": fitted.log_variance}
        return {**variables, "params": {**variables["params"], "prior": prior}}

    def clusters(self, image: jax.Array) -> jax.Array:
        """The cluster of each image, int32 [batch]: the component to which its code most probably belongs."""
        return jnp.argmax(self.log_clusters(self.encode(image)), axis=1).astype(jnp.int32)

    def log_clusters(self, latent: jax.Array) -> jax.Array:
        """Returns log γ, [batch, clusters], of latents [batch, latent_size]."""
        return jax.nn.log_softmax(self.mixture().log_joint(latent.astype(jnp.float32)), axis=1)

    def mixture(self) -> GaussianMixture:
        """Returns p(z), with its parameters as they are."""
        prior = self.prior()
        assert isinstance(prior, GaussianMixture), "a prior without components was refused"
        return prior

    def kl(self, posterior: Posterior, draw: Draw) -> jax.Array:
        """Returns the KL of latents and clusters together, [batch]: Σ_c γ_c KL(q(z|x) ‖ p(z|c)) + KL(γ ‖ π)."""
        prior, log_share = self.mixture(), self.log_clusters(draw.latent)
        own = DiagonalGaussian(posterior.mean[:, None], posterior.log_variance[:, None])
        of_components = gaussian_kl_between(own, DiagonalGaussian(prior.mean[None], prior.log_variance[None]))
        return jnp.sum(jnp.exp(log_share) * (of_components + log_share - prior.log_weight[None]), axis=1)
