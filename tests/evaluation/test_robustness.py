"""Corruptions against what their names say, and what is measured of corrupted images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.evaluation import robustness
from aejax.evaluation.robustness import NUM_IMAGES, STRENGTHS, accuracies, corrupt, describe

SIDE = 16  # A power of two: shares of it are exact.
corrupt = jax.jit(corrupt, static_argnums=0)


@pytest.fixture(scope="module")
def images():
    """Blurred random images in [0, 1]."""
    coarse = np.random.default_rng(0).uniform(0, 1, (24, 4, 4, 2))
    return np.kron(coarse, np.ones((1, 4, 4, 1))).astype(np.float32)


def shifted(image, rows, columns):
    """An image moved by whole pixels, with zeros in the place of what rolls over."""
    moved = np.roll(image, (rows, columns), (0, 1))
    for axis, by in enumerate((rows, columns)):
        index = np.arange(SIDE)
        keep = index >= by if by > 0 else index < SIDE + by
        moved = moved * (keep[:, None, None] if axis == 0 else keep[None, :, None])
    return moved


def test_a_shift_by_whole_pixels_is_a_roll_filled_with_zeros(images):
    ways = set()
    for image, result in zip(images, corrupt("shift", images, 3 / SIDE), strict=True):
        same = [(r, c) for r in (-3, 3) for c in (-3, 3) if np.array_equal(shifted(image, r, c), result)]
        assert len(same) == 1
        ways |= set(same)
    assert len(ways) == 4  # Every image has its own direction.


def test_occlusion_covers_a_gray_square_and_nothing_else(images):
    for share, side in ((0.125, 2), (0.625, 10)):
        changed = np.asarray(corrupt("occlusion", images, share)) != images
        np.testing.assert_array_equal(changed.any(3).sum((1, 2)), side**2)
        for axis in (1, 2):
            np.testing.assert_array_equal(changed.any((axis, 3)).sum(1), side)
    np.testing.assert_array_equal(np.asarray(corrupt("occlusion", images, 0.625))[changed], 0.5)
    assert len({tuple(np.argwhere(one)[0]) for one in changed}) > 5  # In places of their own.


def test_contrast_keeps_a_share_of_the_distance_from_the_mean(images):
    mean = images.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(corrupt("contrast", images, 0.3), mean + 0.3 * (images - mean), atol=1e-6)


def test_noise_has_its_standard_deviation_and_differs_between_images(images):
    gray = np.full_like(images, 0.5)
    noise = np.asarray(corrupt("noise", gray, 0.1)) - 0.5
    assert noise.std() == pytest.approx(0.1, rel=0.02)
    assert abs(noise.mean()) < 0.005
    assert np.abs(np.corrcoef(noise.reshape(24, -1)) - np.eye(24)).max() < 0.2


def test_blur_spreads_a_point_by_its_standard_deviation_and_keeps_what_is_flat(images):
    gray = np.full_like(images, 0.7)
    np.testing.assert_allclose(corrupt("blur", gray, 0.1), gray, atol=1e-6)
    point = np.zeros_like(images)
    point[:, 8, 8] = 1
    blurred = np.asarray(corrupt("blur", point, 0.1))[0, :, :, 0]
    assert blurred.sum() == pytest.approx(1, abs=5e-3)  # Near an edge the weights of what is inside grow.
    assert (blurred.sum(1) * (np.arange(SIDE) - 8) ** 2).sum() == pytest.approx((0.1 * SIDE) ** 2, rel=0.05)


def test_a_rotation_by_nothing_is_none_and_by_a_quarter_is_rot90(images):
    np.testing.assert_allclose(corrupt("rotation", images, 0.0), images, atol=1e-6)
    ways = set()
    for image, result in zip(images, corrupt("rotation", images, 90.0), strict=True):
        inner = np.s_[1:-1, 1:-1]  # Rounding may put the edge outside.
        same = [k for k in (1, 3) if np.allclose(np.rot90(image, k)[inner], result[inner], atol=1e-5)]
        assert len(same) == 1
        ways |= set(same)
    assert len(ways) == 2


@pytest.mark.parametrize("name", STRENGTHS)
def test_severities_are_steps_away_from_the_clean_image(images, name):
    results = [np.asarray(corrupt(name, images, strength)) for strength in STRENGTHS[name]]
    errors = [np.square(result - images).mean() for result in results]
    assert len(errors) == 5
    assert errors[0] > 0
    assert errors == sorted(set(errors)), errors
    assert min(result.min() for result in results) >= 0
    assert max(result.max() for result in results) <= 1


def flat(image):
    return image.reshape(len(image), -1)


def test_errors_are_against_the_clean_image_and_features_of_the_corrupted(images):
    stored = np.round(255 * images).astype(np.uint8)
    clean = stored.astype(np.float32) / 255
    metrics, features = jax.jit(lambda: describe(flat, lambda image: image / 2, stored))()
    for index, name in enumerate(STRENGTHS):
        for severity, strength in enumerate(STRENGTHS[name], 1):
            expected = np.asarray(corrupt(name, clean, strength))
            error = metrics.pop(f"test_{name}_{severity}_mse")
            np.testing.assert_allclose(error, np.square(expected / 2 - clean).mean(), rtol=1e-4)
            of = features[robustness.CORRUPTED][5 * index + severity - 1]
            np.testing.assert_allclose(of, flat(expected), atol=1e-5)
    assert list(metrics) == ["test_corrupted_mse"]


def test_no_more_images_are_corrupted_than_can_be_kept():
    stored = np.zeros((NUM_IMAGES + 1, 2, 2, 1), np.uint8)
    shapes = jax.eval_shape(lambda: describe(flat, None, stored))
    assert shapes[0] == {}
    assert shapes[1][robustness.CORRUPTED].shape == (30, NUM_IMAGES, 4)


def test_accuracies_are_named_by_corruption_and_severity():
    label = np.arange(90) % 3
    features = np.repeat(np.eye(3)[label][None, :80], 30, axis=0)
    features[9] = 0  # Everything is taken to be of class 0.
    result = accuracies(lambda x, y: jnp.mean(jnp.argmax(x, axis=1) == y), features, label)
    blurred, mean = result.pop("test_blur_5_probe_accuracy"), result.pop("test_corrupted_probe_accuracy")
    assert len(result) == 29
    assert set(map(float, result.values())) == {1.0}
    assert blurred == pytest.approx(27 / 80)
    assert mean == pytest.approx((29 + 27 / 80) / 30)
