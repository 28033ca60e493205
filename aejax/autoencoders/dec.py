"""Deep embedded clustering (Xie et al., 2016), and with the reconstruction kept (IDEC, Guo et al., 2017)."""

import dataclasses
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.autoencoders.base import of_training_images
from aejax.autoencoders.clustered import Clustered, ClusteredAutoencoder
from aejax.config import NonNegativeFloat, PositiveInt, traced
from aejax.data.resident import Batch, ResidentData
from aejax.objectives.clusters import fit_k_means, log_memberships, sharpened

_TARGET = "target"  # The collection of what targets are made of.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Targeted(Clustered):
    """The fields of families whose loss draws the memberships of images to targets, which change every few epochs."""

    target_epochs: PositiveInt = 1  # From one refresh of the targets to the next; the code of Xie et al. has about 0.6.

    @property
    def refresh_epochs(self) -> int:
        """Every how many epochs the targets change."""
        return self.target_epochs


class TargetedAutoencoder(ClusteredAutoencoder):
    """The networks of a family `Targeted`, and in the collection "target" a copy of the encoder at the last refresh."""

    config: Any  # A family `Targeted`.

    def setup(self) -> None:
        """Makes the networks and the centroids."""
        super().setup()
        self.centroid = self.param("centroid", nn.initializers.normal(1.0), self.centroid_shape)

    def centroids(self) -> jax.Array:
        """Returns the centroids of the clusters, [clusters, latent_size]."""
        return self.centroid.astype(jnp.float32)

    def begin(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with the centroids of the training images' codes; see `Autoencoder.begin`."""
        variables, codes = self.first_codes(variables, data)
        centroid = fit_k_means(codes, self.config.num_clusters, jax.random.key(0))
        return {**variables, "params": {**variables["params"], "centroid": centroid}}

    def memberships(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """How much each image belongs to each cluster: log q, [batch, clusters]."""
        return log_memberships(self.code(self.encode(image, train=train)), self.centroids())

    def refresh(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with targets by the parameters as they are; see `Autoencoder.refresh`."""
        own = _of_encoder(variables)
        membership = jnp.exp(of_training_images(self, own, data, "memberships"))
        return {**variables, _TARGET: {"variables": own, "total": jnp.mean(membership, axis=0)}}

    def target(self, image: jax.Array) -> jax.Array:
        """Returns p of each image, [batch, clusters], by the parameters at the last refresh."""
        if self.is_initializing():
            num_clusters = self.config.num_clusters
            self.put_variable(_TARGET, "variables", _of_encoder(self.variables))
            self.put_variable(_TARGET, "total", jnp.full(num_clusters, 1 / num_clusters))
        model = self.clone(parent=None)
        membership: Any = model.apply(self.get_variable(_TARGET, "variables"), image, method="memberships")
        return jax.lax.stop_gradient(sharpened(jnp.exp(membership), self.get_variable(_TARGET, "total")))

    def divergence(self, latent: jax.Array, batch: Batch) -> jax.Array:
        """Returns KL(p ‖ q) of each image, [batch], where q is that of its latent."""
        membership = log_memberships(self.code(latent), self.centroids())
        target = self.target(batch.image if batch.unchanged is None else batch.unchanged)
        return jnp.sum(jax.scipy.special.xlogy(target, target) - target * membership, axis=1)


def _of_encoder(variables: Any) -> dict[str, dict[str, Any]]:
    """Returns those variables that memberships depend on: neither targets nor the decoder."""
    return {
        collection: {name: values for name, values in parts.items() if name != "decoder"}
        for collection, parts in variables.items()
        if collection != _TARGET
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecConfig(Targeted):
    """Loss: KL(p ‖ q) of an image's clusters, where p is its target, by the network of a while ago.

    q_k is proportional to (1 + ‖z − μ_k‖²)⁻¹, with the code z of the image and the centroid μ_k of a cluster; p_k to
    q_k² / f_k, with f_k the sum of q_k over the training images. p is of the image without augmentation, and of the
    parameters at the last refresh, every `target_epochs`. Centroids begin as those of k-means and are learned. The
    decoder stays as `training.pretraining_epochs` of a plain autoencoder left it.

    Source: Xie, Girshick and Farhadi, "Unsupervised deep embedding for clustering analysis", 2016, equations 1 to 3.

    Departures: pre-training is of the whole network at once, where the paper's is of denoising layers one by one first;
    `corruption` makes it denoising, and goes on in the training of the clusters.
    """

    TERMS: ClassVar[tuple[str, ...]] = ("clustering",)
    CONDITIONAL: ClassVar[bool] = False

    kind: Literal["dec"] = "dec"


class Dec(TargetedAutoencoder):
    """The networks of `DecConfig`."""

    config: DecConfig

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns KL(p ‖ q), [batch]."""
        if self.is_initializing():  # There is a decoder without pre-training, too.
            self.pretraining_terms(batch, train=train)
        latent = self.encode(self.corrupt(batch.image, train=train), train=train)
        return {"clustering": self.divergence(latent, batch)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class IdecConfig(Targeted):
    """Loss: −log p(x|z) + weight · KL(p ‖ q) of an image's clusters: that of `dec`, with the reconstruction kept.

    Source: Guo, Gao, Liu and Yin, "Improved deep embedded clustering with local structure preservation", 2017,
    equation 4; of augmented images Guo, Zhu, Liu and Yin, "Deep embedded clustering with data augmentation", 2018.

    Departures: the paper's weight of 0.1 stands beside the mean squared error over pixels. Beside half the sum of
    squares of 28 × 28 pixels that is 0.1 · 784 / 2, which is the default.
    """

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction", "clustering")

    kind: Literal["idec"] = "idec"
    weight: NonNegativeFloat = traced(39.2)  # Of the KL, in nats.


class Idec(TargetedAutoencoder):
    """The networks of `IdecConfig`."""

    config: IdecConfig

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction and the weighted KL, [batch] each."""
        latent = self.encode(self.corrupt(batch.image, train=train), train=train)
        return {
            "reconstruction": self.reconstruction(latent, batch, train=train),
            "clustering": self.config.weight * self.divergence(latent, batch),
        }
