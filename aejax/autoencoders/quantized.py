"""What every family with discrete codes has: a row of codes for each image, each one of finitely many vectors."""

import dataclasses
import math
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.config import PositiveInt
from aejax.data.preprocessing import Kind
from aejax.data.resident import ResidentData, map_examples
from aejax.networks.convolutional import StridedNetwork
from aejax.networks.layers import eigh, flatten, make_dense
from aejax.networks.zoo import examples_at_once

VECTORS_TO_WHITEN = 2**14


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuantizedConfig(Family):
    """The fields that all have whose codes are discrete."""

    LAYERWISE: ClassVar[bool] = False
    DISCRETE: ClassVar[bool] = True
    NEEDS_BIASES: ClassVar[bool] = True

    latent_size: PositiveInt = 16  # Numbers of a code's vector.
    num_positions: PositiveInt = 8  # Codes of an image, where the encoder gives no map: of a map each position has one.

    @property
    def num_categories(self) -> int:
        """How many values each index of a code takes."""
        raise NotImplementedError

    @property
    def num_codebooks(self) -> int:
        """How many indices, each of a codebook of its own, make up the code of a position."""
        return 1

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the latent has an activation, or None."""
        if self.latent_activation != "identity":
            return f"latent_activation={self.latent_activation}: what is quantized has no activation; use identity"
        return super().conflict(preprocessing)


class QuantizedAutoencoder(Autoencoder):
    """The networks of a family with discrete codes. The latent is the codes' vectors, one after another.

    An encoder that gives a map, with its mirror for a decoder, has a code for each position, in raster order, and
    the decoder is given a map. Of any other a dense layer makes `num_positions` codes. A family says what quantization
    is: `quantize`, `indices`, and `look_up`, which undoes the second.
    """

    config: Any  # A family whose DISCRETE is true.

    @property
    def position_shape(self) -> tuple[int, ...]:
        """The shape of an image's positions: (height, width) of the encoder's map, or (num_positions,)."""
        encoder = self.config.encoder
        if isinstance(encoder, StridedNetwork) and self.config.decoder.kind == "mirror":
            return encoder.map_shape(self.image_shape)[:2]
        return (self.config.num_positions,)

    def build_latent(self) -> nn.Module:
        """Returns the layer that gives what is quantized: of each position of a map, or of all codes at once."""
        size = self.config.latent_size * (1 if len(self.position_shape) == 2 else self.config.num_positions)
        return make_dense(size, self.config.encoder.initializer)

    def some_vectors(self, variables: Any, data: ResidentData, num: int) -> jax.Array:
        """Vectors to quantize, of some training images: [n, latent_size], with n at least `num` if there are so many.

        The model is not bound to any variables.
        """
        wanted = min(-(-num // math.prod(self.position_shape)), data.size("train"))
        chosen = data.evenly("train", wanted)

        def block(rows: jax.Array) -> Any:
            return self.apply(variables, data.batch("train", chosen[rows]).image, method="preactivate")

        vectors = map_examples(block, wanted, examples_at_once(self.config.encoder, self.image_shape))
        return vectors.reshape(-1, self.config.latent_size)

    def whiten(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with a layer of the latent that gives numbers spread alike.

        Over training images they have mean 0 and variance 1, and are not correlated.
        """
        size = self.config.latent_size
        vectors = self.some_vectors(variables, data, VECTORS_TO_WHITEN)
        mean = jnp.mean(vectors, axis=0)
        covariance = jnp.cov(vectors.T, bias=True).reshape(size, size)
        strength, axes = eigh(covariance)
        strength = jnp.maximum(strength, 1e-6 * strength[-1])
        whiten = (axes / jnp.sqrt(strength)[None]) @ axes.T

        def change(leaf: jax.Array) -> jax.Array:
            return (leaf.reshape(-1, size) @ whiten).reshape(leaf.shape)

        params = dict(variables["params"])
        kernel, bias = params["latent"]["kernel"], params["latent"]["bias"]
        shift = jnp.tile(mean, bias.size // size)
        return dict(variables) | {
            "params": params | {"latent": {"kernel": change(kernel), "bias": change(bias - shift)}}
        }

    def preactivate(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """The vectors to quantize, float32 [batch, codes, latent_size]."""
        hidden = self.encoder(image, train=train)
        vectors = self.latent(hidden if len(self.position_shape) == 2 else flatten(hidden))
        return vectors.reshape(image.shape[0], math.prod(self.position_shape), -1).astype(jnp.float32)

    def activate(self, preactivation: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent, [batch, codes · latent_size]."""
        return flatten(self.quantize(preactivation, train=train))

    def quantize(self, vectors: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns vectors [batch, codes, latent_size] with each the vector of its code, and their gradient."""
        raise NotImplementedError

    def indices(self, vectors: jax.Array) -> jax.Array:
        """Returns the codes of vectors that are to be quantized, int32 [batch, codes · codebooks]."""
        raise NotImplementedError

    def look_up(self, code: jax.Array) -> jax.Array:
        """Returns the vectors of codes int32 [batch, codes · codebooks], [batch, codes, latent_size]."""
        raise NotImplementedError

    def code(self, image: jax.Array) -> jax.Array:
        """Returns the code, int32 [batch, codes · codebooks] below `num_categories`."""
        return self.indices(self.preactivate(image))

    def decode_code(self, code: jax.Array, label: jax.Array | None = None) -> jax.Array:
        """Decodes codes int32 [batch, codes · codebooks]."""
        return self.decode(flatten(self.look_up(code)), label)

    def emit(self, latent: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """The decoder's own output, [batch, *output_shape]."""
        if len(self.position_shape) == 2:
            latent = latent.reshape(-1, *self.position_shape, self.config.latent_size)
        return super().emit(latent, label, train=train)


class GridAutoencoder(QuantizedAutoencoder):
    """The networks of a family whose codes are the points of a grid, which no training moves.

    What is quantized has to lie where the grid has its borders. An encoder as it is drawn gives numbers so close to 0
    that all codes are the same.
    """

    def init_from_data(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with the latent's layer such that codes differ; see `whiten`."""
        return self.whiten(variables, data)
