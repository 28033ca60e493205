"""Tied weights: a dense autoencoder that decodes with the transposes of the kernels it encodes with."""

import dataclasses
from typing import ClassVar, Literal

import flax.linen as nn
import jax

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.data.preprocessing import Kind
from aejax.networks.dense import TransposedDenseDecoder, encoder_kernels


@dataclasses.dataclass(frozen=True, kw_only=True)
class TiedConfig(Family):
    """Loss: −log p(x | decode(encode(x))), where each layer W x + b of the encoder has a layer Wᵀ h + b′ to mirror it.

    The biases are each direction's own.

    Source: Vincent et al., "Stacked denoising autoencoders", 2010.

    Departures: nothing is corrupted; in the paper the autoencoders are denoising.
    """

    CONDITIONAL: ClassVar[bool] = False
    LAYERWISE: ClassVar[bool] = False
    NEEDS_BIASES: ClassVar[bool] = True

    kind: Literal["tied"] = "tied"

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns which network cannot be tied, or None."""
        if self.encoder.kind != "dense":
            return f"encoder={self.encoder.kind} has no kernels to transpose; use dense"
        if self.decoder.kind != "mirror":
            return f"decoder={self.decoder.kind} cannot share the encoder's kernels; use mirror"
        if self.likelihood.outputs(1) > 1:
            return f"likelihood={self.likelihood.kind} needs several outputs a pixel, and the encoder reads one"
        return super().conflict(preprocessing)


class Tied(Autoencoder):
    """The networks of `TiedConfig`."""

    config: TiedConfig

    def build_decoder(self) -> nn.Module:
        """Returns the network from the latent and the encoder's kernels to the image."""
        assert self.config.encoder.kind == "dense", "a conflict, which the check of the config refuses"
        return TransposedDenseDecoder(self.config.encoder, self.image_shape)

    def emit(self, latent: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """The decoder's own output, [batch, *output_shape]."""
        del label, train
        params = self.variables["params"]
        hidden = encoder_kernels(params.get("encoder", {}))  # Without hidden layers the encoder has no parameters.
        return self.decoder(latent, [*hidden, params["latent"]["kernel"]])
