"""Whether an attribution deserves belief: it adds up, it depends on what was learned, and its pixels matter.

Attributions are maps [n, height, width] as `aejax.explain.attribution` makes them.
"""
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from aejax import rng
from aejax.explain.attribution import Function

MAX_GAP = 0.01  # Of completeness.
MAX_CORRELATION = 0.3  # Of the signed maps of a trained network and of a random one.
CONFIDENCE = 0.95  # That pixels in the map's order matter more than in any order.
FOREGROUND = 0.1  # A pixel that differs by more from the baseline in a channel is foreground; images are in [0, 1].
NUM_ORDERS = 8  # Random ones, that an attribution's is compared with.
NUM_STEPS = 32  # In which an image is removed or inserted.


def completeness_gap(attribution: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Returns by how much the sum of an attribution differs from the change that it explains, relative to that, [n].

    The change of an image is taken to be at least a hundredth of the mean one: of an image that hardly differs from the
    baseline nothing is to be explained.

    Args:
      attribution: [n, height, width].
      change: function(image) − function(baseline), [n].
    """
    size = np.abs(change)
    return np.abs(attribution.sum(axis=(1, 2)) - change) / np.maximum(size, max(0.01 * size.mean(), 1e-12))


def rank_correlation(left: np.ndarray, right: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
    """Returns Spearman's rank correlation of two maps of each image, [n].

    It is NaN where a map is constant, or less than 3 pixels are compared.

    Args:
      left: [n, height, width].
      right: the same.
      where: the pixels that count, bool [n, height, width]; None: all.
    """
    where = np.ones(left.shape, bool) if where is None else where
    return np.array([_spearman(x[inside], y[inside]) for x, y, inside in zip(left, right, where, strict=True)])


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    if x.size < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    return float(np.corrcoef(scipy.stats.rankdata(x), scipy.stats.rankdata(y))[0, 1])


def curve(function: Function, start: jax.Array, end: jax.Array, target: jax.Array, order: jax.Array) -> jax.Array:
    """Returns the function of images while pixel after pixel of `start` becomes that of `end`, [n, NUM_STEPS + 1].

    Args:
      function: as in `aejax.explain.attribution`.
      start: [n, height, width, channels].
      end: the same.
      target: what is asked about each image, int32 [n].
      order: the larger, the earlier, [n, height, width].
    """
    num_pixels = order.shape[1] * order.shape[2]
    flat = order.reshape(-1, num_pixels)
    rank = jnp.argsort(jnp.argsort(-flat, axis=1), axis=1).reshape(order.shape)

    def step(share: jax.Array) -> jax.Array:
        return function(jnp.where((rank < share * num_pixels)[..., None], end, start), target)

    return jax.lax.map(step, jnp.linspace(0.0, 1.0, NUM_STEPS + 1)).T


def area(curve: jax.Array) -> jax.Array:
    """Returns the mean height of curves [n, steps + 1] by the trapezoidal rule, [n]."""
    return jnp.mean((curve[:, 1:] + curve[:, :-1]) / 2, axis=1)
