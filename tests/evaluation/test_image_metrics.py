import itertools

import jax
import numpy as np
import pytest
from skimage import metrics

from aejax.evaluation.image_metrics import mean_squared_error, peak_signal_to_noise_ratio


@pytest.mark.parametrize("metric", [mean_squared_error, peak_signal_to_noise_ratio])
def test_values_and_gradients_are_finite_on_flat_images(metric):
    slope = jax.jit(jax.value_and_grad(lambda x, y: metric(x, y).sum()))
    levels = [np.full((2, 12, 12, 1), level, np.float32) for level in (0, 1)]
    for flat, other in itertools.product(levels, repeat=2):
        value, gradient = slope(flat, other)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


def test_errors_are_those_of_scikit_image():
    generator = np.random.default_rng(0)
    image, noisy = generator.uniform(size=(2, 3, 8, 8, 3)).astype(np.float32)
    squared = [metrics.mean_squared_error(x, y) for x, y in zip(image, noisy, strict=True)]
    ratio = [metrics.peak_signal_noise_ratio(x, y, data_range=1) for x, y in zip(image, noisy, strict=True)]
    found, ratio_of = jax.jit(mean_squared_error), jax.jit(peak_signal_to_noise_ratio)
    np.testing.assert_allclose(found(image, noisy), squared, rtol=1e-5)
    np.testing.assert_allclose(ratio_of(image, noisy), ratio, rtol=1e-5)
    np.testing.assert_allclose(ratio_of(image, image), 100, rtol=1e-6)
