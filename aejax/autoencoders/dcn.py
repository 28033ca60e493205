"""The deep clustering network: an autoencoder whose codes lie near the centroids of k-means (Yang et al., 2017)."""

import dataclasses
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.clustered import Clustered, ClusteredAutoencoder
from aejax.config import NonNegativeFloat, traced
from aejax.data.resident import Batch, ResidentData
from aejax.objectives.clusters import cluster_means, fit_k_means, nearest

_CLUSTERS = "clusters"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DcnConfig(Clustered):
    """Loss: −log p(x|z) + weight/2 · ‖z − μ‖², with the nearest centroid μ to the code z.

    No gradient moves centroids: each is the mean of the codes that were ever nearest to it, those of k-means among the
    training images to begin with.

    Source: Yang, Fu, Sidiropoulos and Hong, "Towards k-means-friendly spaces: simultaneous deep learning and
    clustering", 2017, equations 5, 7 and 8.

    Departures: a step moves centroids by the codes that its loss is of, the paper by those after the update.
    """

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction", "clustering")

    kind: Literal["dcn"] = "dcn"
    weight: NonNegativeFloat = traced(1.0)  # λ, of the squared distances.


class Dcn(ClusteredAutoencoder):
    """The networks of `DcnConfig`. Centroids, and how many codes each is the mean of, are no parameters."""

    config: DcnConfig

    def setup(self) -> None:
        """Makes the networks, the centroids and their counts."""
        super().setup()
        self.centroid = self.variable(_CLUSTERS, "centroid", jnp.zeros, self.centroid_shape)
        self.count = self.variable(_CLUSTERS, "count", jnp.zeros, self.config.num_clusters)

    def centroids(self) -> jax.Array:
        """Returns the centroids of the clusters, [clusters, latent_size]."""
        return self.centroid.value

    def begin(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with the centroids of the training images' codes; see `Autoencoder.begin`."""
        variables, codes = self.first_codes(variables, data)
        num_clusters = self.config.num_clusters
        centroid = fit_k_means(codes, num_clusters, jax.random.key(0))
        _, count = cluster_means(codes, nearest(codes, centroid), num_clusters)
        return {**variables, _CLUSTERS: {"centroid": centroid, "count": count}}

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction and the weighted squared distance, [batch] each."""
        latent = self.encode(self.corrupt(batch.image, train=train), train=train)
        code = self.code(latent)
        cluster = nearest(code, self.centroids())
        square = jnp.sum((code - self.centroids()[cluster]) ** 2, axis=1)
        if train:
            self.follow(jax.lax.stop_gradient(code), cluster)
        return {
            "reconstruction": self.reconstruction(latent, batch, train=train),
            "clustering": 0.5 * self.config.weight * square,
        }

    def follow(self, code: jax.Array, cluster: jax.Array) -> None:
        """Moves each centroid to the mean of all codes that were nearest to it, those of a batch among them."""
        mean, num = cluster_means(code, cluster, self.config.num_clusters)
        count = self.count.value + num
        share = num / jnp.maximum(count, 1.0)
        self.centroid.value += share[:, None] * (mean - self.centroid.value)
        self.count.value = count
