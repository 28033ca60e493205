"""What deep clustering families share: clusters of codes, which begin as those of a plain autoencoder's."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import jax

from aejax.autoencoders.corrupted import Corrupted, CorruptedAutoencoder
from aejax.config import PositiveInt
from aejax.data.load import Dataset
from aejax.objectives.clusters import nearest


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

    @property
    def centroid_shape(self) -> tuple[int, int]:
        """How many clusters there are, and the size of a code."""
        return self.config.num_clusters, self.config.latent_size

    def centroids(self) -> jax.Array:
        """Returns the centroids of the clusters, [clusters, latent_size]."""
        raise NotImplementedError

    def clusters(self, image: jax.Array) -> jax.Array:
        """The cluster of each image, int32 [batch]: that with the nearest centroid."""
        return nearest(self.encode(image), self.centroids())
