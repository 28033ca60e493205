"""Dense networks with a step at each layer: an encoder that may be corrupted, and a decoder that sees every step of it.

Source: Rasmus, Valpola, Honkala, Berglund and Raiko, "Semi-supervised learning with ladder networks", 2015, algorithm 1
and appendix B.
"""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.networks.dense import Dense
from aejax.networks.layers import ACTIVATIONS, Activation, flatten, make_dense

EPSILON = 1e-6  # Added to variances.
DECAY = 0.99  # Of the running means and variances, from some 100 batches on.
UNSCALED: tuple[Activation, ...] = ("identity", "relu", "leaky_relu")  # What a scale passes through.


class Noise(NamedTuple):
    """Gaussian noise, of the image and of every layer."""

    key: jax.Array
    of_image: jax.typing.ArrayLike  # Standard deviations.
    of_layers: jax.typing.ArrayLike

    def at(self, layer: int, shape: tuple[int, ...]) -> jax.Array:
        """Draws the noise of a layer, float32; 0 is the image."""
        scale = jnp.asarray(self.of_layers if layer else self.of_image)
        return scale * jax.random.normal(jax.random.fold_in(self.key, layer), shape)


class Rung(NamedTuple):
    """What a path has at a layer: z and h = activation(scale · (z + bias)), float32 [batch, size].

    z is the layer's product with the input, standardized by a mean and a deviation, [size], and perhaps corrupted.
    """

    z: jax.Array
    h: jax.Array
    mean: jax.Array
    deviation: jax.Array


class BatchMoments(nn.Module):
    """The mean and deviation of each unit: in training those of the batch, outside running ones, in `batch_stats`."""

    size: int

    def setup(self) -> None:
        """Makes the running statistics."""
        self.mean = self.variable("batch_stats", "mean", jnp.zeros, (self.size,))
        self.variance = self.variable("batch_stats", "variance", jnp.ones, (self.size,))
        self.num_averaged = self.variable("batch_stats", "num_averaged", jnp.zeros, (), jnp.int32)

    def moments(self, x: jax.Array, *, train: bool, note: bool = True) -> tuple[jax.Array, jax.Array]:
        """Returns the mean and the deviation, float32 [size], for x [batch, size].

        In training the running ones follow, with `note`.
        """
        if not train:
            return self.mean.value, jnp.sqrt(self.variance.value + EPSILON)
        mean, variance = jnp.mean(x, axis=0), jnp.var(x, axis=0)
        if note:
            num = self.num_averaged.value
            share = jnp.maximum(1 - DECAY, 1 / (1.0 + num))
            self.mean.value += share * (mean - self.mean.value)
            self.variance.value += share * (variance - self.variance.value)
            self.num_averaged.value = num + 1
        return mean, jnp.sqrt(variance + EPSILON)


class LadderLayer(nn.Module):
    """A dense layer of the encoder: its product is standardized, perhaps corrupted, moved, scaled and activated."""

    size: int
    config: Dense
    activation: Activation
    is_scaled: bool

    def setup(self) -> None:
        """Makes the layer."""
        self.dense = make_dense(self.size, self.config.initializer, use_bias=False)
        self.statistics = BatchMoments(self.size)
        self.bias = self.param("bias", nn.initializers.zeros, (self.size,))
        if self.is_scaled:
            self.scale = self.param("scale", nn.initializers.ones, (self.size,))

    def __call__(self, h: jax.Array, *, train: bool) -> jax.Array:
        """Returns h of the clean path, float32 [batch, size]."""
        return self.climb(h, None, train=train).h

    def climb(self, h: jax.Array, noise: jax.Array | None, *, train: bool) -> Rung:
        """Returns the layer's rung. Only the clean path, without noise, is what running statistics follow."""
        x = self.dense(h).astype(jnp.float32)
        mean, deviation = self.statistics.moments(x, train=train, note=noise is None)
        z = (x - mean[None]) / deviation[None]
        z = z if noise is None else z + noise
        moved = z + self.bias.astype(jnp.float32)[None]
        moved = moved * self.scale.astype(jnp.float32)[None] if self.is_scaled else moved
        return Rung(z, ACTIVATIONS[self.activation](moved), mean, deviation)


