"""The convolutional winner-take-all autoencoder: each map of the code keeps one place (Makhzani and Frey, 2015)."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder, Family
from aejax.autoencoders.winner_take_all import num_winners
from aejax.config import PositiveInt, Share, traced
from aejax.data.preprocessing import Kind
from aejax.networks.convolution import Conv
from aejax.networks.convolutional import Convolutional, make_conv
from aejax.networks.layers import ACTIVATIONS, Activation, flatten, max_pool
from aejax.networks.zoo import Mirror, make_encoder
from aejax.objectives.selection import drop_below, kth_largest


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvWinnerTakeAllConfig(Family):
    """Loss: −log p(x | decode(encode(x))), where each map keeps its largest value, and the decoder is one layer.

    The latent is `latent_size` maps as large as the image: one more convolution after the encoder's. The defaults
    have the paper's filters: 5 × 5, 5 × 5, and 11 × 11 in the decoder. The PCA baseline has a component for each map.
    Classifiers are given the maxima over squares of the maps (`pool`).

    Source: Makhzani and Frey, "Winner-take-all autoencoders", 2015, section 3.

    Departures: the paper's decoder is linear; ours is so only with `likelihood.output=identity`.
    """

    kind: Literal["conv_winner_take_all"] = "conv_winner_take_all"
    encoder: Convolutional = Convolutional(widths=(64,), strides=(1,), kernel_size=5)
    decoder: Mirror = Mirror()  # No choice: one transposed convolution.
    latent_size: PositiveInt = 64  # Maps.
    latent_activation: Activation = "relu"
    decoder_kernel_size: PositiveInt = 11  # Of the transposed convolution that draws the image.
    rate: Share | None = traced(None)  # Share of the batch for which a map keeps its winner in training; null: all.
    pool: PositiveInt = 4  # Side of the squares whose maxima classifiers are given.
    two_sided: bool = False  # Whether they are given the negative maps too: where a filter fits with its sign turned.

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the encoder makes images smaller, or None."""
        del preprocessing
        if set(self.encoder.strides) == {1}:
            return None
        return f"encoder.strides={list(self.encoder.strides)}, but its maps are as large as the image; use [1]"


class ConvWinnerTakeAll(Autoencoder):
    """The networks of `ConvWinnerTakeAllConfig`. Its code is the maps, flattened: height · width · latent_size."""

    config: ConvWinnerTakeAllConfig

    def setup(self) -> None:
        """Makes the networks: all of them convolutions of stride 1."""
        config, encoder = self.config, self.config.encoder
        self.encoder = make_encoder(encoder)
        self.maps = make_conv(encoder, config.latent_size, 1)
        self.decoder = Conv(
            self.output_shape[-1],
            config.decoder_kernel_size,
            1,
            encoder.initializer,
            transpose=True,
            method=encoder.method,
        )
        self.make_scale()

    def preactivate(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the maps before their activation, [batch, height, width, latent_size]."""
        return self.maps(self.encoder(image, train=train))

    def activate(self, preactivation: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the code, [batch, height · width · latent_size]: of each map the largest value, the winner.

        In training, if there is a `rate`, a map keeps its winner only for the images where it is largest.
        """
        maps = ACTIVATIONS[self.config.latent_activation](preactivation)
        threshold = jnp.max(maps, axis=(1, 2), keepdims=True)
        if train and self.config.rate is not None:
            rank = num_winners(self.config.rate, maps.shape[0])
            threshold = jnp.maximum(threshold, kth_largest(threshold, rank, axis=0).astype(maps.dtype))
        return flatten(drop_below(maps, threshold))

    def features(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the maps without sparsity, max-pooled: [batch, ⌈height / pool⌉ · ⌈width / pool⌉ · latent_size].

        If they are two-sided, there are twice as many. A filter and its negative as features of their own: Coates and
        Ng, "The importance of encoding versus training with sparse coding and vector quantization", 2011, section 3.
        The activation comes after the pooling: of fewer numbers, and where it rises, as most do, the same maximum.
        """
        maps = self.preactivate(image, train=train)
        pooled = max_pool(maps, self.config.pool)
        if self.config.two_sided:
            pooled = jnp.concatenate([pooled, max_pool(-maps, self.config.pool)], axis=-1)
        return flatten(ACTIVATIONS[self.config.latent_activation](pooled))

    def emit(self, latent: jax.Array, *, train: bool) -> jax.Array:
        """The decoder's own output, [batch, *output_shape]."""
        del train
        return self.decoder(latent.reshape(-1, *self.image_shape[:2], self.config.latent_size))
