"""What each unit of a representation stands for: the images that it answers most, and what it tells of their class.

Activations are float [n, d], of the same images throughout: of test images, or the images that a unit was fitted to
would speak for it. They may be a code, the features of a layer, or what a sparse dictionary makes of either.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from aejax.evaluation.information import discretize, mutual_information
from aejax.explain.traversals import Decode

NUM_IMAGES = 20  # Of a unit's top images, whose classes are compared.
DEAD = 0.01  # A unit whose range is at most this share of the widest unit's range is dead.
DUPLICATE = 0.95  # A unit whose correlation with an earlier one is larger, whatever its sign, is a duplicate.


class Units(NamedTuple):
    """What d units stand for."""

    top: np.ndarray  # Indices of the images with the largest activations, the largest first, int [d, NUM_IMAGES].
    dead: np.ndarray  # Bool [d], see `dead_units`.
    duplicate: np.ndarray  # Bool [d], see `duplicate_units`.
    variance: np.ndarray  # Of the activations, float32 [d].
    # Of units that are alive, and NaN of the dead; all NaN without labels.
    purity: np.ndarray  # See `class_purity`, float32 [d].
    majority: np.ndarray  # The most frequent class among the top images, int [d]; −1 where there is no purity.
    information: np.ndarray  # See `label_information`, float32 [d].

    def numbers(self) -> dict[str, float]:
        """Returns how many units are dead and duplicate, and the means of purity and information where there are any.

        The names are "dead_units", "duplicate_units", "unit_purity" and "unit_information".
        """
        numbers = {"dead_units": float(self.dead.sum()), "duplicate_units": float(self.duplicate.sum())}
        for name, values in {"unit_purity": self.purity, "unit_information": self.information}.items():
            if np.isfinite(values).any():
                numbers[name] = float(np.nanmean(values))
        return numbers


def describe_units(activation: np.ndarray, label: np.ndarray | None, least_variance: ArrayLike | None = None) -> Units:
    """Describes units.

    Args:
      activation: of test images, float [n, d].
      label: of the same images, integers [n], -1 where there is none, or None; purity and information are of the
        labelled images.
      least_variance: see `dead_units`.
    """
    activation = np.asarray(activation, np.float32)
    top, dead = top_images(activation, NUM_IMAGES), dead_units(activation, least_variance)
    purity, majority = np.full(dead.shape, np.nan), np.full(dead.shape, -1)
    information = np.full(dead.shape, np.nan)
    if label is not None:
        own, label = activation[label >= 0], label[label >= 0]
        purity, majority = class_purity(own, label, top_images(own, NUM_IMAGES))
        purity[dead], majority[dead] = np.nan, -1
        information = np.where(dead, np.nan, label_information(own, label))
    return Units(
        top=top,
        dead=dead,
        duplicate=duplicate_units(activation, dead),
        variance=activation.var(axis=0),
        purity=purity.astype(np.float32),
        majority=majority,
        information=information.astype(np.float32),
    )


def top_images(activation: np.ndarray, num: int) -> np.ndarray:
    """Returns the images that each unit is largest for, the largest first, int [d, num]; of equals the first.

    Not those of the largest magnitude: a unit that goes both ways has two meanings.

    Args:
      activation: [n, d].
      num: how many images, of which there are at least as many.
    """
    return np.argsort(-activation, axis=0, kind="stable")[:num].T


def class_purity(activation: np.ndarray, label: np.ndarray, top: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the share of the most frequent class among each unit's top images, [d], and that class, int [d].

    A unit that is at its lowest for some of them, as a sparse one is that rests, has too few: those are no images that
    it answers, and of less images the share would be larger by chance. Its purity is NaN, its class −1.

    Args:
      activation: [n, d].
      label: integers [n] of at least 0.
      top: see `top_images`, [d, num].
    """
    count = np.array([np.bincount(row, minlength=label.max() + 1) for row in label[top]])
    answers = np.take_along_axis(activation, top[:, -1:].T, axis=0)[0] > activation.min(axis=0)
    purity = np.where(answers, count.max(axis=1) / top.shape[1], np.nan)
    return purity, np.where(answers, count.argmax(axis=1), -1)


def label_information(activation: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Returns the mutual information of each unit, cut into bins of equal width, and the label, in nats, [d].

    Args:
      activation: finite [n, d].
      label: integers [n] of at least 0.
    """
    return mutual_information(discretize(activation), label[:, None])[:, 0]


def dead_units(activation: np.ndarray, least_variance: ArrayLike | None = None) -> np.ndarray:
    """Returns which units say nothing of an image, bool [d].

    Args:
      activation: [n, d].
      least_variance: a unit is alive if it varies by more, [d] or one for all: `aejax.evaluation.likelihood.ACTIVE` of
        the prior's variance, for the means of a posterior, whose scale the prior sets. None: of codes of any scale, if
        its range is more than `DEAD` of the widest one's; a unit that hardly ever answers, but then as the others do,
        is alive.
    """
    if least_variance is not None:
        return activation.var(axis=0) <= least_variance
    width = np.ptp(activation, axis=0)
    return width <= DEAD * width.max(initial=0.0)


def duplicate_units(activation: np.ndarray, dead: np.ndarray) -> np.ndarray:
    """Returns which units say what an earlier one says: their correlation is beyond ±`DUPLICATE`; bool [d].

    The dead are no duplicates, and none is a duplicate of them.

    Args:
      activation: [n, d].
      dead: bool [d].
    """
    alive = np.flatnonzero(~dead)
    centered = activation[:, alive] - activation[:, alive].mean(axis=0)
    scaled = centered / np.linalg.norm(centered, axis=0)
    duplicate = np.zeros(dead.shape, bool)
    duplicate[alive] = np.any(np.abs(np.triu(scaled.T @ scaled, 1)) > DUPLICATE, axis=0)
    return duplicate


def decoder_atoms(decode: Decode, base: np.ndarray, unit: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The image that raising a unit adds, decode(base + step · e) − decode(base), float32 [u, h, w, c].

    Args:
      decode: gives the images of codes [n, d].
      base: the code that is changed, [d].
      unit: indices of units, [u].
      step: by how much each of them rises, [u].
    """
    latent = np.tile(np.asarray(base, np.float32), (len(unit) + 1, 1))
    latent[np.arange(len(unit)), unit] += step
    image = np.asarray(decode(jnp.asarray(latent)), np.float32)
    return image[:-1] - image[-1:]
