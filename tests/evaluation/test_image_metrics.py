import itertools

import jax
import numpy as np
import pytest
from skimage import metrics

from aejax.evaluation import image_metrics

METRICS = (
    image_metrics.mean_squared_error,
    image_metrics.peak_signal_to_noise_ratio,
    image_metrics.structural_similarity,
)
mean_squared_error, peak_signal_to_noise_ratio, structural_similarity = map(jax.jit, METRICS)


def pair(shape):
    """Smooth images and noisy copies, both in [0, 1]."""
    generator = np.random.default_rng(0)
    image = np.cumsum(generator.uniform(-0.2, 0.2, shape), axis=1) % 1
    noisy = np.clip(image + generator.normal(0, 0.1, shape), 0, 1)
    return image.astype(np.float32), noisy.astype(np.float32)


@pytest.mark.parametrize("shape", [(3, 28, 28, 1), (2, 11, 11, 1), (2, 32, 20, 3)])
def test_structural_similarity_is_that_of_scikit_image(shape):
    image, noisy = pair(shape)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    expected = [
        metrics.structural_similarity(x, y, channel_axis=-1, **options) for x, y in zip(*pair(shape), strict=True)
    ]
    np.testing.assert_allclose(structural_similarity(image, noisy), expected, atol=1e-5)


def test_structural_similarity_of_a_small_image_uses_a_window_of_7():
    image, noisy = pair((3, 8, 8, 1))
    distance = np.arange(-3, 4)
    kernel = np.exp(-(distance[:, None] ** 2 + distance**2) / (2 * 1.5**2))
    kernel /= kernel.sum()

    def similarity(x, y):
        mean = lambda z: (kernel * z).sum()  # noqa: E731
        variance = lambda a, b: mean(a * b) - mean(a) * mean(b)  # noqa: E731
        top = (2 * mean(x) * mean(y) + 0.01**2) * (2 * variance(x, y) + 0.03**2)
        return top / ((mean(x) ** 2 + mean(y) ** 2 + 0.01**2) * (variance(x, x) + variance(y, y) + 0.03**2))

    windows = [(slice(i, i + 7), slice(j, j + 7), 0) for i in range(2) for j in range(2)]
    expected = [np.mean([similarity(x[w], y[w]) for w in windows]) for x, y in zip(image, noisy, strict=True)]
    np.testing.assert_allclose(structural_similarity(image, noisy), expected, atol=1e-5)


def test_structural_similarity_is_symmetric_and_1_for_equal_images():
    image, noisy = pair((2, 16, 16, 1))
    np.testing.assert_allclose(structural_similarity(image, noisy), structural_similarity(noisy, image), rtol=1e-6)
    np.testing.assert_allclose(structural_similarity(image, image), 1, rtol=1e-6)
    assert structural_similarity(image[:, :1, :1], noisy[:, :1, :1]).shape == (2,)


@pytest.mark.parametrize("metric", METRICS)
def test_values_and_gradients_are_finite_on_flat_images(metric):
    slope = jax.jit(jax.value_and_grad(lambda x, y: metric(x, y).sum()))
    levels = [np.full((2, 12, 12, 1), level, np.float32) for level in (0, 1)]
    for flat, other in itertools.product(levels, repeat=2):
        value, gradient = slope(flat, other)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


def test_errors_are_those_of_scikit_image():
    image, noisy = pair((3, 8, 8, 3))
    squared = [metrics.mean_squared_error(x, y) for x, y in zip(image, noisy, strict=True)]
    ratio = [metrics.peak_signal_noise_ratio(x, y, data_range=1) for x, y in zip(image, noisy, strict=True)]
    np.testing.assert_allclose(mean_squared_error(image, noisy), squared, rtol=1e-5)
    np.testing.assert_allclose(peak_signal_to_noise_ratio(image, noisy), ratio, rtol=1e-5)
    np.testing.assert_allclose(peak_signal_to_noise_ratio(image, image), 100, rtol=1e-6)
