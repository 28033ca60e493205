"""How strange images are to a trained model: a score for each, and the threshold that few known images are beyond."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aejax import rng
from aejax.errors import ConfigError, DataError
from aejax.evaluation.anomaly import mahalanobis, reconstruction_error
from aejax.evaluation.likelihood import importance_bound
from aejax.evaluation.suite import Representation
from aejax.measures.likelihood import no_likelihood
from aejax.trained.blocks import in_blocks

ERROR, DISTANCE, LIKELIHOOD, OWN = BY = ("error", "distance", "nll", "own")
QUANTILE = 0.95  # The share of known images whose scores lie below a threshold.


def default(trained: Any) -> str:
    """The score by which a model is asked where nobody says another: the error, or its own if it reconstructs none."""
    family = trained.config.autoencoder
    return OWN if family.SCORES_STRANGENESS and not family.RECONSTRUCTS else ERROR


def default_score(trained: Any) -> Callable[[Representation, jax.Array], jax.Array]:
    """The function of stored images that gives the score of `default`, [block]."""
    return own_score if default(trained) == OWN else error


def scorer(trained: Any, by: str | None, known: Any) -> Callable[[Any], np.ndarray]:
    """Returns the function that gives the score of each image; the arguments are those of `Trained.scores`."""
    by = by or default(trained)
    if by not in BY:
        raise ConfigError(f"by={by}: should be one of {', '.join(BY)}")
    own, at_once = trained.autoencoder, trained.autoencoder.task.at_once
    if by == DISTANCE:
        if known is None:
            raise DataError("by=distance is the distance from the features of known images; give them as `known`")
        features = lambda images: jnp.asarray(in_blocks(own.features, images, at_once, "features"))  # noqa: E731
        distance = mahalanobis(features(known))
        return lambda images: np.asarray(distance(features(images)), np.float32)
    if by == LIKELIHOOD:
        own.check_posterior()
        own.check_unlabelled()
        for reason in no_likelihood(own.config, f"by={LIKELIHOOD} is −log p(x)"):
            raise ConfigError(reason)
        score = lambda block: own.map(_bound, block, own.config.evaluation.likelihood.num_samples)  # noqa: E731
    elif by == OWN:
        own.check_scores()
        score = lambda block: own.map(own_score, block)  # noqa: E731
    else:
        own.check_reconstructs()
        own.check_unlabelled()
        score = lambda block: own.map(error, block)  # noqa: E731
    return lambda images: in_blocks(score, images, at_once, "scores").astype(np.float32)


def threshold(of_known: np.ndarray, quantile: float) -> float:
    """Returns the number below which a share of scores, [n], lies, with linear interpolation between two of them.

    Raises:
      ConfigError: if it is no share.
    """
    check_quantile(quantile)
    return float(np.quantile(of_known, quantile))


def check_quantile(quantile: float) -> None:
    """Checks that a number is a share.

    Raises:
      ConfigError: if it is not.
    """
    if not 0 <= quantile <= 1:
        raise ConfigError(f"quantile={quantile:g}: should be a share of known images, from 0 to 1, such as {QUANTILE}")


def error(representation: Representation, stored: jax.Array) -> jax.Array:
    """The mean squared error of the reconstruction of each image, [block], on the scale of [0, 1]."""
    reconstruct = representation.reconstruct
    assert reconstruct is not None, "an autoencoder reconstructs"
    return reconstruction_error(lambda images: reconstruct(images, None), stored)


def own_score(representation: Representation, stored: jax.Array) -> jax.Array:
    """The model's own score of how strange each image is, [block]."""
    strangeness = representation.strangeness
    assert strangeness is not None, "the model has a score of its own"
    return strangeness(stored)


def _bound(representation: Representation, stored: jax.Array, num_samples: int) -> jax.Array:
    density = representation.density
    assert density is not None, "the family has a posterior"

    def of_one(image: jax.Array) -> jax.Array:
        # By the same draws for every image: its score does not depend on the others.
        bound, _ = importance_bound(density, image[None], rng.root(0), num_samples, representation.at_once)
        return bound[0]

    return jax.lax.map(of_one, stored)
