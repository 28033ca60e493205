"""A sparse dictionary of features: vectors, more than a feature has numbers, of which each example is a sum of a few.

It is the TopK autoencoder of Gao et al. (2024), "Scaling and evaluating sparse autoencoders": the family `k_sparse` of
this project, trained by the same steps as any other on features in the place of images.
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aejax import rng
from aejax.autoencoders.k_sparse import KSparse, KSparseConfig
from aejax.config import NonNegativeFloat, PositiveFloat, PositiveInt
from aejax.data.preprocessing import Array
from aejax.data.resident import ResidentData, training_arrays
from aejax.errors import DataError, UserError
from aejax.objectives.likelihoods import HalfSquaredError
from aejax.training.config import TrainingConfig
from aejax.training.fit import Fitted, fit
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import Stage, Task

# Norm of what a unit looks for at first. At it k near examples add up to about as long a vector as the example itself.
_FIRST_NORM = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class DictionaryConfig:
    """How large a dictionary is, and how it is trained.

    The longer or faster it is trained, the less it leaves unexplained, and the less its vectors are like whole
    examples, which they are at first. The defaults are between: found with codes of 16 to 64 numbers of MNIST.
    """

    expansion: PositiveInt = 16  # Units for each number of a feature.
    k: PositiveInt = 32  # Units that an example keeps at most.
    auxiliary_weight: NonNegativeFloat | None = 1 / 32  # Of AuxK, which revives dead units; None: no such term.
    dead_after: PositiveInt = 20  # Training steps in which no example kept the unit.
    steps: PositiveInt = 860  # At least: whole epochs, in which every example is seen.
    batch_size: PositiveInt = 512
    learning_rate: PositiveFloat = 2e-4  # Of Adam, at first: half a cosine takes it to 0.


class Dictionary(NamedTuple):
    """A trained dictionary of d features.

    As in Gao et al. it sees where an example lies from the mean and not how far: with the distance, an example far off
    would be among the first of every unit. All distances are made √d.
    """

    fitted: Fitted
    mean: np.ndarray  # [1, d], of the training examples.

    @property
    def num_units(self) -> int:
        """How many vectors it has."""
        return int(self.fitted.model.config.latent_size)

    @property
    def vectors(self) -> jax.Array:
        """What each unit adds to the features, of norm 1: [units, d]."""
        decoded = self.fitted.map("decode", jnp.eye(self.num_units))
        return (decoded - self.fitted.map("decode", jnp.zeros((1, self.num_units)))).reshape(self.num_units, -1)

    def encode(self, features: Array) -> jax.Array:
        """Returns how much an example holds of each vector: [n, units], at most k of a row positive, the others 0."""
        return self.fitted.map("encode", self._to_images(features))

    def decode(self, activations: Array, distance: Array) -> jax.Array:
        """Returns the features that activations [n, units] make at a distance [n, 1] from the mean, [n, d]."""
        size = self.mean.shape[1]
        direction = self.fitted.map("decode", jnp.asarray(activations)).reshape(-1, size)
        return self.mean + direction * (distance / np.sqrt(size))

    def distance(self, features: Array) -> jax.Array:
        """Returns how far examples are from the mean, [n, 1]."""
        return jnp.linalg.norm(features - self.mean, axis=1, keepdims=True)

    def frequency(self, features: Array) -> jax.Array:
        """Returns the share of examples that keep each unit, [units]: a unit that no training example keeps is dead."""
        return jnp.mean(self.fitted.map(_keeps, self._to_images(features)), axis=0)

    def unexplained_variance(self, features: Array) -> jax.Array:
        """Returns E‖x − x̂‖² / E‖x − E x‖² of examples [n, d] and their reconstructions at their distance, a scalar."""
        error = features - self.decode(self.encode(features), self.distance(features))
        return jnp.sum(error**2) / jnp.sum((features - jnp.mean(features, axis=0, keepdims=True)) ** 2)

    def _to_images(self, features: Array) -> jax.Array:
        return _as_images(jnp.asarray(features, jnp.float32) - self.mean)


def fit_dictionary(config: DictionaryConfig, features: Array, *, seed: int = 0) -> Dictionary:
    """Returns a dictionary of features.

    Its vectors begin as what examples, drawn at random, are off the mean. From random vectors training leads to units
    whose first examples belong together much less.

    Args:
      config: of the dictionary.
      features: float [n, d], those of the training examples.
      seed: of initialisation and batches.

    Raises:
      DataError: if the features are not finite, or alike for all examples.
      UserError: if it has fewer units than an example is to keep.
    """
    x = np.asarray(features, np.float32)
    if not np.isfinite(x).all():
        raise DataError("a dictionary wants finite features; explain a member that has not diverged")
    if not np.ptp(x, axis=0).any():
        raise DataError("the features are the same for all examples, so they have no dictionary; take another layer")
    size = x.shape[1]
    num_units = config.expansion * size
    if config.k > num_units:
        raise UserError(
            f"k={config.k} is more than the {num_units} units of a dictionary of {size} numbers; make it smaller, or "
            "expansion larger"
        )
    family = KSparseConfig(
        latent_size=num_units,
        latent_activation="relu",
        likelihood=HalfSquaredError(output="identity"),
        k=config.k,
        auxiliary_weight=config.auxiliary_weight,
        dead_after=config.dead_after,
        unit_norm=True,
    )
    model = KSparse(family, (1, 1, size))
    mean = np.mean(x, axis=0, keepdims=True)
    data = training_arrays(image=_as_images(jnp.asarray(x - mean)))
    optimizer = Adam(learning_rate=config.learning_rate, schedule=Cosine())
    batch_size = min(config.batch_size, len(x))
    epochs = -(-config.steps // (len(x) // batch_size))
    training = TrainingConfig(epochs=epochs, batch_size=batch_size)

    @jax.jit  # Of which the seed is an argument: dictionaries of other seeds are compiled with the first.
    def run(data: ResidentData, seed: jax.Array) -> Fitted:
        prepare = functools.partial(_init_from_data, model, seed)
        task = Task(model, optimizer, training, seed, (Stage(epochs),), prepare=prepare)
        return fit(task, data).replace(state=None, curves={})  # Nothing goes on from it.

    return Dictionary(run(data, jnp.asarray(seed)), mean)


def _init_from_data(model: KSparse, seed: jax.Array, variables: Any, data: ResidentData) -> Any:
    """Returns the variables with units that look for training examples, as far as there are enough of these."""
    image = data.image["train"]
    order = jax.random.permutation(rng.stream(rng.root(seed), "examples"), len(image))
    params = variables["params"]
    kernel = params["latent"]["kernel"]
    chosen = jnp.asarray(image)[order[: kernel.shape[1]]].reshape(-1, kernel.shape[0]).T
    kernel = kernel.at[:, : chosen.shape[1]].set(chosen * (_FIRST_NORM / np.sqrt(kernel.shape[0])))
    return model.init_from_data(
        {**variables, "params": {**params, "latent": {**params["latent"], "kernel": kernel}}}, data
    )


@jax.jit
def _as_images(centered: jax.Array) -> jax.Array:
    """Scales centered features [n, d] to norm √d, as images [n, 1, 1, d]; 0 stays 0."""
    size = centered.shape[1]
    norm = jnp.linalg.norm(centered, axis=1, keepdims=True)
    return (centered * (np.sqrt(size) / jnp.where(norm > 0, norm, 1.0))).reshape(-1, 1, 1, size)


def _keeps(model: KSparse, image: jax.Array) -> jax.Array:
    return model.encode(image) > 0
