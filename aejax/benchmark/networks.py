"""The networks that are compared, as aejax has them."""

import dataclasses
import math
from typing import Any

import flax.linen as nn
import jax

from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.autoencoders.zoo import FAMILIES, make_autoencoder
from aejax.data.resident import Batch
from aejax.networks.convolution import ConvolutionMethod
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.networks.layers import make_dense
from aejax.networks.masks import draw_masks, take_squares
from aejax.networks.vit import ViT, ViTEncoder
from aejax.objectives.likelihoods import HalfSquaredError, MeanSquaredError

_DIGIT = (28, 28, 1)
IMAGE_SHAPES = {"dense": _DIGIT, "vae": _DIGIT, "conv": _DIGIT, "flax conv": _DIGIT, "vit": (32, 32, 3)}
FAMILY = "family "  # Stands before the name of one.
VISIBLE_TOKENS = 16
LATENT_SIZE = 64
NUM_CLASSES = 10  # That a family with labels as latents has.


def of_family(kind: str) -> Any:
    """Returns a family's config with its defaults, but a network 784-256-32-256-784 where it allows that.

    Of discrete codes it is 784-256-codes-256-784: how long a code is, is part of the family.
    """
    config = FAMILIES.config(kind)
    if config().encoder.kind != "dense":
        return config()
    size = config().latent_size if config().DISCRETE else 32
    return dataclasses.replace(config(), encoder=Dense(widths=(256,)), latent_size=size)


def make_model(
    network: str, image_shape: tuple[int, ...], method: ConvolutionMethod | None = None, width: int = 256
) -> nn.Module:
    """Returns a model with `terms`.

    vae: a VAE 784-512-16-512-784 with ReLU and half the squared error of pixels behind a sigmoid. "family x": x at its
    defaults, as its page says.

    All others have the mean squared error of such pixels.
    dense: 784-256-784 with ReLU, or of another width. conv: 32 and 64 channels, kernel 3, stride 2, a latent of 64, and
    its mirror; "flax conv" the same of Flax's own layers. vit: 12 blocks of width 192 with 3 heads on 16 of 64 tokens
    of 4x4 pixels, and a dense layer that gives back the pixels of those tokens.
    """
    loss = MeanSquaredError()
    if network == "dense":
        config = PlainConfig(encoder=Dense(widths=()), latent_size=width, latent_activation="relu", likelihood=loss)
        return make_autoencoder(config, image_shape)
    if network == "conv":
        config = PlainConfig(encoder=Convolutional(method=method), latent_size=LATENT_SIZE, likelihood=loss)
        return make_autoencoder(config, image_shape)
    if network == "vae":
        return make_autoencoder(
            VaeConfig(encoder=Dense(widths=(512,)), latent_size=16, likelihood=HalfSquaredError()), image_shape
        )
    if network.startswith(FAMILY):
        return make_autoencoder(of_family(network.removeprefix(FAMILY)), image_shape, NUM_CLASSES)
    if network == "flax conv":
        return FlaxConvolutional()
    return VisiblePatches(ViT(patch_size=4, width=192, depth=12, heads=3))


class FlaxConvolutional(nn.Module):
    """The network "conv" as one would write it with Flax alone."""

    @nn.compact
    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the mean squared error, [batch]."""
        del train
        x = batch.image
        for width in (32, 64):
            x = nn.relu(nn.Conv(width, (3, 3), (2, 2))(x))
        shape = x.shape[1:]
        x = nn.Dense(LATENT_SIZE)(x.reshape(x.shape[0], -1))
        x = nn.relu(nn.Dense(math.prod(shape))(x)).reshape(-1, *shape)
        x = nn.relu(nn.ConvTranspose(32, (3, 3), (2, 2))(x))
        x = nn.ConvTranspose(1, (3, 3), (2, 2))(x)
        return {"reconstruction": MeanSquaredError().loss(x, batch.image)}


class VisiblePatches(nn.Module):
    """A ViT encoder that sees a random quarter of the tokens, and a dense layer back to their pixels."""

    config: ViT

    @nn.compact
    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the mean squared error over the visible patches, [batch]."""
        image, config = batch.image, self.config
        key = self.make_rng("noise") if self.has_rng("noise") else jax.random.key(0)
        grid = config.grid(image.shape[1:])
        visible = draw_masks(key, image.shape[0], grid, math.prod(grid) - VISIBLE_TOKENS, "random").visible
        tokens = ViTEncoder(config)(image, train=train, visible=visible)
        output = make_dense(config.patch_size**2 * image.shape[-1], "glorot_uniform")(tokens)
        target = take_squares(image, visible, config.patch_size).reshape(output.shape)
        return {"reconstruction": MeanSquaredError().loss(output, target)}
