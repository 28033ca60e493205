"""Whether an attribution deserves belief: it adds up, it depends on what was learned, and its pixels matter.

Attributions are maps [n, height, width] as `aejax.explain.attribution` makes them. Whatever calls a function of images
can be traced by `jax.jit`; the rest is arithmetic on the host.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from aejax import rng
from aejax.explain.attribution import Function

MAX_GAP = 0.01  # Of completeness, in the mean over images.
MAX_CORRELATION = 0.3  # Of the signed maps of a trained network and of random ones, in the mean over images.
CONFIDENCE = 0.95  # With which pixels in the map's order must matter more than in a random one.
FOREGROUND = 0.1  # Of the range [0, 1]: a pixel that differs by more from the baseline in a channel is foreground.
NUM_ORDERS = 8  # Random ones, whose mean an attribution's order is compared with.
NUM_STEPS = 32  # In which an image is removed or inserted.


class Areas(NamedTuple):
    """The mean of a function over the way of each image, [n], while its pixels are taken away or come."""

    deletion: jax.Array  # From the image to the baseline: small, if the pixels that count go first.
    insertion: jax.Array  # From the baseline to the image: large, if the pixels that count come first.


def completeness_gap(attribution: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Returns by how much the sum of an attribution differs from the change that it explains, relative to that, [n].

    The change of an image is taken to be at least a hundredth of the mean one: where it is nothing, there is nothing to
    be relative to.

    Args:
      attribution: [n, height, width].
      change: by how much the function of each image is larger than that of the baseline, [n].
    """
    size = np.abs(change)
    return np.abs(attribution.sum(axis=(1, 2)) - change) / np.maximum(size, max(0.01 * size.mean(), 1e-12))


