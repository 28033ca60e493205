"""M2, the semi-supervised variational autoencoder: a label that is not known is a latent too (Kingma et al., 2014)."""

import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import optax

from aejax.autoencoders.with_posterior import PosteriorAutoencoder, WarmedUp, only_identity
from aejax.config import NonNegativeFloat, PositiveInt, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.networks.dense import Dense
from aejax.networks.layers import ACTIVATIONS, Activation, flatten, make_dense
from aejax.networks.zoo import Decoder, Encoder, make_encoder
from aejax.objectives.divergences import LOG_VARIANCES, uniform_kl
from aejax.objectives.posteriors import Draw, Posterior, draw_gaussian
from aejax.objectives.priors import StandardNormal


@dataclasses.dataclass(frozen=True, kw_only=True)
class M2Config(WarmedUp):
    """Loss: −log p(x|y, z) + KL(q(z|x, y) ‖ N(0, I)) + log C + classification_weight · (−log q(y|x)), y the label.

    C classes are all as likely, and z ~ q(z|x, y). The terms before the last are L(x, y). Of an image without a label
    the loss is U(x) = Σ_y q(y|x) L(x, y) − H(q(y|x)). L bounds −log p(x, y), and U bounds −log p(x). All classes are
    decoded in one pass, whether the label is known or not, so a step costs C decodings of each image.

    `condition` is always "label": to decode a code takes a label. An image is encoded and reconstructed with the label
    that q(y|x) finds most probable, never with its own. The scores of the classes
    are those of q(y|x), and the features for classifiers are its last hidden layer; the code is z.

    In `semi_supervised` its `weight` is α / N of the paper, 0.1 there: it weighs the mean over labelled images.

    Source: Kingma, Rezende, Mohamed and Welling, "Semi-supervised learning with deep generative models", 2014,
    equations 6 to 9.

    Departures: q(z|x, y) sees the label after the encoder's network, in one more hidden layer of `width` units, so that
    an image is encoded once for all classes. `classification_weight` is of those images of a batch that have a label,
    so it counts by their share.
    """

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction", "kl", "labels", "classification")
    POSTERIOR: ClassVar[bool] = False  # There is one, but of labels and codes together.
    CLASSIFIES: ClassVar[bool] = True

    kind: Literal["m2"] = "m2"
    condition: Literal["label"] = "label"  # No choice.
    classifier: Encoder = Dense()  # The network of q(y|x), up to its last hidden layer.
    width: PositiveInt = 256  # Of the hidden layer of q(z|x, y) in which image and label meet.
    activation: Activation = "relu"  # Of that layer.
    classification_weight: NonNegativeFloat = traced(0.1)  # Of −log q(y|x) of the images of a batch that have a label.

    @property
    def num_scores(self) -> int | None:
        """None: it has a score of each class that the data have."""
        return None

    @property
    def needs_label(self) -> bool:
        """False: an image is reconstructed by the label that is most probable."""
        return False

    @property
    def has_prior(self) -> bool:
        """True: codes are drawn to N(0, I)."""
        return True

    def networks(self) -> dict[str, Encoder | Decoder]:
        """Returns the descriptions of its networks by the names of their fields."""
        return super().networks() | {"classifier": self.classifier}

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the latent has an activation, or that the likelihood's scale is of a batch, or None."""
        if self.likelihood.SCALE == "batch":
            return (
                f"likelihood={self.likelihood.kind} has the σ that suits all classes of an image alike; use "
                "learned_gaussian"
            )
        return only_identity(self) or super().conflict(preprocessing)


