"""Principal components: the best linear autoencoder, with as many numbers in its code."""

import math
from typing import Any

import jax

from aejax.data.demand import Demand
from aejax.data.resident import ResidentData, images_at_once
from aejax.data.streamed import indexable
from aejax.evaluation import pca
from aejax.evaluation.suite import Representation
from aejax.experiment import Config
from aejax.methods.base import Method
from aejax.training.step import Task


class PrincipalComponents(Method):
    """Projections on the leading principal axes of the training images: `latent_size` of them, or all there are."""

    reads = ("data", "evaluation", "autoencoder.latent_size")

    def demand(self, num: int, num_pixels: int, size: int) -> Demand:
        """That of the axes."""
        return pca.demand(num, num_pixels, size)

    def represent(self, task: Task | None, variables: Any, config: Config, data: ResidentData) -> Representation:
        """The projections; of fewer images than axes, what is beyond their number is 0."""
        del task, variables
        images = indexable(data.image["train"])
        axes = pca.fit_pca(images, min(config.autoencoder.latent_size, math.prod(images.shape[1:])))

        def encode(stored: jax.Array) -> jax.Array:
            return pca.project(axes, stored)

        def reconstruct(stored: jax.Array, label: jax.Array | None) -> jax.Array:
            del label
            return pca.reconstruct(axes, encode(stored), stored.shape[1:])

        return Representation(encode, reconstruct, at_once=images_at_once(images.shape[1:]))
