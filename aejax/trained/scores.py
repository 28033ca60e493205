"""How strange images are to a trained model: a score for each, and the threshold that few known images are beyond."""

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

ERROR, DISTANCE, LIKELIHOOD = BY = ("error", "distance", "nll")
QUANTILE = 0.95  # The share of known images whose scores lie below a threshold.


def scores(trained: Any, images: Any, by: str, known: Any) -> np.ndarray:
    """Returns the score of each image, as `Trained.scores` says."""
    if by == ERROR:
        trained.check_reconstructs()
        return np.asarray(trained.map(_error, images), np.float32)
    if by == DISTANCE:
        if known is None:
            raise DataError("by=distance is the distance from the features of known images; give them as `known`")
        distance = mahalanobis(jnp.asarray(trained.features(known)))
        return np.asarray(distance(jnp.asarray(trained.features(images))), np.float32)
    if by != LIKELIHOOD:
        raise ConfigError(f"by={by}: should be one of {', '.join(BY)}")
    trained.check_posterior()
    for reason in no_likelihood(trained.config, f"by={LIKELIHOOD} is −log p(x)"):
        raise ConfigError(reason)
    num_samples = trained.config.evaluation.likelihood.num_samples
    return np.asarray(trained.map(_bound, images, num_samples), np.float32)


def threshold(of_known: np.ndarray, quantile: float) -> float:
    """Returns the number below which a share of scores, [n], lies, with linear interpolation between two of them.

    Raises:
      ConfigError: if it is no share.
    """
    if not 0 <= quantile <= 1:
        raise ConfigError(f"quantile={quantile:g}: should be a share of known images, from 0 to 1, such as {QUANTILE}")
    return float(np.quantile(of_known, quantile))


def _error(representation: Representation, stored: jax.Array) -> jax.Array:
    assert representation.reconstruct is not None, "an autoencoder reconstructs"
    return reconstruction_error(representation.reconstruct, stored)


def _bound(representation: Representation, stored: jax.Array, num_samples: int) -> jax.Array:
    density = representation.density
    assert density is not None, "the family has a posterior"

    def of_one(image: jax.Array) -> jax.Array:
        # By the same draws for every image: its score does not depend on the others.
        bound, _ = importance_bound(density, image[None], rng.root(0), num_samples, representation.at_once)
        return bound[0]

    return jax.lax.map(of_one, stored)
