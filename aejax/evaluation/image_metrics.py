"""How close a reconstruction is to its image: per image, pixels in [0, 1], shaped [batch, height, width, channels]."""

import math

import jax
import jax.numpy as jnp

_WINDOW, _SIGMA = 11, 1.5  # Of SSIM's Gaussian, in pixels.
_C1, _C2 = 0.01**2, 0.03**2  # (K1 L)² and (K2 L)² for a data range L of 1.
_SMALLEST_ERROR = 1e-10


def mean_squared_error(image: jax.Array, reconstruction: jax.Array) -> jax.Array:
    """Returns the mean of (image − reconstruction)² over each image's pixels and channels, [batch]."""
    return jnp.mean(jnp.square(image - reconstruction), axis=tuple(range(1, image.ndim)))


def peak_signal_to_noise_ratio(image: jax.Array, reconstruction: jax.Array) -> jax.Array:
    """Returns −10 log₁₀ MSE of each image, [batch], in dB for a peak of 1.

    The error is taken to be at least 1e-10, so an exact reconstruction has 100 dB and means over images stay finite.
    """
    return -10 * jnp.log10(jnp.maximum(mean_squared_error(image, reconstruction), _SMALLEST_ERROR))


def structural_similarity(image: jax.Array, reconstruction: jax.Array) -> jax.Array:
    """Returns the mean structural similarity of each image, [batch], at most 1.

    The mean is over channels and over the windows that lie inside the image: Gaussian windows of 11 x 11 pixels with a
    standard deviation of 1.5, or of the largest odd size that fits a smaller image.

    Source: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", 2004, equation 13, with K1 = .01 and K2 = .03.
    """
    x, y = image, reconstruction
    # Three variances are not needed: only the sum of the two images' variances enters.
    mean_x, mean_y, square, product = _blur(jnp.stack([x, y, x * x + y * y, x * y]))
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    covariance = product - mean_x * mean_y
    structure = (2 * covariance + _C2) / (square - mean_x**2 - mean_y**2 + _C2)
    return jnp.mean(luminance * structure, axis=(1, 2, 3))


def _blur(maps: jax.Array) -> jax.Array:
    """Returns maps [..., height, width, channels] averaged over every Gaussian window that fits.

    As a product with a banded matrix along each axis: XLA's convolutions are slow on a CPU.
    """
    height, width = maps.shape[-3:-1]
    window = min(_WINDOW, height, width)
    window -= 1 - window % 2
    blur = lambda size: _banded(size, window)  # noqa: E731
    # Variances are small differences of large means: TF32 would leave three digits of them.
    return jnp.einsum("ih,...hwc,jw->...ijc", blur(height), maps, blur(width), precision=jax.lax.Precision.HIGHEST)


def _banded(size: int, window: int) -> jax.Array:
    """Returns [size - window + 1, size]: row i holds the normalized Gaussian over pixels i to i + window - 1."""
    weights = [math.exp(-(((i - window // 2) / _SIGMA) ** 2) / 2) for i in range(window)]
    kernel = [weight / sum(weights) for weight in weights]
    rows = [[0.0] * i + kernel + [0.0] * (size - window - i) for i in range(size - window + 1)]
    return jnp.asarray(rows, jnp.float32)
