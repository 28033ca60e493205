"""What the programs of a trained model compute of a block of stored images, or of latents, by its variables."""

from collections.abc import Callable
from typing import Any

import jax

from aejax.data import preprocessing
from aejax.evaluation.suite import pooled
from aejax.samplers.drawing import draw_block, expected_images


def encode(trained: Any, variables: Any, block: jax.Array) -> Any:
    """The latents of stored images; of a posterior, its means."""
    return trained.model.apply(variables, preprocessing.apply(trained.preprocessing, block), method="encode")


def clusters(trained: Any, variables: Any, block: jax.Array) -> Any:
    """The clusters of stored images, of a family that has some."""
    return trained.model.apply(variables, preprocessing.apply(trained.preprocessing, block), method="clusters")


def decode(trained: Any, variables: Any, block: jax.Array, label: jax.Array | None = None) -> jax.Array:
    """The expected images of latents, perhaps with labels."""
    output = trained.model.config.likelihood.mean(trained.model.apply(variables, block, label, method="decode"))
    return preprocessing.invert(trained.preprocessing, output, output)


def reconstruct(trained: Any, variables: Any, block: jax.Array, label: jax.Array | None = None) -> jax.Array:
    """The reconstructions of stored images, perhaps with labels."""
    reconstruct = trained.represent(variables).reconstruct
    assert reconstruct is not None, "an autoencoder reconstructs"
    return reconstruct(block, label)


def posterior(trained: Any, variables: Any, block: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and log variance of the posterior of stored images."""
    density = trained.represent(variables).density
    assert density is not None, "the family has a posterior"
    mean, log_variance, _ = density.posterior(block)
    return mean, log_variance


def features(trained: Any, variables: Any, block: jax.Array) -> jax.Array:
    """What a study's classifiers are given of stored images."""
    return trained.represent(variables).encode(block)


def layer(trained: Any, variables: Any, block: jax.Array, name: str) -> jax.Array:
    """The features that a layer makes of stored images."""
    layers = trained.represent(variables).layers
    assert layers is not None, "every network has layers"
    return pooled(layers(block)[name])


def represented(trained: Any, variables: Any, block: jax.Array, function: Callable[..., Any], *constants: Any) -> Any:
    """What a function of the representation, stored images and constants gives."""
    return function(trained.represent(variables), block, *constants)


def draw(
    trained: Any,
    generator: Any,
    variables: Any,
    key: jax.Array,
    index: jax.Array,
    label: jax.typing.ArrayLike | None = None,
) -> jax.Array:
    """The block of images at an index of all that follow from a key, [IMAGES_AT_ONCE, height, width, channels].

    With a label it is of that class alone.
    """
    return draw_block(expected_images(generator, variables, trained.outline, label), key, index)
