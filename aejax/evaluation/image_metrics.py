"""How close a reconstruction is to its image, pixel by pixel: per image, pixels in [0, 1].

Images are shaped [batch, height, width, channels]. How alike they look: `aejax.objectives.similarity`.
"""

import jax
import jax.numpy as jnp

_SMALLEST_ERROR = 1e-10


def mean_squared_error(image: jax.Array, reconstruction: jax.Array) -> jax.Array:
    """Returns the mean of (image − reconstruction)² over each image's pixels and channels, [batch]."""
    return jnp.mean(jnp.square(image - reconstruction), axis=tuple(range(1, image.ndim)))


def peak_signal_to_noise_ratio(image: jax.Array, reconstruction: jax.Array) -> jax.Array:
    """Returns −10 log₁₀ MSE of each image, [batch], in dB for a peak of 1.

    The error is taken to be at least 1e-10, so an exact reconstruction has 100 dB and means over images stay finite.
    """
    return -10 * jnp.log10(jnp.maximum(mean_squared_error(image, reconstruction), _SMALLEST_ERROR))
