"""The network by whose features images are compared: a small classifier, trained here by a recipe that never changes.

Inception's features, by which published distances are measured, take weights that nobody can make again without
ImageNet. This network takes half a minute, and depends on nothing but the data. Distances in its features are no FID.
"""

import dataclasses
import hashlib
import json
from typing import Any, NamedTuple

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from aejax.autoencoders.plain import Plain, PlainConfig
from aejax.cache import cached_arrays
from aejax.config import to_tree
from aejax.data.load import Dataset
from aejax.data.preprocessing import to_unit
from aejax.data.resident import make_resident, map_examples
from aejax.data.streamed import raise_failure
from aejax.evaluation.classifier import Classifier
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.networks.zoo import examples_at_once
from aejax.training.config import TrainingConfig
from aejax.training.fit import fit
from aejax.training.optimizers import Adam, Cosine
from aejax.training.step import Stage, Task, steps_per_epoch

NUM_FEATURES = 64
NUM_STEPS = 2000
OPTIMIZER = Adam(learning_rate=1e-3, schedule=Cosine())
TRAINING = TrainingConfig(batch_size=128)
SEED = 0


class FeatureNetwork(NamedTuple):
    """A trained classifier; `accuracy` is its share of test images that are classified right."""

    classifier: Classifier
    variables: Any  # Arrays in host memory.
    scale: float  # By which features are divided: their mean square over the test images is then 1.
    accuracy: float

    @property
    def name(self) -> str:
        """What a study calls it: networks of one name are the same to the last bit."""
        leaves = jax.tree.leaves(self.variables)
        return "classifier-" + hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in leaves)).hexdigest()[:8]

    def features(self, variables: Any, image: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns features [n, NUM_FEATURES], and which class each image seems to be of, int32 [n].

        Args:
          variables: the network's, as arguments of a compiled function.
          image: as stored, [n, height, width, channels].
        """

        def block(indices: jax.Array) -> tuple[jax.Array, jax.Array]:
            x = to_unit(image[indices])
            features: Any = self.classifier.apply(variables, x, method="encode")
            logits: Any = self.classifier.apply(variables, x, method="classify")
            return features / self.scale, jnp.argmax(logits, axis=1)

        autoencoder = self.classifier.autoencoder
        return map_examples(block, len(image), examples_at_once(autoencoder.config.encoder, autoencoder.image_shape))


def feature_network(dataset: Dataset) -> FeatureNetwork:
    """Returns the network of a labelled data set, from the user's cache, or trained on its training images."""
    assert dataset.num_classes is not None, "a classifier needs labels"
    shape = dataset.train.image.shape[1:]
    convolutional = Convolutional(widths=(32, 64))
    encoder = Dense(widths=(256, 128)) if convolutional.misfit(shape) else convolutional
    family = PlainConfig(encoder=encoder, latent_size=NUM_FEATURES, latent_activation="relu")
    classifier = Classifier(Plain(family, shape), dataset.num_classes)
    recipe = [to_tree(family), to_tree(OPTIMIZER), to_tree(TRAINING), NUM_STEPS, SEED, dataset.fingerprint]
    key = hashlib.sha256(json.dumps([*recipe, jax.__version__, jax.default_backend()]).encode()).hexdigest()[:16]
    arrays = cached_arrays(f"features-{key}", lambda: _train(classifier, dataset))
    scale, accuracy = (float(arrays.pop(name)) for name in ("scale", "accuracy"))
    return FeatureNetwork(classifier, flax.traverse_util.unflatten_dict(arrays, sep="/"), scale, accuracy)


def _train(classifier: Classifier, dataset: Dataset) -> dict[str, np.ndarray]:
    """Returns the trained variables by their paths, and the accuracy on test images."""
    data = jax.device_put(make_resident(dataset, "none").with_labels(), jax.local_devices()[0])
    epochs = -(-NUM_STEPS // steps_per_epoch(TRAINING, data))
    task = Task(classifier, OPTIMIZER, dataclasses.replace(TRAINING, epochs=epochs), SEED, (Stage(epochs),))
    variables = jax.device_get(fit(task, data).variables)
    network = FeatureNetwork(classifier, variables, 1.0, 0.0)
    features, predictions = jax.jit(network.features)(variables, data.image["test"])
    scale, accuracy = jnp.sqrt(jnp.mean(jnp.square(features))), jnp.mean(predictions == data.label["test"])
    facts = {"scale": np.asarray(scale), "accuracy": np.asarray(accuracy)}
    raise_failure()  # Before it is kept: a network of images that could not be read is of black ones.
    return {**flax.traverse_util.flatten_dict(variables, sep="/"), **facts}
