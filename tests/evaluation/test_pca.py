import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import decomposition
from sklearn.datasets import load_digits

from aejax.evaluation import pca as linear

fit_pca = jax.jit(linear.fit_pca, static_argnames="size")
project = jax.jit(linear.project)
reconstruct = jax.jit(linear.reconstruct, static_argnames="shape")


@pytest.fixture(scope="module")
def image():
    return (load_digits().images[..., None] * 15.9375).astype(np.uint8)  # [1797, 8, 8, 1]: a block and a part of one.


def error(pca, image):
    reconstruction = reconstruct(pca, project(pca, image), image.shape[1:])
    return np.mean((np.asarray(reconstruction) - image / np.float32(255)) ** 2)


@pytest.mark.parametrize("size", [1, 8, 32])
def test_the_reconstruction_error_is_that_of_scikit_learn(image, size):
    train, test = image[:1500], image[1500:]
    rows, test_rows = train.reshape(1500, -1) / 255, test.reshape(297, -1) / 255
    expected = decomposition.PCA(size, svd_solver="full").fit(rows)
    test_error = np.mean((expected.inverse_transform(expected.transform(test_rows)) - test_rows) ** 2)
    np.testing.assert_allclose(error(fit_pca(train, size), test), test_error, rtol=1e-5)


def test_bytes_and_floats_give_the_same_components(image):
    a, b = fit_pca(image, 8), fit_pca(image.astype(np.float32) / 255, 8)
    np.testing.assert_allclose(a.mean, b.mean, atol=1e-6)
    np.testing.assert_allclose(a.components, b.components, atol=1e-4)


def test_all_components_reconstruct_exactly(image):
    assert error(fit_pca(image, 64), image) < 1e-10


def test_codes_are_uncorrelated_with_falling_variance(image):
    pca = fit_pca(image, 8)
    covariance = np.cov(np.asarray(project(pca, image)).T)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-5)
    assert (np.diff(np.diag(covariance)) < 0).all()
    components = np.asarray(pca.components)
    np.testing.assert_allclose(components.T @ components, np.eye(8), atol=1e-5)


def test_fewer_images_than_pixels_and_constant_ones(image):
    assert error(fit_pca(image[:5], 4), image[:5]) < 1e-10
    constant = np.full((10, 3, 3, 1), 0.3, np.float32)
    pca = fit_pca(constant, 2)
    np.testing.assert_allclose(reconstruct(pca, project(pca, constant), (3, 3, 1)), constant, rtol=1e-6)


def test_a_member_is_what_it_is_alone(image):
    members = np.stack([image, image[::-1] // 2])
    together = jax.jit(lambda x: jax.lax.map(lambda one: fit_pca(one, 8), x))(members)
    alone = fit_pca(members[1], 8)
    np.testing.assert_array_equal(np.asarray(together.components)[1], alone.components)


@pytest.mark.parametrize("size", [0, 65])
def test_an_impossible_size_is_refused(image, size):
    with pytest.raises(ValueError, match=r"size must lie in \[1, 64\]"):
        fit_pca(image, size)


def test_whitened_components_are_those_of_scikit_learn():
    x = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32) @ np.diag([9, 5, 3, 2, 1, 0]).astype(
        np.float32
    )
    splits = {"train": x[:200], "test": x[200:]}
    expected = decomposition.PCA(3, whiten=True).fit(splits["train"])
    found = jax.jit(lambda splits: linear.whiten(splits, 3))(splits)
    for split, value in splits.items():
        np.testing.assert_allclose(np.abs(found[split]), np.abs(expected.transform(value)), rtol=0.01, atol=1e-3)
    every = np.asarray(jax.jit(lambda splits: linear.whiten(splits, 64))(splits)["train"])
    assert every.shape == (200, 6)
    np.testing.assert_allclose(np.std(every, axis=0), [1, 1, 1, 1, 1, 0], atol=1e-4)  # One has no variance.


# Fewer images than pixels, and more of both than is decomposed as a whole.


def test_few_images_have_the_components_of_scikit_learn(image):
    train, test = image[:40], image[40:90]  # 64 pixels.
    pca = jax.device_get(fit_pca(train, 64))
    expected = decomposition.PCA(39, svd_solver="full").fit(train.reshape(40, -1) / 255)
    np.testing.assert_allclose(np.abs(pca.components[:, :20]), np.abs(expected.components_[:20].T), atol=1e-4)
    gram = np.zeros((64, 64))
    gram[:39, :39] = np.eye(39)
    np.testing.assert_allclose(pca.components.T @ pca.components, gram, atol=1e-5)
    codes = np.asarray(project(pca, test))
    np.testing.assert_array_equal(codes[:, 39:], 0)  # No image varies there, so these are no features.
    rows = expected.inverse_transform(expected.transform(test.reshape(50, -1) / 255))
    np.testing.assert_allclose(reconstruct(pca, codes, (64,)), rows, atol=1e-4)


def test_the_leading_components_alone_are_those_of_all(image, monkeypatch):
    whole = fit_pca(image, 8)
    monkeypatch.setattr(linear, "MOST_DECOMPOSED", 60)
    alone = jax.device_get(jax.jit(lambda x: linear.fit_pca(x, 8))(image))
    np.testing.assert_allclose(alone.components, whole.components, atol=1e-3)
    np.testing.assert_allclose(alone.components.T @ alone.components, np.eye(8), atol=1e-5)


@pytest.mark.parametrize("num", [800, 20_000])
def test_no_matrix_of_all_pairs_of_pixels_is_made(num):
    images = jax.ShapeDtypeStruct((num, 128, 128, 3), jnp.uint8)
    memory = jax.jit(lambda x: linear.fit_pca(x, 32)).lower(images).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 49_152**2  # A quarter of such a matrix.
