"""How alike two representations of the same images are, whatever their rotation and scale."""

from collections.abc import Sequence

import numpy as np


def similarity_matrix(representations: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the linear centered kernel alignment of every two representations of the same images, float64 [m, m].

    It is ‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) of centered X and Y in Frobenius norms: 1 if one is the other rotated and scaled, 0 if
    no number of one is correlated with a number of the other, or if one is the same for all images (but with itself).
    Of n images and d features independent ones still have about d / n: take more images than features.

    Source: Kornblith et al., "Similarity of neural network representations revisited", 2019, section 3 (their HSIC is
    biased, and so is this).

    Args:
      representations: float [n, d] each; d may differ.

    Raises:
      ValueError: if they are not of as many images.
    """
    if len({len(x) for x in representations}) > 1:
        raise ValueError(f"representations of {[len(x) for x in representations]} images cannot be compared")
    scaled = [_scaled(x) for x in representations]
    matrix = np.eye(len(scaled))
    for i, left in enumerate(scaled):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = min(1.0, float(np.sum(np.square(scaled[j].T @ left))))
    return matrix


def _scaled(representation: np.ndarray) -> np.ndarray:
    """Returns centered features [n, d], scaled so that ‖XᵀX‖ is 1; zeros, if they are constant."""
    # By their largest: squares of squares of small features would vanish.
    centered = np.asarray(representation, np.float64)
    centered = centered - centered.mean(axis=0)
    largest = np.abs(centered).max(initial=0.0)
    # The mean of equal numbers is not always exactly that number.
    if largest <= 1e-6 * np.abs(representation).max(initial=0.0):
        return np.zeros_like(centered)
    centered = centered / largest
    return centered / np.sqrt(np.linalg.norm(centered.T @ centered))
