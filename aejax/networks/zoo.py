"""The networks by name. A new network is one file beside this one, with a config, an encoder and a decoder, and its
line here.

One description serves both directions: an encoder reads it from the image on, a decoder backwards. A decoder is the
mirror of its autoencoder's encoder unless it is given a description of its own.
"""

import dataclasses
from typing import Annotated, Any, Literal

import flax.linen as nn
import jax

from aejax.data.resident import images_at_once
from aejax.networks.convolutional import ConvolutionalDecoder, ConvolutionalEncoder, StridedNetwork
from aejax.networks.dense import DenseDecoder, DenseEncoder
from aejax.networks.lenet import LeNet, LeNetDecoder, LeNetEncoder
from aejax.networks.residual import ResidualDecoder, ResidualEncoder
from aejax.networks.vit import ViTDecoder, ViTEncoder
from aejax.registry import Registry


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mirror:
    """The encoder's description, read backwards."""

    kind: Literal["mirror"] = "mirror"

    def misfit(self, image_shape: tuple[int, ...]) -> str | None:
        """Returns None: it fits where the encoder fits."""
        del image_shape
        return None


NETWORKS: Registry[tuple[type[nn.Module], type[nn.Module]]] = Registry(
    "network",
    (
        (DenseEncoder, DenseDecoder),
        (ConvolutionalEncoder, ConvolutionalDecoder),
        (ResidualEncoder, ResidualDecoder),
        (LeNetEncoder, LeNetDecoder),
        (ViTEncoder, ViTDecoder),
    ),
)
Encoder = Annotated[Any, NETWORKS]
Decoder = Annotated[Any, NETWORKS.beside(Mirror)]


def examples_at_once(encoder: Encoder, image_shape: tuple[int, ...]) -> int:
    """Returns how many images of a shape a network is given at once outside training.

    On a CPU the maps of many leave the cache: of 1000, convolutions take more than twice as long as of 100.
    """
    most = images_at_once(image_shape)
    return min(100, most) if isinstance(encoder, StridedNetwork | LeNet) and jax.default_backend() == "cpu" else most


def has_biases(encoder: Encoder) -> bool:
    """Returns whether layers of a network add learned numbers, as those of networks do that have no choice."""
    return bool(getattr(encoder, "bias", True))


def make_encoder(config: Encoder) -> nn.Module:
    """Returns the network that a config describes: [batch, height, width, channels] -> features, [batch, ...]."""
    return NETWORKS[config.kind][0](config)


def make_decoder(config: Decoder, encoder: Encoder, image_shape: tuple[int, ...]) -> nn.Module:
    """Returns the network that a config describes: [batch, latent] -> [batch, *image_shape]."""
    description = encoder if config.kind == "mirror" else config
    return NETWORKS[description.kind][1](description, image_shape)
