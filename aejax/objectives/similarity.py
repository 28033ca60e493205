"""How alike two images look: structural similarity, of one scale and of several.

Images are shaped [batch, height, width, channels], pixels in [0, 1]; the values are per image, and at most 1.
"""

import math

import jax
import jax.numpy as jnp

_WINDOW, _SIGMA = 11, 1.5  # Of the Gaussian, in pixels.
_C1, _C2 = 0.01**2, 0.03**2  # (K1 L)² and (K2 L)² for a data range L of 1.

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Of the scales, the finest first.
SMALLEST_SIDE = 4  # In pixels, of the coarsest scale: below, a window has hardly any pixels to vary.
_LOWEST = 0.01  # Below, the similarity of a scale is bent, so that it stays positive.


def structural_similarity(image: jax.Array, reconstruction: jax.Array) -> jax.Array:
    """Returns the mean structural similarity of each image, [batch], at most 1.

    The mean is over channels and over the windows that lie inside the image: Gaussian windows of 11 x 11 pixels with a
    standard deviation of 1.5, or of the largest odd size that fits a smaller image.

    Source: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", 2004, equation 13, with K1 = .01 and K2 = .03.
    """
    luminance, structure = _similarities(image, reconstruction)
    return jnp.mean(luminance * structure, axis=(1, 2, 3))


def num_scales(height: int, width: int) -> int:
    """Returns at how many scales images of a size are compared: at most five, the coarsest of at least 4 x 4 pixels.

    A scale has half the height and width of the one before, rounded up.
    """
    num, side = 1, min(height, width)
    while num < len(WEIGHTS) and (side := -(-side // 2)) >= SMALLEST_SIDE:
        num += 1
    return num


def multiscale_similarity(image: jax.Array, reconstruction: jax.Array) -> jax.Array:
    """Returns the multi-scale structural similarity of each image, [batch], in (0, 1].

    It is the product over scales of the mean similarity of contrast and structure to the power of the scale's weight;
    at the coarsest, that of luminance enters too. The mean is over the windows of `structural_similarity`; the product
    is that of each channel, and its mean over channels is returned. A scale is the one before, averaged over squares of
    2 x 2 pixels; an odd last row or column is averaged with itself.

    Source: Wang, Simoncelli and Bovik, "Multiscale structural similarity for image quality assessment", 2003,
    equation 7 and the weights of section 3.

    Departures: small images have fewer scales (`num_scales`), whose weights are divided by their sum. A mean v below
    0.01 counts as 0.0001 / (0.02 − v): the power of a negative number does not exist, and 0 in its place would leave an
    image that is unlike its reconstruction without a gradient.
    """
    num = num_scales(*image.shape[1:3])
    weights = [weight / sum(WEIGHTS[:num]) for weight in WEIGHTS[:num]]
    logarithm = jnp.zeros((len(image), image.shape[-1]))
    for scale, weight in enumerate(weights):
        if scale > 0:
            image, reconstruction = _halved(image), _halved(reconstruction)
        luminance, structure = _similarities(image, reconstruction)
        is_coarsest = scale == num - 1
        mean = jnp.mean(luminance * structure if is_coarsest else structure, axis=(1, 2))
        logarithm += weight * jnp.log(_bent(mean))
    return jnp.mean(jnp.exp(logarithm), axis=1)


def _bent(value: jax.Array) -> jax.Array:
    """Returns a value that is at least `_LOWEST` as it is, and another as a positive number that rises with it."""
    below = _LOWEST**2 / (2 * _LOWEST - jnp.minimum(value, _LOWEST))
    return jnp.where(value < _LOWEST, below, value)


def _halved(image: jax.Array) -> jax.Array:
    """Returns the means over squares of 2 x 2 pixels, [batch, ⌈height / 2⌉, ⌈width / 2⌉, channels]."""
    batch, height, width, channels = image.shape
    even = jnp.pad(image, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    squares = even.reshape(batch, even.shape[1] // 2, 2, even.shape[2] // 2, 2, channels)
    return jnp.mean(squares, axis=(2, 4))


def _similarities(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the similarity of luminance, and that of contrast and structure, of each window of each channel."""
    # Three variances are not needed: only the sum of the two images' variances enters.
    mean_x, mean_y, square, product = _blur(jnp.stack([x, y, x * x + y * y, x * y]))
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    covariance = product - mean_x * mean_y
    return luminance, (2 * covariance + _C2) / (square - mean_x**2 - mean_y**2 + _C2)


def _blur(maps: jax.Array) -> jax.Array:
    """Returns maps [..., height, width, channels] averaged over every Gaussian window that fits.

    As a product with a banded matrix along each axis: XLA's convolutions are slow on a CPU.
    """
    height, width = maps.shape[-3:-1]
    window = min(_WINDOW, height, width)
    window -= 1 - window % 2
    rows, columns = _banded(height, window), _banded(width, window)
    # Variances are small differences of large means: TF32 would leave three digits of them.
    return jnp.einsum("ih,...hwc,jw->...ijc", rows, maps, columns, precision=jax.lax.Precision.HIGHEST)


def _banded(size: int, window: int) -> jax.Array:
    """Returns [size - window + 1, size]: row i holds the normalized Gaussian over pixels i to i + window - 1."""
    weights = [math.exp(-(((i - window // 2) / _SIGMA) ** 2) / 2) for i in range(window)]
    kernel = [weight / sum(weights) for weight in weights]
    rows = [[0.0] * i + kernel + [0.0] * (size - window - i) for i in range(size - window + 1)]
    return jnp.asarray(rows, jnp.float32)
