"""What an autoencoder's features are compared with: the same evaluation of pixels, PCA and classifying networks."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from aejax.autoencoders.base import Family
from aejax.autoencoders.quantized import Quantized
from aejax.data import preprocessing
from aejax.data.resident import Batch, ResidentData, images_at_once, map_examples
from aejax.evaluation import pca
from aejax.evaluation.codebook import Codes
from aejax.evaluation.few_labels import Known, fit_few_labels
from aejax.evaluation.likelihood import Density
from aejax.evaluation.probe import standardize
from aejax.evaluation.suite import Representation
from aejax.networks.layers import make_dense
from aejax.networks.named import with_layers
from aejax.networks.zoo import examples_at_once

AUTOENCODER = "autoencoder"  # What a classifier calls the autoencoder in it.


class Classifier(nn.Module):
    """An autoencoder's encoder up to its features, and a linear layer to the classes: supervised or fine-tuned."""

    autoencoder: nn.Module
    num_classes: int
    frozen: bool = False  # Whether the encoder behaves as outside training, without noise or statistics of batches.

    def setup(self) -> None:
        """Makes the linear layer."""
        self.head = make_dense(self.num_classes, "lecun_normal")

    def encode(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the autoencoder's features, [batch, size]."""
        return self.autoencoder.features(image, train=train and not self.frozen)

    def classify(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the logits of the classes, float32 [batch, num_classes]."""
        return self.head(self.encode(image, train=train)).astype(jnp.float32)

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the cross-entropy of the label, [batch], in nats."""
        logits = self.classify(batch.image, train=train)
        return {"cross_entropy": optax.softmax_cross_entropy_with_integer_labels(logits, batch.label)}


def begin_with_probe(classifier: Classifier, variables: Any, data: ResidentData) -> Any:
    """Returns the classifier's variables with the probe of its encoder's features for the linear layer.

    The probe is fitted to the training images, its strength chosen by the validation images; both standardize it.
    """
    known: dict[str, Known] = {}
    for split in ("train", "validation"):
        encode = lambda indices: classifier.apply(variables, data.batch(split, indices).image, method="encode")  # noqa: E731, B023
        size = data.size(split)
        at_once = examples_at_once(classifier.autoencoder.config.encoder, classifier.autoencoder.image_shape)
        features = map_examples(encode, size, at_once) if size else known["train"].features[:0]
        known[split] = Known(features, jnp.asarray(data.label[split]))
    mean, scale = standardize(jnp.concatenate([part.features for part in known.values()]))
    fit, _ = fit_few_labels(
        known["train"], known["validation"], num_classes=classifier.num_classes, standardization=(mean, scale)
    )
    kernel = scale[:, None] * fit.weights[0]
    head = {"kernel": kernel, "bias": fit.bias[0] - jnp.matmul(mean, kernel, precision=jax.lax.Precision.HIGHEST)}
    return dict(variables) | {"params": dict(variables["params"]) | {"head": head}}


def represent_model(
    apply: Callable[..., Any], data: ResidentData, *, family: Family | None, at_once: int
) -> Representation:
    """Returns what a trained model offers.

    Args:
      apply: applies the model's method of a name to what follows it.
      data: whose preprocessing stands between stored images and the model.
      at_once: the most images that it is given in a block.
      family: of an autoencoder; None: the model is a `Classifier`.
    """

    def seen(stored: jax.Array) -> jax.Array:
        return preprocessing.apply(data.preprocessing, stored)

    def call(method: str) -> Callable[[jax.Array], Any]:
        return lambda stored: apply(method, seen(stored))

    def reconstruct(stored: jax.Array) -> jax.Array:
        return preprocessing.invert(data.preprocessing, call("reconstruct")(stored), stored)

    features = call("features" if family else "encode")

    def layers(stored: jax.Array) -> dict[str, jax.Array]:
        outputs = with_layers(lambda: features(stored))[1]
        return {name.removeprefix(f"{AUTOENCODER}/"): output for name, output in outputs.items()}

    if family is not None:
        distortion = lambda latent, stored: apply("reconstruction", latent, seen(stored), train=False)  # noqa: E731
        return Representation(
            features,
            reconstruct=reconstruct,
            layers=layers,
            at_once=at_once,
            density=Density(call("posterior"), distortion, family.likelihood.DISCRETE, lambda: apply("prior"))
            if family.POSTERIOR
            else None,
            codes=Codes(call("code"), family.num_categories, family.num_codebooks)
            if isinstance(family, Quantized)
            else None,
        )
    return Representation(features, classify=call("classify"), layers=layers, at_once=at_once)


def represent_pixels(data: ResidentData) -> Representation:
    """Returns the images themselves, flattened, in [0, 1] and without preprocessing."""

    def encode(stored: jax.Array) -> jax.Array:
        return preprocessing.to_unit(stored).reshape(stored.shape[0], -1)

    return Representation(encode, at_once=images_at_once(data.image["train"].shape[1:]))


def represent_pca(data: ResidentData, size: int) -> Representation:
    """Returns projections on the leading principal axes of the training images: `size` of them, or all there are.

    Of fewer images than that, what is beyond their number is 0.
    """
    images = jnp.asarray(data.image["train"])
    axes = pca.fit_pca(images, min(size, images[0].size))

    def encode(stored: jax.Array) -> jax.Array:
        return pca.project(axes, stored)

    def reconstruct(stored: jax.Array) -> jax.Array:
        return pca.reconstruct(axes, encode(stored), stored.shape[1:])

    return Representation(encode, reconstruct, at_once=images_at_once(images.shape[1:]))
