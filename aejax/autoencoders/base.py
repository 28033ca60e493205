"""What every family of autoencoders has: an encoder, a latent, a decoder, a likelihood, and the terms of a loss."""

import dataclasses
from typing import Any, ClassVar

import flax.linen as nn
import jax

from aejax.config import PositiveInt
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.networks.dense import Dense
from aejax.networks.layers import ACTIVATIONS, Activation, flatten, make_dense
from aejax.networks.zoo import Decoder, Encoder, Mirror, make_decoder, make_encoder
from aejax.objectives.likelihoods import HalfSquaredError, Likelihood


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """The fields that every family's config has. TERMS are the names of the loss's terms."""

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction",)

    encoder: Encoder = Dense()
    decoder: Decoder = Mirror()
    latent_size: PositiveInt = 32
    latent_activation: Activation = "identity"
    likelihood: Likelihood = HalfSquaredError()

    def term_names(self) -> tuple[str, ...]:
        """Returns the names of the loss's terms: TERMS, unless they depend on the fields."""
        return self.TERMS

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns which fields of the family do not go together, or with the data's preprocessing; None if all do."""
        del preprocessing
        return None


class Autoencoder(nn.Module):
    """The networks of a family; images are float32 [batch, height, width, channels], preprocessed.

    A family overrides what it changes: `activate` if it works on the code, `terms` if it has a loss of its own.
    """

    config: Any  # A Family.
    image_shape: tuple[int, ...]

    def setup(self) -> None:
        """Makes the networks."""
        config = self.config
        self.encoder = make_encoder(config.encoder)
        self.latent = make_dense(config.latent_size, config.encoder.initializer)
        self.decoder = make_decoder(config.decoder, config.encoder, self.image_shape)

    def preactivate(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent before its activation, [batch, latent_size]."""
        return self.latent(flatten(self.encoder(image, train=train)))

    def activate(self, preactivation: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent, [batch, latent_size]; in training it may be random (stream "noise")."""
        del train
        return ACTIVATIONS[self.config.latent_activation](preactivation)

    def encode(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent, [batch, latent_size]; `train` is whether layers behave as in training."""
        return self.activate(self.preactivate(image, train=train), train=train)

    def features(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns what classifiers are given, [batch, size]: the latent, unless a family says otherwise."""
        return self.encode(image, train=train)

    def decode(self, latent: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the likelihood's parameters, [batch, height, width, channels]."""
        return self.decoder(latent, train=train)

    def reconstruct(self, image: jax.Array) -> jax.Array:
        """Returns the expected image under the likelihood, of the image's shape."""
        return self.config.likelihood.mean(self.decode(self.encode(image)))

    def reconstruction(self, latent: jax.Array, target: jax.Array, *, train: bool) -> jax.Array:
        """Returns −log p(target | latent), [batch], in nats (with `mean_squared_error`: per pixel)."""
        return self.config.likelihood.loss(self.decode(latent, train=train), target)

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the terms of the loss by the names in TERMS, weighted, each [batch]."""
        latent = self.encode(batch.image, train=train)
        return {"reconstruction": self.reconstruction(latent, batch.image, train=train)}
