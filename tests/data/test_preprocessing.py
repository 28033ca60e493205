"""Preprocessing: undone exactly, fitted to nothing but the training images, and white where it says so."""

import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.data import preprocessing
from aejax.data.resident import make_resident

KINDS = typing.get_args(preprocessing.Kind)
WHITENING = ("pca", "zca")
apply, invert, to_unit = map(jax.jit, (preprocessing.apply, preprocessing.invert, preprocessing.to_unit))


def images(count=200, shape=(4, 3, 2), seed=0):
    """Returns uint8 images of correlated pixels with different means and deviations."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    values = rng.normal(size=(count, size)) @ rng.normal(size=(size, size)) * 8 + rng.uniform(90, 160, size)
    return np.clip(values, 0, 255).astype(np.uint8).reshape(count, *shape)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_invert_undoes_apply(kind, dtype):
    stored = images() if dtype == np.uint8 else (images() / 255).astype(np.float32)
    fitted = preprocessing.fit(kind, stored[:150])
    x = apply(fitted, stored)
    assert x.dtype == jnp.float32
    assert x.shape == stored.shape
    np.testing.assert_allclose(invert(fitted, x, stored), to_unit(stored), atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_leading_axes_jit_and_vmap_change_nothing(kind):
    stored = images(12)
    fitted = preprocessing.fit(kind, images())
    expected = preprocessing.apply(fitted, stored)
    several = apply(fitted, stored.reshape(3, 4, 4, 3, 2))
    np.testing.assert_allclose(np.reshape(several, expected.shape), expected, atol=1e-5)
    one = jax.jit(jax.vmap(preprocessing.apply, in_axes=(None, 0)))(fitted, stored)
    np.testing.assert_allclose(one, expected, atol=1e-5)


def test_none_gives_pixels_in_the_unit_interval():
    stored = np.array([0, 51, 255], np.uint8).reshape(1, 1, 3, 1)
    np.testing.assert_allclose(np.ravel(apply(preprocessing.fit("none", stored), stored)), [0, 0.2, 1], rtol=1e-6)


def test_standardize_gives_each_pixel_mean_zero_and_variance_one():
    stored = images()
    x = np.asarray(apply(preprocessing.fit("standardize", stored), stored))
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(0), 1, atol=1e-5)


def test_per_image_gives_each_image_mean_zero_and_variance_one():
    stored = images()
    x = np.asarray(apply(preprocessing.fit("per_image", stored), stored))
    np.testing.assert_allclose(x.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std((1, 2, 3)), 1, atol=1e-5)


def test_per_channel_gives_each_channel_of_each_image_mean_zero_and_variance_one():
    stored = images()
    x = np.asarray(apply(preprocessing.fit("per_channel", stored), stored))
    unit = stored / 255
    expected = (unit - unit.mean((1, 2), keepdims=True)) / unit.std((1, 2), keepdims=True)
    np.testing.assert_allclose(x, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(x.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std((1, 2)), 1, atol=1e-5)


def test_global_contrast_gives_each_image_mean_zero_and_absolute_deviation_one_and_training_images_the_unit_interval():
    train, test = images(60), images(30, seed=1)
    fitted = preprocessing.fit("global_contrast", train)

    def normalized(stored):
        unit = stored.reshape(len(stored), -1) / 255
        centered = unit - unit.mean(axis=1, keepdims=True)
        return centered / np.abs(centered).mean(axis=1, keepdims=True)

    low, high = normalized(train).min(), normalized(train).max()
    for stored in (train, test):
        expected = (normalized(stored) - low) / (high - low)
        np.testing.assert_allclose(np.reshape(apply(fitted, stored), expected.shape), expected, atol=1e-5)
    x = np.asarray(apply(fitted, train))
    assert (x.min(), x.max()) == pytest.approx((0, 1), abs=1e-5)


@pytest.mark.parametrize("kind", WHITENING)
def test_whitening_gives_identity_covariance(kind):
    stored = np.random.default_rng(0).integers(0, 256, (3000, 3, 3, 2), np.uint8)
    x = np.asarray(apply(preprocessing.fit(kind, stored), stored)).reshape(3000, -1)
    np.testing.assert_allclose(np.cov(x.T, bias=True), np.eye(18), atol=1e-4)


def test_statistics_do_not_depend_on_how_images_are_grouped(monkeypatch):
    stored = images()
    whole = preprocessing.fit("zca", stored)
    monkeypatch.setattr(preprocessing, "IMAGES_AT_ONCE", 7)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), whole, preprocessing.fit("zca", stored)
    )


def test_pca_orders_components_by_variance_and_keeps_them_all():
    stored = images()
    rotation = preprocessing.fit("pca", stored).forward
    variance = np.sum(rotation**2, axis=0) ** -1  # A column is an axis of length 1, divided by its deviation.
    assert rotation.shape == (24, 24)
    assert np.all(np.diff(variance) <= 1e-6)


def test_zca_leaves_white_images_as_they_are():
    rng = np.random.default_rng(0)
    stored = rng.choice(np.array([0, 255], np.uint8), (4000, 2, 2, 1))  # Independent: zca only centers and rescales.
    x = apply(preprocessing.fit("zca", stored), stored)
    np.testing.assert_allclose(x, np.where(stored > 0, 1.0, -1.0), atol=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_flat_images_stay_finite_and_invertible(kind):
    stored = np.full((5, 2, 2, 1), 128, np.uint8)
    fitted = preprocessing.fit(kind, stored)
    for image in (stored, np.full((5, 2, 2, 1), 255, np.uint8)):
        x = apply(fitted, image)
        assert np.all(np.isfinite(x))
        np.testing.assert_allclose(invert(fitted, x, image), to_unit(image), atol=1e-5)


@pytest.mark.parametrize("kind", ["per_image", "per_channel", "global_contrast"])
def test_gradient_at_a_flat_image_is_finite(kind):
    fitted = preprocessing.fit(kind, images(shape=(2, 2, 1)))
    gradient = jax.jit(jax.grad(lambda image: preprocessing.apply(fitted, image).sum()))(
        np.full((2, 2, 1), 0.5, np.float32)
    )
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("kind", ["standardize", *WHITENING])
def test_pixel_constant_in_training_is_not_blown_up(kind):
    stored = images(shape=(2, 2, 1))
    stored[:, 0, 0, 0] = 0
    fitted = preprocessing.fit(kind, stored)
    stored[:, 0, 0, 0] = 255
    variance = (stored[:, 1:] / 255).var(0).mean()
    assert np.abs(np.asarray(apply(fitted, stored))).max() < 2 / np.sqrt(preprocessing.VARIANCE_FLOOR * variance)


def test_arrays_are_leaves_and_the_kind_is_static():
    fitted = preprocessing.fit("zca", images())
    assert [leaf.shape for leaf in jax.tree.leaves(fitted)] == [(1, 24), (24, 24), (24, 24)]
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(fitted))
    assert jax.tree.leaves(preprocessing.fit("per_image", images())) == []
    assert jax.tree.structure(fitted) != jax.tree.structure(preprocessing.fit("pca", images()))


@pytest.mark.parametrize("count", [1, 2, 9, 23])
@pytest.mark.parametrize("kind", WHITENING)
def test_few_images_are_whitened_as_by_the_matrices_of_all_pairs_of_pixels(kind, count):
    train, test = images(count), images(30, seed=1)
    fitted = preprocessing.fit(kind, train)
    assert max(leaf.size for leaf in jax.tree.leaves(fitted)) <= 24 * max(count, 1)
    rows = train.reshape(count, -1) / 255
    centered = rows - rows.mean(0)
    variance, axes = np.linalg.eigh(centered.T @ centered / count)
    variance, axes = variance[::-1], axes[:, ::-1]
    deviation = np.sqrt(np.maximum(variance, preprocessing.VARIANCE_FLOOR * variance.mean() if count > 1 else 1.0))
    expected = (test.reshape(30, -1) / 255 - rows.mean(0)) @ axes / deviation
    found = np.asarray(apply(fitted, test)).reshape(30, -1)
    tolerance = 1e-5 * np.abs(expected).max()
    if kind == "zca":
        np.testing.assert_allclose(found, expected @ axes.T, atol=tolerance)
    else:  # Axes have no sign, and among those of no variance no order.
        some = count - 1
        np.testing.assert_allclose(np.abs(found[:, :some]), np.abs(expected[:, :some]), atol=tolerance)
        rest = np.linalg.norm(found[:, some:], axis=1), np.linalg.norm(expected[:, some:], axis=1)
        np.testing.assert_allclose(*rest, atol=tolerance)
    undone = invert(fitted, apply(fitted, test), test)
    np.testing.assert_allclose(undone, to_unit(test), atol=2e-5)


@pytest.mark.parametrize("kind", ["standardize", "zca"])
def test_a_data_sets_preprocessing_is_fitted_to_its_training_images(dataset, kind):
    found, expected = make_resident(dataset, kind).preprocessing, preprocessing.fit(kind, dataset.train.image)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    others = preprocessing.fit(kind, dataset.test.image)
    assert not all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(others), strict=True))
