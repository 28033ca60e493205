"""The convolutional winner-take-all autoencoder: each map of the code keeps one place (Makhzani and Frey, 2015)."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.autoencoders.winner_take_all import num_winners
from aejax.config import PositiveInt, Share, optional_part, traced
from aejax.data.load import Dataset
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.networks.convolution import Conv
from aejax.networks.convolutional import Convolutional, make_conv
from aejax.networks.layers import ACTIVATIONS, Activation, flatten, max_pool
from aejax.networks.patches import layers_above
from aejax.networks.zoo import Mirror, make_encoder
from aejax.objectives.likelihoods import HalfSquaredError
from aejax.objectives.selection import drop_below, kth_largest


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvLayerAbove:
    """A layer of maps above others: a convolutional winner-take-all autoencoder of their maxima over squares.

    It is trained for `training.epochs` once the layers below it are, and they stay as they are. Its decoder is linear,
    its loss half the squared error.
    """

    latent_size: PositiveInt = 256  # Maps.
    pool_below: PositiveInt = 4  # Side of the squares of the maps below, whose maxima it sees.
    kernel_size: PositiveInt = 3
    decoder_kernel_size: PositiveInt = 3
    rate: Share | None = traced(None)  # As of the first layer.
    pool: PositiveInt = 4  # Side of the squares of its own maps whose maxima classifiers are given.


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvWinnerTakeAllConfig(Family):
    """Loss: −log p(x | decode(encode(x))), where each map keeps its largest value, and the decoder is one layer.

    The latent is `latent_size` maps as large as the image: one more convolution after the encoder's. The defaults
    have the paper's filters: 5 × 5, 5 × 5, and 11 × 11 in the decoder. The PCA baseline has a component for each map.
    Classifiers are given the maxima over squares of the maps (`pool`).

    Layers above (`second`, `third`) are trained one after another, each on the maxima of the maps below it without
    sparsity. Classifiers are given the features of all layers, or of the last. The code and the reconstruction are
    those of the first layer.

    Source: Makhzani and Frey, "Winner-take-all autoencoders", 2015, section 3; of layers above, its section 3.1.

    Departures: the paper's decoder is linear; ours is so in the layers above, and in the first only with
    `likelihood.output=identity`. The paper gives classifiers the last layer's features alone.
    """

    CONDITIONAL: ClassVar[bool] = False

    kind: Literal["conv_winner_take_all"] = "conv_winner_take_all"
    encoder: Convolutional = Convolutional(widths=(64,), strides=(1,), kernel_size=5)
    decoder: Mirror = Mirror()  # No choice: one transposed convolution.
    latent_size: PositiveInt = 64  # Maps.
    latent_activation: Activation = "relu"
    decoder_kernel_size: PositiveInt = 11  # Of the transposed convolution that draws the image.
    rate: Share | None = traced(None)  # Share of the batch for which a map keeps its winner in training; null: all.
    pool: PositiveInt = 4  # Side of the squares whose maxima classifiers are given.
    two_sided: bool = False  # Whether they are given the negative maps too: where a filter fits with its sign turned.
    second: ConvLayerAbove | None = optional_part()  # A layer above; null: none.
    third: ConvLayerAbove | None = optional_part()  # One above that.
    features_of: Literal["all", "last"] = "all"  # Of which layers classifiers are given features.

    @property
    def above(self) -> tuple[ConvLayerAbove, ...]:
        """The layers above the first."""
        return tuple(layers_above(self).values())

    @property
    def num_above(self) -> int:
        """How many layers there are above the first: its own, or those of its patches."""
        return len(self.above) or super().num_above

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the encoder makes images smaller, or None."""
        del preprocessing
        if set(self.encoder.strides) != {1}:
            return f"encoder.strides={list(self.encoder.strides)}, but its maps are as large as the image; use [1]"
        if self.third is not None and self.second is None:
            return "there is a third layer, and no second one; set second, or third=null"
        if self.patches is not None and (self.above or self.patches.above):
            return "its layers above are of images; use second=null, patches.second=null"
        return None

    def misfits(self, config: Any, dataset: Dataset, others: Mapping[str, Dataset]) -> Iterator[str]:
        """Yields why it cannot be trained on a data set."""
        yield from super().misfits(config, dataset, others)
        height, width = dataset.train.image.shape[1:3]
        for name, layer in layers_above(self).items():
            if layer.pool_below > min(height, width):
                yield (
                    f"autoencoder.{name}.pool_below={layer.pool_below} does not fit {dataset.name}: "
                    f"the maps below are {height} x {width}"
                )
                return
            height, width = -(-height // layer.pool_below), -(-width // layer.pool_below)

    def of_maps(self, layer: ConvLayerAbove) -> "ConvWinnerTakeAllConfig":
        """The family by which a layer above is trained."""
        return ConvWinnerTakeAllConfig(
            encoder=dataclasses.replace(self.encoder, widths=(), kernel_size=layer.kernel_size),
            latent_size=layer.latent_size,
            latent_activation=self.latent_activation,
            decoder_kernel_size=layer.decoder_kernel_size,
            rate=layer.rate,
            pool=layer.pool,
            two_sided=self.two_sided,
            likelihood=HalfSquaredError(output="identity"),
        )


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
        shape = self.image_shape
        for name, layer in layers_above(config).items():
            rows, columns = (-(-size // layer.pool_below) for size in shape[:2])
            below = config.latent_size if name == "second" else config.above[0].latent_size
            shape = (rows, columns, below * (2 if config.two_sided else 1))
            setattr(self, name, ConvWinnerTakeAll(config.of_maps(layer), shape))

    @property
    def layers(self) -> tuple["ConvWinnerTakeAll", ...]:
        """Itself and the layers above."""
        return self, *(getattr(self, name) for name in layers_above(self.config))

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
        Those of the layers above follow.
        """
        features, x = [], image
        for layer, above in itertools.zip_longest(self.layers, self.config.above):
            maps = layer.preactivate(x, train=train)
            features.append(flatten(layer.pooled(maps, layer.config.pool)))
            if above is not None:
                x = layer.pooled(maps, above.pool_below)
        return jnp.concatenate(features, axis=1) if self.config.features_of == "all" else features[-1]

    def pooled(self, maps: jax.Array, size: int) -> jax.Array:
        """Returns the maxima of maps over squares, activated: [batch, ⌈height / size⌉, ⌈width / size⌉, maps].

        The activation comes after the pooling: of fewer numbers, and where it rises, as most do, the same maximum.
        """
        pooled = max_pool(maps, size)
        if self.config.two_sided:
            pooled = jnp.concatenate([pooled, max_pool(-maps, size)], axis=-1)
        return ACTIVATIONS[self.config.latent_activation](pooled)

    def above_terms(self, batch: Batch, *, train: bool, layer: int) -> dict[str, jax.Array]:
        """Returns how well a layer above reconstructs the maxima of the maps below it, [batch]."""
        x = batch.image
        for below, above in zip(self.layers[: layer + 1], self.config.above, strict=False):
            x = below.pooled(below.preactivate(x), above.pool_below)
        return self.layers[layer + 1].terms(batch._replace(image=jax.lax.stop_gradient(x)), train=train)

    def emit(self, latent: jax.Array, label: jax.Array | None = None, *, train: bool) -> jax.Array:
        """The decoder's own output, [batch, *output_shape]."""
        del label, train
        return self.decoder(latent.reshape(-1, *self.image_shape[:2], self.config.latent_size))
