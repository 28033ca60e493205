"""Masked images for any encoder: hidden squares have one learned color, and are drawn again (Xie et al., 2022)."""

import dataclasses
from typing import Literal

import flax.linen as nn
import jax

from aejax.autoencoders.hiding import Hiding, HidingConfig
from aejax.config import OpenRate, PositiveInt
from aejax.networks.convolutional import Convolutional
from aejax.networks.masks import Masks, cover, take_squares
from aejax.networks.zoo import Encoder


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimMimConfig(HidingConfig):
    """Loss: −log p(hidden squares | the image without them), a sum over the pixels of the hidden squares alone.

    Hidden squares of the input have a learned value for each channel, so images keep their size and every encoder
    serves. Outside training the latent is that of the whole image. Reconstructions are of squares while they are
    hidden.

    `likelihood=laplace` is the paper's L1: Σ abs(y − ŷ) / scale and a constant, where the paper has the mean.

    Source: Xie, Zhang, Cao, Lin, Bao, Yao, Dai and Hu, "SimMIM: a simple framework for masked image modeling", 2022.

    Departures: squares are predicted from the latent by the mirror of the encoder, or another decoder, not from the
    encoder's map by one layer. The paper's encoders are transformers, and have a learned token for a hidden patch; ours
    are given a learned color. The error is squared unless `likelihood=laplace`.
    """

    kind: Literal["simmim"] = "simmim"
    encoder: Encoder = Convolutional()  # The network from the image to the latent.
    latent_size: PositiveInt = 128  # Units of the latent.
    ratio: OpenRate = 0.6
    patch_size: PositiveInt = 4  # Side of the squares that are hidden or seen, in pixels.

    @property
    def side(self) -> int:
        """The side of the squares, in pixels."""
        return self.patch_size


class SimMim(Hiding):
    """The networks of `SimMimConfig`."""

    config: SimMimConfig

    def setup(self) -> None:
        """Makes the networks, and the color of hidden squares."""
        super().setup()
        self.mask = self.param("mask", nn.initializers.zeros, (self.image_shape[-1],))

    def predict(self, image: jax.Array, masks: Masks, *, train: bool) -> jax.Array:
        """Returns the likelihood's parameters for the hidden squares, [batch, hidden · side, side, outputs]."""
        latent = self.encode(cover(image, masks, self.config.side, self.mask), train=train)
        return take_squares(self.decode(latent, train=train), masks.hidden, self.config.side)