def foreground(image: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Returns which pixels of images [n, height, width, channels] differ from the baseline, bool [n, height, width].

    In the others an attribution is 0 whatever the network, so that maps would seem alike there.
    """
    return np.abs(image - baseline).max(axis=-1) > FOREGROUND


def rank_correlation(left: np.ndarray, right: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Returns Spearman's rank correlation of two maps of each image, [n]; NaN where one of them is constant.

    Args:
      left: [n, height, width].
      right: the same.
      where: which pixels count, bool [n, height, width].
    """
    return np.array([_spearman(x[inside], y[inside]) for x, y, inside in zip(left, right, where, strict=True)])


def randomization(attribution: np.ndarray, random: np.ndarray, where: np.ndarray) -> tuple[float, float]:
    """Returns how alike an attribution is to those of random networks: (signed, absolute), rank correlations.

    Both are means over networks and images. The signed one is of the values in the foreground: for a map that follows
    the network it is 0 in expectation where random networks are as likely to lift as to lower the number, such as a
    unit; not so of an error, which more ink raises in any of them. For a map that follows no network it is 1. The
    absolute one is of the magnitudes in all pixels: it stays near 1 for what has the image as a factor, whatever the
    network, and thus tells little.

    Source: Adebayo et al., "Sanity checks for saliency maps", 2018, section 3.

    Args:
      attribution: of the trained network, [n, height, width].
      random: of the same images by networks that learned nothing, [networks, n, height, width].
      where: the foreground, bool [n, height, width].
    """
    everywhere = np.ones_like(where)
    signed = [rank_correlation(attribution, other, where) for other in random]
    absolute = [rank_correlation(np.abs(attribution), np.abs(other), everywhere) for other in random]
    return _mean(signed), _mean(absolute)


def areas(function: Function, image: jax.Array, target: jax.Array, baseline: jax.Array, order: jax.Array) -> Areas:
    """Returns the function's mean while pixels are deleted, and inserted, in an attribution's order, the largest first.

    Both end at the baseline, which is thus also what comes before insertion (where the source begins blurred).

    Source: Petsiuk, Das and Saenko, "RISE: randomized input sampling for explanation of black-box models", 2018,
    section 4.2.

    Args:
      function: see `aejax.explain.attribution`.
      image: float [n, height, width, channels].
      target: what is asked about each, int32 [n].
      baseline: an image without content, [height, width, channels].
      order: an attribution, [n, height, width].
    """
    num_pixels = order.shape[1] * order.shape[2]
    rank = jnp.argsort(jnp.argsort(-order.reshape(-1, num_pixels), axis=1), axis=1).reshape(*order.shape, 1)
    blank = jnp.broadcast_to(baseline[None], image.shape)

    def step(share: jax.Array) -> jax.Array:
        gone = rank < share * num_pixels
        return jnp.stack([function(jnp.where(gone, *ends), target) for ends in ((blank, image), (image, blank))])

    curves = jax.lax.map(step, jnp.linspace(0.0, 1.0, NUM_STEPS + 1))
    return Areas(*jnp.mean((curves[1:] + curves[:-1]) / 2, axis=0))


def random_areas(function: Function, image: jax.Array, target: jax.Array, baseline: jax.Array) -> Areas:
    """The mean of `areas` over `NUM_ORDERS` random orders, always the same."""

    def one(index: jax.Array) -> Areas:
        order = jax.random.uniform(rng.at(rng.stream(rng.root(0), "orders of pixels"), index), image.shape[:3])
        return areas(function, image, target, baseline, order)

    return jax.tree.map(lambda area: jnp.mean(area, axis=0), jax.lax.map(one, jnp.arange(NUM_ORDERS)))


def judge(
    attribution: np.ndarray,
    random: np.ndarray,
    where: np.ndarray,
    *,
    own: Areas,
    chance: Areas,
    change: np.ndarray | None = None,
) -> dict[str, Any]:
    """Returns the numbers of all checks of an attribution, and which it "passed" and "failed".

    completeness   the mean `completeness_gap` is at most `MAX_GAP`; None, and neither passed nor failed, without change
    randomization  `randomized_signed` is less than `MAX_CORRELATION` to both sides; `randomized_absolute` is not judged
    deletion       the mean `deletion` is less than `random_deletion`
    insertion      the mean `insertion` is larger than `random_insertion`; of both the difference between an image's two
                   areas is so with `CONFIDENCE` by Student's t over the images, so that chance does not pass

    What is NaN fails.

    Args:
      attribution: of images by the trained network, [n, height, width], n at least 2.
      random: of them by networks that learned nothing, [networks, n, height, width].
      where: the foreground, bool [n, height, width].
      own: `areas` of the trained network in the attribution's order.
      chance: its `random_areas`.
      change: by how much the function of each image is larger than that of the baseline, [n]; None: of a method that
        does not promise to add up to that.
    """
    signed, absolute = randomization(attribution, random, where)
    numbers: dict[str, Any] = {
        "completeness": None if change is None else float(completeness_gap(attribution, change).mean()),
        "randomized_signed": signed,
        "randomized_absolute": absolute,
        "deletion": float(np.mean(own.deletion)),
        "insertion": float(np.mean(own.insertion)),
        "random_deletion": float(np.mean(chance.deletion)),
        "random_insertion": float(np.mean(chance.insertion)),
    }
    verdicts = {
        "completeness": change is not None and numbers["completeness"] <= MAX_GAP,
        "randomization": abs(signed) < MAX_CORRELATION,
        "deletion": _positive(np.asarray(chance.deletion) - np.asarray(own.deletion)),
        "insertion": _positive(np.asarray(own.insertion) - np.asarray(chance.insertion)),
    }
    judged = [name for name in verdicts if name != "completeness" or change is not None]
    passed = [name for name in judged if verdicts[name]]
    return numbers | {"passed": passed, "failed": [name for name in judged if name not in passed]}


def _positive(difference: np.ndarray) -> bool:
    """Returns whether the mean of differences [n] is positive beyond chance."""
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return bool(difference.mean() > scipy.stats.t.ppf(CONFIDENCE, len(difference) - 1) * error)


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    return float(np.corrcoef(scipy.stats.rankdata(x), scipy.stats.rankdata(y))[0, 1])


def _mean(correlation: list[np.ndarray]) -> float:
    """Returns the mean of the numbers that are not NaN; NaN, if all are."""
    finite = np.concatenate(correlation)
    finite = finite[np.isfinite(finite)]
    return float(finite.mean()) if finite.size else np.nan
