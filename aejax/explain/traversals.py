"""What each unit of a code does to the image: decoded codes in which one unit, or two directions, go through values."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

NUM_DEVIATIONS = 3.0  # As far from its mean a traversed unit goes.

Decode = Callable[[jax.Array], jax.typing.ArrayLike]  # From codes [n, size] to images [n, height, width, channels].


def rank_units(code: np.ndarray, unit_kl: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the units by what they say of an image, the most telling first: their indices [d], and the score of each.

    The score, [d] in that order, is the mean KL of the unit's posterior to the prior in nats; of codes that are no
    posterior's means it is the variance over the images.

    Args:
      code: of images, [n, d]; of a posterior the means.
      unit_kl: of each unit of each image, [n, d], in nats; None: there is no posterior.
    """
    if unit_kl is None:
        score = np.asarray(code, np.float32).var(axis=0, dtype=np.float64)
    else:
        score = np.asarray(unit_kl).mean(axis=0, dtype=np.float64)
    order = np.argsort(-score, kind="stable")
    return order, score[order].astype(np.float32)


def unit_values(code: np.ndarray, steps: int) -> np.ndarray:
    """Returns the values that each unit is given, float32 [d, steps], rising evenly.

    They reach `NUM_DEVIATIONS` standard deviations of its codes to both sides of their mean, but not beyond the codes
    themselves: what a decoder makes of a negative value of a unit that is never negative says nothing about it.

    Args:
      code: of images, [n, d].
      steps: how many values.
    """
    code = np.asarray(code, np.float64)
    reach = NUM_DEVIATIONS * code.std(axis=0)
    mean = code.mean(axis=0)
    low, high = np.maximum(mean - reach, code.min(axis=0)), np.minimum(mean + reach, code.max(axis=0))
    return np.linspace(low, high, steps, axis=1).astype(np.float32)


def traverse(decode: Decode, base: np.ndarray, unit: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Returns the images of codes in which one unit goes through values and the others rest, [u, steps, h, w, c].

    Args:
      decode: gives the images of codes.
      base: the code at which the others rest, [d].
      unit: indices of units, integers [u].
      value: what each of them goes through, [u, steps].
    """
    latent = np.tile(np.asarray(base, np.float32), (*value.shape, 1))
    np.put_along_axis(latent, np.broadcast_to(unit[:, None, None], (*value.shape, 1)), value[..., None], axis=2)
    image = np.asarray(decode(jnp.asarray(latent.reshape(-1, latent.shape[-1]))))
    return image.reshape(*value.shape, *image.shape[1:])


def latent_grid(code: np.ndarray, side: int) -> np.ndarray:
    """Returns latents on a square grid, float32 [side · side, d]: quantiles along the two directions that vary most.

    The directions are the principal axes of the codes; along each, the grid's places divide a Gaussian of that
    direction's variance into parts of the same probability. All else is at its mean.

    Args:
      code: of images, [n, d].
      side: places along each direction.
    """
    code = np.asarray(code, np.float64)
    mean = code.mean(axis=0)
    _, singular, axes = np.linalg.svd(code - mean, full_matrices=False)
    quantile = scipy.stats.norm.ppf((np.arange(side) + 0.5) / side)
    steps = [
        quantile[:, None] * (s / np.sqrt(len(code))) * axis for s, axis in zip(singular[:2], axes[:2], strict=True)
    ]
    rows, columns = steps[0][:, None], steps[1][None] if len(steps) > 1 else np.zeros_like(steps[0])[None]
    return (mean + rows + columns).reshape(side * side, -1).astype(np.float32)
