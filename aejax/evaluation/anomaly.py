"""Anomaly detection: whether images unlike the training images have larger errors, or features far from theirs."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from aejax.data import preprocessing
from aejax.data.resident import ResidentData, images_at_once, map_examples
from aejax.evaluation.image_metrics import mean_squared_error
from aejax.evaluation.pca import principal_axes

_SHRINKAGE = 1e-3  # Of the mean variance, added to the features' covariance: some features may be constant.
_HIGHEST = jax.lax.Precision.HIGHEST


def anomaly_metrics(
    encode: Callable[[jax.Array], jax.Array],
    reconstruct: Callable[[jax.Array], jax.Array] | None,
    data: ResidentData,
    outliers: ResidentData,
    strangeness: Callable[[jax.Array], jax.Array] | None = None,
) -> dict[str, jax.Array]:
    """Returns how well some scores tell outliers from validation and test images of the own data.

      <split>_anomaly_distance_auroc, _aupr  the score is the Mahalanobis distance of the features from those of the
                                             training images, with the shrunk covariance
      <split>_anomaly_mse_auroc, _aupr       the score is the mean squared error of the reconstruction, if there is one
      <split>_anomaly_score_auroc, _aupr     the score is the model's own, if it has one

    Scalars in [0, 1], for the splits validation (if it has images) and test; no label is read.

    Args:
      encode: gives the features of stored images, [block, size].
      reconstruct: gives their reconstructions, or None.
      data: the own data.
      outliers: images of other kinds, of the same shape.
      strangeness: gives the model's own score of stored images, [block], or None.
    """

    def scores(source: ResidentData, split: str) -> dict[str, jax.Array]:
        def block(indices: jax.Array) -> dict[str, jax.Array]:
            stored = source.image[split][indices]
            values = {"distance": encode(stored)}
            if reconstruct is not None and split != "train":
                values["mse"] = reconstruction_error(reconstruct, stored)
            if strangeness is not None and split != "train":
                values["score"] = strangeness(stored)
            return values

        return map_examples(block, source.size(split), images_at_once(source.image[split].shape[1:]))

    distance = mahalanobis(scores(data, "train")["distance"])
    metrics = {}
    for split in ("validation", "test"):
        if not data.size(split) or not outliers.size(split):
            continue
        own, other = (scores(source, split) for source in (data, outliers))
        for name in own:
            score = distance if name == "distance" else lambda x: x
            pair = score(own[name]), score(other[name])
            metrics[f"{split}_anomaly_{name}_auroc"] = auroc(*pair)
            metrics[f"{split}_anomaly_{name}_aupr"] = average_precision(*pair)
    return metrics


def reconstruction_error(reconstruct: Callable[[jax.Array], jax.Array], stored: jax.Array) -> jax.Array:
    """Returns the mean squared error of each stored image's reconstruction, [block], with pixels in [0, 1]."""
    return mean_squared_error(preprocessing.to_unit(stored), reconstruct(stored))


def mahalanobis(features: jax.Array) -> Callable[[jax.Array], jax.Array]:
    """Returns the function that gives the squared Mahalanobis distance, [m], of features [m, d] from these, [n, d]."""
    num, dimension = features.shape
    mean = jnp.mean(features, axis=0)
    eigenvalues, axes = principal_axes(features - mean[None])
    variance = jnp.mean(eigenvalues) if num >= dimension else jnp.sum(eigenvalues) / dimension
    added = _SHRINKAGE * jnp.maximum(variance, 1e-12)
    scale = 1 / jnp.sqrt(jnp.maximum(eigenvalues, 0.0) + added)

    def distance(other: jax.Array) -> jax.Array:
        centered = other - mean[None]
        along = jnp.matmul(centered, axes, precision=_HIGHEST)
        squares = jnp.sum(jnp.square(along * scale[None]), axis=1)
        if num >= dimension:
            return squares
        # Fewer examples than features: across the axes there is nothing but what was added.
        across = jnp.sum(jnp.square(centered), axis=1) - jnp.sum(jnp.square(along), axis=1)
        return squares + jnp.maximum(across, 0.0) / added

    return distance


def auroc(inlier: jax.Array, outlier: jax.Array) -> jax.Array:
    """Returns the probability that an outlier's score is above an inlier's, equal scores counting half; NaN if any is.

    The area under the curve of true against false positive rates is that probability (Hanley and McNeil, 1982).
    """
    ordered = jnp.sort(inlier)
    below = jnp.searchsorted(ordered, outlier, side="left"), jnp.searchsorted(ordered, outlier, side="right")
    share = jnp.mean((below[0] + below[1]) / (2 * inlier.size))
    return _or_nan(share, inlier, outlier)


def average_precision(inlier: jax.Array, outlier: jax.Array) -> jax.Array:
    """Returns the area under the precision-recall curve in steps, outliers being the positives; NaN if a score is.

    Precision is taken at each outlier's score, among all images whose score is no lower; the area is its mean. It
    depends on how many there are of both.
    """
    no_lower = [x.size - jnp.searchsorted(jnp.sort(x), outlier, side="left") for x in (outlier, inlier)]
    return _or_nan(jnp.mean(no_lower[0] / (no_lower[0] + no_lower[1])), inlier, outlier)


def _or_nan(value: jax.Array, *scores: jax.Array) -> jax.Array:
    finite = jnp.array([~jnp.any(jnp.isnan(score)) for score in scores])
    return jnp.where(jnp.all(finite), value, jnp.nan)