class M2(PosteriorAutoencoder):
    """The networks of `M2Config`. The code is the mean of q(z|x, y), y the most probable class."""

    config: M2Config

    def setup(self) -> None:
        """Makes the networks: of images, of q(y|x), and what joins images and labels."""
        super().setup()
        config, initializer = self.config, self.config.encoder.initializer
        self.classifier = make_encoder(config.classifier)
        self.score = make_dense(self.num_labels, config.classifier.initializer)
        self.of_image = make_dense(config.width, initializer)
        self.of_label = make_dense(config.width, initializer, use_bias=False)
        self.log_variance = make_dense(config.latent_size, initializer)

    @property
    def num_labels(self) -> int:
        """How many classes there are; 1 where nobody asks for them, as for the names of layers."""
        return self.num_classes or 1

    def prior(self) -> StandardNormal:
        """Returns p(z)."""
        return StandardNormal(self.config.latent_size)

    def scores(self, image: jax.Array, *, train: bool) -> jax.Array:
        """The logits of q(y|x), [batch, classes]."""
        logits: jax.Array = self.score(self.features(image, train=train)).astype(jnp.float32)
        return logits

    def features(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """The features for classifiers, [batch, size]: the last hidden layer of q(y|x)."""
        return flatten(self.classifier(image, train=train))

    def posteriors(self, image: jax.Array, *, train: bool = False) -> Posterior:
        """Returns q(z|x, y) of each image with each class, [batch, classes, latent_size]."""
        of_image = self.of_image(flatten(self.encoder(image, train=train)))
        of_label = self.of_label(jnp.eye(self.num_labels, dtype=of_image.dtype))
        hidden = ACTIVATIONS[self.config.activation](of_image[:, None] + of_label[None])
        mean, log_variance = (layer(hidden).astype(jnp.float32) for layer in (self.latent, self.log_variance))
        return Posterior(mean, jnp.clip(log_variance, *LOG_VARIANCES))

    def guess(self, image: jax.Array) -> jax.Array:
        """The most probable class of each image, int32 [batch]."""
        return jnp.argmax(self.scores(image, train=False), axis=1).astype(jnp.int32)

    def posterior(self, image: jax.Array, *, train: bool = False) -> Posterior:
        """Returns q(z|x, y) of each image with its most probable class, [batch, latent_size]."""
        chosen = self.guess(image)[:, None, None]
        mean, log_variance, _ = self.posteriors(image, train=train)
        return Posterior(*(jnp.take_along_axis(x, chosen, axis=1)[:, 0] for x in (mean, log_variance)))

    def center(self, posterior: Posterior) -> jax.Array:
        """Returns the code of each image, [batch, latent_size], from its posterior."""
        return posterior.mean

    def draw(self, posterior: Posterior, key: jax.Array, num: int = 1) -> Draw:
        """Returns draws from each posterior, [num, batch, latent_size], and their densities."""
        return draw_gaussian(posterior, key, num)

    def reconstruct(self, image: jax.Array, label: jax.Array | None = None) -> jax.Array:
        """Returns the expected image under the likelihood, by the most probable class, whatever the label is."""
        del label
        return super().reconstruct(image, self.guess(image))

    def bounds(self, image: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        """Returns −log p(x|y, z) and KL(q(z|x, y) ‖ p(z)) of each image with each class, [batch, classes]."""
        each = jax.tree.map(lambda x: x.reshape(-1, x.shape[-1]), self.posteriors(image, train=train))
        latent = self.draw(each, self.noise_key(train=train)).first.latent
        label = jnp.tile(jnp.arange(self.num_labels), len(image))
        repeated = Batch(jnp.repeat(image, self.num_labels, axis=0), label)
        reconstruction = self.reconstruction(latent, repeated, train=train)
        divergence = self.prior().kl(each.mean, each.log_variance, latent)
        return reconstruction.reshape(len(image), -1), divergence.reshape(len(image), -1)

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the parts of L(x, y), or of U(x) where the label is -1, and the cross-entropy, [batch] each."""
        label = jnp.full(len(batch.image), -1) if batch.label is None else batch.label
        logits, (reconstruction, divergence) = (
            self.scores(batch.image, train=train),
            self.bounds(batch.image, train=train),
        )
        known = label >= 0
        one_hot = jax.nn.one_hot(label, self.num_labels)
        share = jnp.where(known[:, None], one_hot, jax.nn.softmax(logits, axis=1))
        entropy = optax.softmax_cross_entropy(logits, one_hot)  # 0 where there is no label.
        return {
            "reconstruction": jnp.sum(share * reconstruction, axis=1),
            "kl": self.warmth(batch) * jnp.sum(share * divergence, axis=1),
            "labels": jnp.where(known, jnp.log(float(self.num_labels)), uniform_kl(logits)),
            "classification": self.config.classification_weight * entropy,
        }
