"""The plain autoencoder: a code that reconstructs its input, and no other term (Hinton and Salakhutdinov, 2006)."""

import dataclasses
from typing import ClassVar, Literal

import flax.linen as nn
import jax

from aejax.config import PositiveInt
from aejax.data.resident import Batch
from aejax.networks.dense import Dense
from aejax.networks.layers import ACTIVATIONS, Activation, flatten, make_dense
from aejax.networks.zoo import Decoder, Encoder, Mirror, make_decoder, make_encoder
from aejax.objectives.likelihoods import HalfSquaredError, Likelihood


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plain:
    """Loss: −log p(x | decode(encode(x)))."""

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction",)

    kind: Literal["plain"] = "plain"
    encoder: Encoder = Dense()
    decoder: Decoder = Mirror()
    latent_size: PositiveInt = 32
    latent_activation: Activation = "identity"
    likelihood: Likelihood = HalfSquaredError()


class PlainAutoencoder(nn.Module):
    """The networks of a `Plain` config; images are float32 [batch, height, width, channels], preprocessed."""

    config: Plain
    image_shape: tuple[int, ...]

    def setup(self) -> None:
        """Makes the networks."""
        config = self.config
        self.encoder = make_encoder(config.encoder)
        self.latent = make_dense(config.latent_size, config.encoder.initializer)
        self.decoder = make_decoder(config.decoder, config.encoder, self.image_shape)

    def encode(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent, [batch, latent_size]; `train` is whether layers behave as in training."""
        features = flatten(self.encoder(image, train=train))
        return ACTIVATIONS[self.config.latent_activation](self.latent(features))

    def decode(self, latent: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the likelihood's parameters, [batch, height, width, channels]."""
        return self.decoder(latent, train=train)

    def reconstruct(self, image: jax.Array) -> jax.Array:
        """Returns the expected image under the likelihood, of the image's shape."""
        return self.config.likelihood.mean(self.decode(self.encode(image)))

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the terms of the loss, each [batch], in nats (with `mean_squared_error`: per pixel)."""
        output = self.decode(self.encode(batch.image, train=train), train=train)
        return {"reconstruction": self.config.likelihood.loss(output, batch.image)}
