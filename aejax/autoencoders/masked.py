"""The masked autoencoder: a transformer sees a few patches of an image and draws the others (He et al., 2022)."""

import dataclasses
import math
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.autoencoders.hiding import Hiding, HidingConfig
from aejax.config import PositiveInt
from aejax.data.preprocessing import Kind
from aejax.networks.layers import make_dense
from aejax.networks.masks import Masks, to_image
from aejax.networks.vit import TransformerBlock, ViT, ViTEncoder, sincos_positions
from aejax.networks.zoo import Mirror
from aejax.objectives.likelihoods import HalfSquaredError, Likelihood


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedConfig(HidingConfig):
    """Loss: −log p(hidden patches | visible patches), a sum over the pixels of the hidden patches alone.

    The encoder is given the tokens of the visible patches and no others, so a step takes less the more are hidden. A
    smaller decoder is given what the encoder makes of them, and the same learned token in the place of each hidden
    patch. Positions are fixed sines and cosines.

    The latent, which classifiers are given, is the mean of the encoder's tokens of all patches, or its class token,
    after the last normalisation. A latent by itself is decoded with every patch hidden. Reconstructions are of patches
    while they are hidden. With `normalize` each keeps the mean and deviation of its patch, and a latent by itself is
    decoded to pixels less that mean, over that deviation.

    With half the squared error the loss is ½ Σ (y − ŷ)² over the hidden pixels. The paper's is the mean of (y − ŷ)²:
    ours, times 2 / (hidden pixels and channels).

    Source: He, Chen, Xie, Li, Dollár and Girshick, "Masked autoencoders are scalable vision learners", 2022.

    Departures: encoder and decoder are as small as suits small images. With `pool=mean` the decoder is also given the
    mean of the visible tokens, in the place of the class token, which the paper always has; so a latent can be decoded.
    The mean is of normalised tokens, where the paper normalises the mean.
    """

    kind: Literal["masked"] = "masked"
    encoder: ViT = ViT()
    decoder: Mirror = Mirror()  # No choice: blocks like the encoder's, of the width and number below.
    latent_size: PositiveInt = 128  # No choice either: encoder.width.
    decoder_width: PositiveInt = 64  # Of a token in the decoder.
    decoder_depth: PositiveInt = 2  # Blocks of the decoder.
    pool: Literal["mean", "cls"] = "mean"  # What stands for an image: the mean of its tokens, or a learned one before.
    normalize: bool = True
    likelihood: Likelihood = HalfSquaredError(output="identity")

    @property
    def side(self) -> int:
        """The side of the patches, in pixels."""
        return self.encoder.patch_size

    @property
    def decoder_network(self) -> ViT:
        """The decoder's blocks."""
        return dataclasses.replace(self.encoder, width=self.decoder_width, depth=self.decoder_depth)

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that widths do not go together, or what hidden squares do not go with, or None."""
        if self.latent_size != self.encoder.width:
            return (
                f"latent_size={self.latent_size} and encoder.width={self.encoder.width}, but the latent is a token of "
                "the encoder, or their mean; set both alike"
            )
        if self.decoder_width % 4 or self.decoder_width % self.encoder.heads:
            heads = self.encoder.heads
            return (
                f"decoder_width={self.decoder_width} must be a multiple of 4 (positions) and of encoder.heads={heads}"
            )
        return super().conflict(preprocessing)


class Masked(Hiding):
    """The networks of `MaskedConfig`."""

    config: MaskedConfig

    def setup(self) -> None:
        """Makes the networks."""
        self.encoder = ViTEncoder(self.config.encoder, class_token=self.config.pool == "cls")
        self.decoder = MaskedDecoder(self.config.decoder_network, self.output_shape)
        self.make_scale()

    def preactivate(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent before its activation, [batch, latent_size], of all patches."""
        return self._pooled(self.encoder(image, train=train))[0]

    def predict(self, image: jax.Array, masks: Masks, *, train: bool) -> jax.Array:
        """Returns the likelihood's parameters for the hidden patches, [batch, hidden · side, side, outputs]."""
        pooled, tokens = self._pooled(self.encoder(image, train=train, visible=masks.visible))
        return self.complete(self.decoder(self.activate(pooled, train=train), tokens, masks))

    def _pooled(self, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the pooled tokens of images, [batch, width], and those of their patches, [batch, tokens, width]."""
        if self.config.pool == "cls":
            return tokens[:, 0], tokens[:, 1:]
        return jnp.mean(tokens, axis=1), tokens

    def emit(self, latent: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """The decoder's output for all patches, given the latent alone."""
        del label, train
        batch, grid = latent.shape[0], self.config.grid(self.image_shape)
        every = jnp.broadcast_to(jnp.arange(math.prod(grid))[None], (batch, math.prod(grid)))
        strip = self.decoder(latent, jnp.zeros((batch, 0, latent.shape[1]), latent.dtype), Masks(every[:, :0], every))
        side = self.config.side
        return to_image(strip.reshape(batch, -1, side, side, strip.shape[-1]), grid)


class MaskedDecoder(nn.Module):
    """[batch, width] and [batch, visible, width] -> squares as strips, [batch, hidden · side, side, outputs]."""

    config: ViT
    output_shape: tuple[int, ...]

    @nn.compact
    def __call__(self, latent: jax.Array, tokens: jax.Array, masks: Masks) -> jax.Array:
        """Returns the likelihood's parameters for the hidden squares.

        Args:
          latent: what stands for the image.
          tokens: of the visible squares, in the order of `masks.visible`.
          masks: which squares are visible and which are hidden.
        """
        config = self.config
        place = jnp.asarray(sincos_positions(config.grid(self.output_shape), config.width))[0]
        known = make_dense(config.width, config.initializer, name="embed")(
            jnp.concatenate([latent[:, None].astype(tokens.dtype), tokens], axis=1)
        )
        mask = self.param("mask", nn.initializers.normal(0.02), (config.width,))
        places = jnp.concatenate([jnp.zeros_like(place[masks.order[:, :1]]), place[masks.order]], axis=1)
        hidden = jnp.broadcast_to(mask[None, None], (*masks.hidden.shape, config.width))
        x = jnp.concatenate([known, hidden.astype(known.dtype)], axis=1) + places.astype(known.dtype)
        for index in range(config.depth):
            x = TransformerBlock(config, name=f"Block_{index}")(x)
        num_hidden, side, outputs = masks.hidden.shape[1], config.patch_size, self.output_shape[-1]
        x = nn.LayerNorm(dtype=x.dtype)(x[:, -num_hidden:])
        x = make_dense(side * side * outputs, config.initializer, name="squares")(x)
        return x.reshape(x.shape[0], num_hidden * side, side, outputs)
