"""Structural similarity against scikit-image and numpy, of one scale and of several."""

import itertools

import jax
import numpy as np
import pytest
from skimage import metrics

from aejax.objectives import similarity

SIMILARITIES = (similarity.structural_similarity, similarity.multiscale_similarity)
structural_similarity, multiscale_similarity = map(jax.jit, SIMILARITIES)
WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])


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


def in_numpy(x, y, num):
    """The multi-scale similarity of one channel, [height, width], in float64, by its definition, and its factors."""
    factors = []
    for scale in range(num):
        size = min(11, *x.shape)
        size -= 1 - size % 2
        distance = np.arange(size) - size // 2
        kernel = np.exp(-(distance[:, None] ** 2 + distance**2) / (2 * 1.5**2))
        kernel /= kernel.sum()

        def mean(z, kernel=kernel):
            return (np.lib.stride_tricks.sliding_window_view(z, kernel.shape) * kernel).sum(axis=(2, 3))

        mean_x, mean_y = mean(x), mean(y)
        variances = mean(x**2) - mean_x**2 + mean(y**2) - mean_y**2
        similarities = (2 * (mean(x * y) - mean_x * mean_y) + 0.03**2) / (variances + 0.03**2)
        if scale == num - 1:
            similarities = similarities * (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
        factors.append(similarities.mean())
        x, y = map(halved, (x, y))
    return np.prod(np.array(factors) ** (WEIGHTS[:num] / WEIGHTS[:num].sum())), factors


def halved(z):
    rows = np.concatenate([z, z[-1:]]) if len(z) % 2 else z
    even = np.concatenate([rows, rows[:, -1:]], axis=1) if rows.shape[1] % 2 else rows
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


@pytest.mark.parametrize(
    ("shape", "num"), [((2, 50, 64, 3), 5), ((2, 28, 28, 1), 4), ((2, 13, 9, 2), 2), ((2, 4, 5, 1), 1)]
)
def test_the_similarity_of_several_scales_is_numpys(shape, num):
    image, noisy = pair(shape)
    found = multiscale_similarity(image, noisy)
    expected = []
    for x, y in zip(image.astype(np.float64), noisy.astype(np.float64), strict=True):
        channels = [in_numpy(x[..., channel], y[..., channel], num) for channel in range(shape[-1])]
        assert min(factor for _, factors in channels for factor in factors) > 0.01
        expected.append(np.mean([value for value, _ in channels]))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(multiscale_similarity(image, image), 1, rtol=1e-6)


def test_images_have_as_many_scales_as_leave_four_pixels():
    sides = (1, 4, 6, 7, 8, 12, 13, 24, 25, 28, 32, 48, 49, 64, 500)
    assert [similarity.num_scales(side, 500) for side in sides] == [1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 4, 5, 5, 5]
    assert similarity.num_scales(64, 7) == 2


def test_the_less_alike_images_are_the_lower_is_the_similarity_down_to_their_negatives():
    """Where the factors are negative, too: an image's negative has a gradient that leads to the image."""
    image = pair((1, 16, 16, 1))[0]

    @jax.jit
    @jax.value_and_grad
    def of_mixture(share):  # 0: the image, 1: its negative.
        return similarity.multiscale_similarity(image, (1 - share) * image + share * (1 - image)).sum()

    values, slopes = zip(*(of_mixture(share) for share in (0.1, 0.4, 0.5, 0.6, 0.9)), strict=True)
    assert np.all(np.diff(values) < 0)
    assert min(values) > 0
    assert max(slopes) < -1e-4


@pytest.mark.parametrize("similar", SIMILARITIES)
def test_values_and_gradients_are_finite_on_flat_images_and_on_opposite_ones(similar):
    slope = jax.jit(jax.value_and_grad(lambda x, y: similar(x, y).sum()))
    flat = [np.full((2, 12, 12, 1), level, np.float32) for level in (0, 1)]
    board = np.broadcast_to(np.indices((12, 12)).sum(axis=0)[None, :, :, None] % 2, (2, 12, 12, 1)).astype(np.float32)
    for one, other in itertools.product([*flat, board, 1 - board], repeat=2):
        value, gradient = slope(one, other)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
