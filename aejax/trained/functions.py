"""What a trained model makes of stored images and codes: pure functions of it (a `Trained`), variables and arrays."""

from collections.abc import Callable
from typing import Any

import jax

from aejax.data import preprocessing
from aejax.evaluation.suite import pooled
from aejax.samplers.drawing import draw_block, expected_images


def encode(trained: Any, variables: Any, block: jax.Array) -> Any:
    """The latents of stored images, by a model with these variables."""
    return trained.model.apply(variables, preprocessing.apply(trained.preprocessing, block), method="encode")


def decode(trained: Any, variables: Any, block: jax.Array) -> jax.Array:
    """The expected images of latents, likewise."""
    output = trained.model.config.likelihood.mean(trained.model.apply(variables, block, method="decode"))
    return preprocessing.invert(trained.preprocessing, output, output)


def reconstruct(trained: Any, variables: Any, block: jax.Array) -> jax.Array:
    """The images that the model makes of stored ones, on the scale of [0, 1]."""
    function = trained.represent(variables).reconstruct
    assert function is not None, "an autoencoder reconstructs"
    return function(block)


def posterior(trained: Any, variables: Any, block: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and log variance of the posterior of each stored image."""
    density = trained.represent(variables).density
    assert density is not None, "the family has a posterior"
    mean, log_variance = density.posterior(block)
    return mean, log_variance


def features(trained: Any, variables: Any, block: jax.Array) -> jax.Array:
    """The features of stored images, likewise."""
    return trained.represent(variables).encode(block)


def layer(trained: Any, variables: Any, block: jax.Array, name: str) -> jax.Array:
    """What a layer of the encoder gives of stored images, pooled."""
    layers = trained.represent(variables).layers
    assert layers is not None, "every network has layers"
    return pooled(layers(block)[name])


def draw_images(trained: Any, generator: Any, variables: Any, key: jax.Array, index: jax.Array) -> jax.Array:
    """Draws the block of images at an index of all that follow from a key, IMAGES_AT_ONCE of them."""
    return draw_block(expected_images(generator, variables, trained.outline), key, index)


def represented(trained: Any, variables: Any, block: jax.Array, function: Callable[..., Any]) -> Any:
    """What a function makes of the model's representation and stored images."""
    return function(trained.represent(variables), block)
