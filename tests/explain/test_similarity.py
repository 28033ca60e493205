import numpy as np
import pytest

from aejax.explain.similarity import similarity_matrix

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6))
Y = np.tanh(X[:, :4]) + rng.normal(size=(300, 4)) + 3


def hsic(left, right):
    """From the definition: the trace of two centered matrices of inner products of all examples."""
    center = np.eye(len(left)) - 1 / len(left)
    return np.trace(left @ left.T @ center @ right @ right.T @ center)


def cka(left, right):
    return similarity_matrix([left, right])[0, 1]


def test_it_is_the_ratio_of_kernels_criteria():
    expected = hsic(X, Y) / np.sqrt(hsic(X, X) * hsic(Y, Y))
    assert 0.1 < expected < 0.9
    assert cka(X, Y) == pytest.approx(expected, abs=1e-9)


def test_rotation_and_scale_do_not_matter_but_other_maps_do():
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert cka(X, 1e-4 * X @ rotation + 7) == pytest.approx(1.0, abs=1e-9)
    assert cka(X, X @ np.diag([10, 1, 1, 0.1, 0.1, 0.1])) < 0.95


def test_independent_representations_share_little_and_a_constant_one_nothing():
    assert cka(rng.normal(size=(5000, 5)), rng.normal(size=(5000, 8))) < 0.01
    matrix = similarity_matrix([X.astype(np.float32), np.full((300, 2), 0.1, np.float32), Y])
    np.testing.assert_array_equal(matrix[1], [0, 1, 0])
    np.testing.assert_array_equal(matrix, matrix.T)
    assert matrix[0, 2] == pytest.approx(cka(X, Y), abs=1e-5)


def test_other_images_are_refused():
    with pytest.raises(ValueError, match="300"):
        similarity_matrix([X, Y[:-1]])
