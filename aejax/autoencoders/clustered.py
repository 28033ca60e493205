"""What deep clustering families share: clusters of codes, which begin as those of a plain autoencoder's."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from aejax.autoencoders.base import of_training_images
from aejax.autoencoders.corrupted import Corrupted, CorruptedAutoencoder
from aejax.config import PositiveInt
from aejax.data.load import Dataset
from aejax.data.resident import ResidentData
from aejax.networks.whitening import Whitening, fit_whitening, no_whitening
from aejax.objectives.clusters import nearest

_WHITENING = "whitening"  # The collection of what codes are whitened by.
_LEAST_VARIANCE = 1e-3  # Added along each axis when codes are whitened, in mean variances: no axis is noise alone.


def too_few_images(path: str, num_clusters: int, dataset: Dataset) -> Iterator[str]:
    """Yields that a data set has fewer training images than there are clusters; `path` is that of the field."""
    num = len(dataset.train.image)
    if num_clusters > num:
        yield f"{path}={num_clusters} clusters begin among the {num} training images of {dataset.name}; make it smaller"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clustered(Corrupted):
    """The fields of families whose loss draws codes to centroids, which are found by k-means when it begins."""

    LAYERWISE: ClassVar[bool] = False
    PRETRAINED: ClassVar[bool] = True

    latent_size: PositiveInt = 10  # Units of the latent.
    num_clusters: PositiveInt = 10  # Labels are not read: give it the number of kinds that you expect.
    # Whether codes are whitened before their distances to centroids are taken, by their covariance over the training
    # images when clusters begin; the papers do not. Otherwise numbers that vary much count most, whatever they tell.
    whiten: bool = False

    @property
    def num_own_clusters(self) -> int:
        """To how many clusters it assigns images."""
        return self.num_clusters

    def misfits(self, config: Any, dataset: Dataset, others: Mapping[str, Dataset]) -> Iterator[str]:
        """Yields why the family cannot be trained on a data set, of too few images for instance."""
        yield from super().misfits(config, dataset, others)
        yield from too_few_images("autoencoder.num_clusters", self.num_clusters, dataset)


class ClusteredAutoencoder(CorruptedAutoencoder):
    """The networks of a `Clustered` family. A family says where its centroids are kept."""

    config: Any  # A `Clustered` family.

    def setup(self) -> None:
        """Makes the networks, and what codes are whitened by."""
        super().setup()
        if self.config.whiten:
            self.whitening = self.variable(_WHITENING, "codes", lambda: no_whitening(self.config.latent_size)._asdict())

    @property
    def centroid_shape(self) -> tuple[int, int]:
        """How many clusters there are, and the size of a code."""
        return self.config.num_clusters, self.config.latent_size

    def centroids(self) -> jax.Array:
        """Returns the centroids of the clusters, among the codes, [clusters, latent_size]."""
        raise NotImplementedError

    def code(self, latent: jax.Array) -> jax.Array:
        """Returns latents as distances to centroids take them: in float32, whitened or not, [batch, latent_size]."""
        latent = latent.astype(jnp.float32)
        return Whitening(**self.whitening.value).apply(latent) if self.config.whiten else latent

    def first_codes(self, variables: Any, data: ResidentData) -> tuple[Any, jax.Array]:
        """Returns the variables with the whitening, and the codes of the training images, [images, latent_size]."""
        latent = of_training_images(self, variables, data)
        if not self.config.whiten:
            return variables, latent
        whitening = fit_whitening(latent, _LEAST_VARIANCE * jnp.mean(jnp.var(latent, axis=0)))
        return {**variables, _WHITENING: {"codes": whitening._asdict()}}, whitening.apply(latent)

    def clusters(self, image: jax.Array) -> jax.Array:
        """The cluster of each image, int32 [batch]: that with the nearest centroid."""
        return nearest(self.code(self.encode(image)), self.centroids())
