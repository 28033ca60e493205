"""How much discrete values tell of each other: entropies and mutual information of counts (numpy, on the host)."""

import numpy as np
from scipy.special import entr

from aejax.errors import DataError

NUM_BINS = 20  # Of each unit of a code (Locatello et al., 2019, appendix C).
ROUNDING = 1e-12  # Less information, or decrease of impurity, is what sums leave of nothing.


def discretize(code: np.ndarray, num_bins: int = NUM_BINS) -> np.ndarray:
    """Returns in which of its column's bins each number lies, int [n, d] in [0, num_bins).

    The bins of a column are of equal width and reach from its least number to its largest, which lies in the last one;
    a number on an edge lies in the upper bin. A column of equal numbers gets equal values.

    Source: Locatello et al., "Challenging common assumptions in the unsupervised learning of disentangled
    representations", 2019, appendix C.

    Args:
      code: float [n, d], n at least 1, finite.
      num_bins: at least 1.
    """
    bins = np.empty(code.shape, np.int64)
    for index, column in enumerate(np.asarray(code, np.float64).T):
        edges = np.linspace(column.min(), column.max(), num_bins + 1)
        bins[:, index] = np.searchsorted(edges[1:-1], column, side="right")
    return bins


def entropy(values: np.ndarray) -> np.ndarray:
    """Returns the entropies of the columns' frequencies, in nats, [d].

    Args:
      values: small integers of at least 0, [n, d].
    """
    return np.array([_entropy(np.bincount(column)) for column in np.asarray(values).T])


def mutual_information(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns the mutual information of every column of one with every column of the other, in nats, [a, b].

    It is that of the frequencies (the plug-in estimate). Of independent columns with v and w values it is not 0 but
    about (v − 1)(w − 1) / 2n, unless the examples are a full grid (Miller, "Note on the bias of information estimates",
    1955).

    Args:
      left: small integers of at least 0, [n, a].
      right: the same, [n, b].
    """
    left, right = np.asarray(left, np.int64), np.asarray(right, np.int64)
    num_values = right.max() + 1
    joint = np.array([[_entropy(np.bincount(x * num_values + y)) for y in right.T] for x in left.T])
    information = entropy(left)[:, None] + entropy(right)[None] - joint
    return np.where(information > ROUNDING, information, 0.0)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Returns numerator / denominator, and 0 where the denominator is 0: the share of nothing is nothing."""
    return np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1.0), 0.0)


def varies(values: np.ndarray) -> np.ndarray:
    """Returns which columns of [n, d] take more than one value, bool [d]; none of no examples."""
    return np.any(values != values[:1], axis=0)


def require_varying(factor: np.ndarray) -> None:
    """Checks that there are two factors or more, [n, K], and that each takes two values or more.

    Raises:
      DataError: if not.
    """
    num = int(varies(factor).sum())
    if num < 2 or num < factor.shape[1]:
        raise DataError(
            f"disentanglement needs two factors or more, and more than one value of each; of {factor.shape[1]} here "
            f"{num} vary among {len(factor)} examples: take more of these, or leave disentanglement out"
        )


def _entropy(count: np.ndarray) -> float:
    return float(entr(count / count.sum()).sum())