class LadderEncoder(nn.Module):
    """[batch, height, width, channels] -> [batch, latent_size], layer by layer; the last has no activation."""

    config: Dense
    latent_size: int

    def setup(self) -> None:
        """Makes the layers."""
        config = self.config
        is_scaled = config.activation not in UNSCALED
        hidden = [LadderLayer(width, config, config.activation, is_scaled) for width in config.widths]
        self.layers = [*hidden, LadderLayer(self.latent_size, config, "identity", is_scaled=True)]

    def __call__(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the last layer's h on the clean path."""
        h = flatten(image)
        for layer in self.layers:
            h = layer(h, train=train)
        return h

    def climb(self, image: jax.Array, noise: Noise | None, *, train: bool) -> list[Rung]:
        """Returns the path from the image, which is its first rung, to the latent; without noise the clean one."""
        z = flatten(image)
        z = z if noise is None else z + noise.at(0, z.shape)
        rungs = [Rung(z, z, jnp.zeros(z.shape[1]), jnp.ones(z.shape[1]))]
        for index, layer in enumerate(self.layers, 1):
            drawn = None if noise is None else noise.at(index, (len(z), layer.size))
            rungs.append(layer.climb(rungs[-1].h, drawn, train=train))
        return rungs


class Combinator(nn.Module):
    """Estimates z of a layer from its corrupted z and from u, what the layer above says: ten parameters a unit.

    (z − μ(u)) v(u) + μ(u) with μ(u) = a₁ sigmoid(a₂ u + a₃) + a₄ u + a₅ and v(u) = a₆ sigmoid(a₇ u + a₈) + a₉ u + a₁₀:
    the best estimate of a Gaussian z given a Gaussian observation, where u says its mean and how much noise there is.
    """

    size: int

    @nn.compact
    def __call__(self, u: jax.Array, z: jax.Array | None = None) -> jax.Array:
        """Returns the estimate, float32 [batch, size]; of no z μ(u), what u alone lets expect."""

        def begin(_: jax.Array, shape: tuple[int, ...]) -> jax.Array:
            return jnp.zeros(shape).at[jnp.array([1, 6])].set(1.0)

        a = self.param("a", begin, (10, self.size)).astype(jnp.float32)[:, None]
        mean = a[0] * jax.nn.sigmoid(a[1] * u + a[2]) + a[3] * u + a[4]
        if z is None:
            return mean
        share = a[5] * jax.nn.sigmoid(a[6] * u + a[7]) + a[8] * u + a[9]
        return (z - mean) * share + mean


class LadderDecoder(nn.Module):
    """From the latent and the rungs of a path to estimates of every layer's z, down to the image's."""

    config: Dense
    latent_size: int
    image_shape: tuple[int, ...]

    def setup(self) -> None:
        """Makes the layers, numbered from the image on."""
        sizes = (math.prod(self.image_shape), *self.config.widths, self.latent_size)
        self.dense = [make_dense(size, self.config.initializer, use_bias=False) for size in sizes[:-1]]
        self.statistics = [BatchMoments(size) for size in sizes]
        self.combinators = [Combinator(size) for size in sizes]

    def __call__(self, latent: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the image that the latent alone lets expect, [batch, *image_shape]."""
        return self.descend(latent, None, train=train)[0].reshape(-1, *self.image_shape)

    def descend(self, latent: jax.Array, z: list[jax.Array] | None, *, train: bool) -> list[jax.Array]:
        """Returns the estimates from the image on, float32 [batch, size] each.

        Args:
          latent: h of the last layer, before its softmax.
          z: of a path, from the image on; None: nothing is known of them.
          train: whether statistics are those of the batch.
        """
        last = len(self.dense)
        estimates: list[jax.Array] = []
        for index in range(last, -1, -1):
            above = self.dense[index](estimates[-1]) if estimates else jax.nn.softmax(latent)
            above = above.astype(jnp.float32)
            mean, deviation = self.statistics[index].moments(above, train=train)
            u = (above - mean[None]) / deviation[None]
            estimates.append(self.combinators[index](u, None if z is None else z[index]))
        return estimates[::-1]
