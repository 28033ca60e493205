"""k-means of whitened patches: the simplest dictionary, used as that of an autoencoder of patches is.

Source: Coates, Lee and Ng, "An analysis of single-layer networks in unsupervised feature learning", 2011; for the
spherical form Coates and Ng, "Learning feature representations with k-means", 2012.
"""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax import rng
from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.patchwise import Patchwise
from aejax.data.resident import Batch, ResidentData
from aejax.evaluation.pca import sum_over_blocks
from aejax.experiment import Config
from aejax.methods.autoencoder import AutoencoderMethod
from aejax.methods.base import Method, at_once
from aejax.networks.layers import flatten
from aejax.training.step import Stage, Task

NUM_ROUNDS = 20  # More of them change little.

_HIGHEST = jax.lax.Precision.HIGHEST


class KMeans(AutoencoderMethod):
    """As many centroids as the autoencoder has units, of the same patches, rectified and pooled alike."""

    reads = ("seed", "data", "autoencoder.patches", "autoencoder.latent_size", "evaluation")
    wanted = Method.wanted
    epochs = Method.epochs

    def task(self, config: Config, image_shape: tuple[int, ...], num_classes: int | None) -> Task:
        """Makes the task of fitting the centroids, at once, to patches of training images."""
        del num_classes
        model = Patchwise(config.autoencoder, image_shape, family=Centroids)
        return Task(
            model,
            config.optimizer,
            config.training,
            config.seed,
            (Stage(0),),
            prepare=functools.partial(_fit, model, config.seed),
            at_once=at_once(config, image_shape),
        )


class Centroids(Autoencoder):
    """Directions in the space of patches; a patch is reconstructed by its projection on the nearest of them."""

    def setup(self) -> None:
        """Makes the centroids, the columns of a matrix [pixels of a patch, latent_size]."""
        shape = (jnp.zeros(self.image_shape).size, self.config.latent_size)
        self.kernel = self.param("kernel", nn.initializers.normal(1.0), shape)

    def preactivate(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """The products of patches and centroids, [batch, latent_size]."""
        del train
        return jnp.matmul(flatten(image), self.kernel, precision=_HIGHEST)

    def reconstruct(self, image: jax.Array, label: jax.Array | None = None) -> jax.Array:
        """The projections of patches on their nearest centroids."""
        del label
        return jnp.matmul(_nearest(self.preactivate(image)), self.kernel.T, precision=_HIGHEST).reshape(image.shape)

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Half the squared error, [batch], which `fit_centroids` makes small."""
        del train
        return {"reconstruction": 0.5 * jnp.sum(flatten(batch.image - self.reconstruct(batch.image)) ** 2, axis=1)}


def _fit(model: Patchwise, seed: jax.typing.ArrayLike, variables: Any, data: ResidentData) -> Any:
    variables = model.init_whitening(variables, data)
    rows = flatten(model.training_patches(variables, data))
    key = rng.stream(rng.root(seed), "centroids")
    kernel = fit_centroids(rows, variables["params"]["kernel"].T, key).T
    return {**variables, "params": {"kernel": kernel}}


def fit_centroids(rows: jax.Array, centroids: jax.Array, key: jax.Array, num_rounds: int = NUM_ROUNDS) -> jax.Array:
    """Returns centroids of length 1, [K, D], after rounds of spherical k-means of rows [n, D].

    Each row goes to the centroid with the product of largest magnitude, and counts by that product. A centroid moves to
    the direction of the sum of itself and its rows; one without rows becomes the direction of a row that the key draws.

    Args:
      rows: float32 [n, D].
      centroids: those to begin with, [K, D], of any length.
      key: of what replaces centroids without rows.
      num_rounds: how many rounds.
    """

    def sums(block: jax.Array, centroids: jax.Array) -> jax.Array:
        assigned = _nearest(jnp.matmul(block, centroids.T, precision=_HIGHEST))
        total = jnp.matmul(assigned.T, block, precision=_HIGHEST)
        return jnp.concatenate([total, jnp.sum(assigned != 0, axis=0, dtype=jnp.float32)[:, None]], axis=1)

    def move(index: jax.Array, centroids: jax.Array) -> jax.Array:
        total = sum_over_blocks(functools.partial(sums, centroids=centroids), rows)
        drawn = rows[jax.random.randint(rng.at(key, index), (len(centroids),), 0, len(rows))]
        return _directions(jnp.where(total[:, -1:] > 0, total[:, :-1] + centroids, drawn))

    moved: jax.Array = jax.lax.fori_loop(0, num_rounds, move, _directions(centroids))
    return moved


def _nearest(products: jax.Array) -> jax.Array:
    """Leaves of each row its number of largest magnitude alone; [n, K]."""
    chosen = jnp.argmax(jnp.abs(products), axis=1)[:, None] == jnp.arange(products.shape[1])[None]
    return jnp.where(chosen, products, 0.0)


def _directions(rows: jax.Array) -> jax.Array:
    """Divides rows by their lengths; one of length 0 stays."""
    length = jnp.linalg.norm(rows, axis=1, keepdims=True)
    return rows / jnp.where(length > 0, length, 1.0)
