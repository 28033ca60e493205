"""A classifier with an autoencoder's encoder, which labels train."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from aejax.data.resident import Batch
from aejax.networks.layers import make_dense

AUTOENCODER = "autoencoder"  # What a classifier calls the autoencoder in it.


class Classifier(nn.Module):
    """An autoencoder's encoder up to its features, and a linear layer to the classes: supervised or fine-tuned.

    A family that `classifies` has the scores of the classes itself.
    """

    autoencoder: nn.Module
    num_classes: int
    frozen: bool = False  # Whether the encoder behaves as outside training, without noise or statistics of batches.
    mixup: ArrayLike | None = (
        None  # In training images and labels are mixed by a draw of Beta(mixup, mixup); None: not.
    )

    def setup(self) -> None:
        """Makes the linear layer."""
        if not self.autoencoder.config.classifies:
            self.head = make_dense(self.num_classes, "lecun_normal")

    def encode(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the autoencoder's features, [batch, size]."""
        return self.autoencoder.features(image, train=train and not self.frozen)

    def classify(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the logits of the classes, float32 [batch, num_classes]."""
        if self.autoencoder.config.classifies:
            scores: jax.Array = self.autoencoder.scores(image, train=train and not self.frozen)
        else:
            scores = self.head(self.encode(image, train=train))
        return scores.astype(jnp.float32)

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the cross-entropy of the label, [batch], in nats; with `mixup`, in training, that of mixed labels.

        An image x of class y and the one before it in the batch, x' of y', become λ x + (1 − λ) x', whose label is y
        with the probability λ, and y' otherwise; λ is the batch's draw.

        Source: Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization", 2018, equation 2.
        """
        assert batch.label is not None, "a classifier is trained by labels"
        entropy = optax.softmax_cross_entropy_with_integer_labels
        if self.mixup is None or not train:
            return {"cross_entropy": entropy(self.classify(batch.image, train=train), batch.label)}
        share = jax.random.beta(self.make_rng("noise"), self.mixup, self.mixup)
        mixed = share * batch.image + (1 - share) * jnp.roll(batch.image, 1, axis=0)
        logits = self.classify(mixed, train=train)
        other = entropy(logits, jnp.roll(batch.label, 1))
        return {"cross_entropy": share * entropy(logits, batch.label) + (1 - share) * other}
