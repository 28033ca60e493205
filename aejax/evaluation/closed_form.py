"""Classifiers that moments of the features solve without a search: ridge regression, Gaussian classes, class means."""

import types
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from aejax.evaluation.probe import standardize
from aejax.measures.base import FITTED
from aejax.measures.config import SHARES

_HIGHEST = jax.lax.Precision.HIGHEST


class Moments(NamedTuple):
    """What the classifiers know of n examples of d standardized features and C classes: sums, not means."""

    sizes: jax.Array  # [C], the number of examples of each class
    total: jax.Array  # [C, d], of each class
    scatter: jax.Array  # [d, d]: XᵀX


class Linear(NamedTuple):
    """Scores of the classes: x · weights + bias, for each of L strengths; the largest is the prediction."""

    weights: jax.Array  # [L, d, C]
    bias: jax.Array  # [L, C]

    def predict(self, features: jax.Array) -> jax.Array:
        """Returns the class of the highest score for each example and strength, int32 [n, L]."""
        scores = jnp.einsum("nd,ldc->nlc", features, self.weights, precision=_HIGHEST) + self.bias[None]
        return jnp.argmax(scores, axis=2)


def moments(features: jax.Array, label: jax.Array, num_classes: int) -> Moments:
    """Returns the moments of features [n, d] with labels int32 [n]."""
    member = jax.nn.one_hot(label, num_classes)
    total = jnp.matmul(member.T, features, precision=_HIGHEST)
    return Moments(jnp.sum(member, axis=0), total, jnp.matmul(features.T, features, precision=_HIGHEST))


def ridge(moments: Moments, strengths: Sequence[float] | jax.Array, dimension: int | None = None) -> Linear:
    """Returns the least-squares regression of one-hot labels on the features, weights penalized, the bias not.

    It minimizes mean ‖y − Wᵀx − b‖² + λ ‖W‖², λ being a strength times the mean variance of a feature. Where the
    features are coordinates in a part of a space (`_within_span`), `dimension` is that of the space.
    """
    size = jnp.sum(moments.sizes)
    mean, frequency = jnp.sum(moments.total, axis=0) / size, moments.sizes / size
    covariance = moments.scatter / size - jnp.outer(mean, mean)
    cross = moments.total.T / size - jnp.outer(mean, frequency)
    weights = _solve(covariance, cross, strengths, dimension)
    return Linear(weights, frequency[None] - jnp.einsum("d,ldc->lc", mean, weights, precision=_HIGHEST))


def gaussian(moments: Moments, strengths: Sequence[float] | jax.Array, dimension: int | None = None) -> Linear:
    """Returns the classifier of Gaussian classes that share one covariance (linear discriminant analysis).

    To the covariance within classes a strength times its mean variance is added on the diagonal. A class without
    examples is never predicted. `dimension` is as in `ridge`.
    """
    size = jnp.sum(moments.sizes)
    mean = moments.total / jnp.maximum(moments.sizes, 1.0)[:, None]
    between = jnp.matmul((mean * moments.sizes[:, None]).T, mean, precision=_HIGHEST)
    weights = _solve((moments.scatter - between) / size, mean.T, strengths, dimension)
    bias = jnp.log(moments.sizes / size)[None] - jnp.einsum("cd,ldc->lc", mean, weights, precision=_HIGHEST) / 2
    return Linear(weights, bias)


def class_mean(moments: Moments) -> Linear:
    """Returns the classifier by the nearest of the classes' means (Euclidean), as a single strength."""
    mean = moments.total / jnp.maximum(moments.sizes, 1.0)[:, None]
    bias = jnp.where(moments.sizes > 0, -jnp.sum(mean**2, axis=1) / 2, -jnp.inf)
    return Linear(mean.T[None], bias[None])


def _solve(
    matrix: jax.Array, target: jax.Array, strengths: Sequence[float] | jax.Array, dimension: int | None
) -> jax.Array:
    """Returns (matrix + strength · mean eigenvalue)⁻¹ target for each strength, [L, d, C].

    The mean is the sum of the matrix's eigenvalues divided by `dimension`, by default their number.
    """
    eigenvalues, axes = jnp.linalg.eigh(matrix)
    mean = jnp.mean(eigenvalues) if dimension is None else jnp.sum(eigenvalues) / dimension
    # A matrix that is zero has nothing to say: then neither have the weights.
    unit = jnp.maximum(mean, 1e-12)
    added = jnp.asarray(strengths, jnp.float32)[:, None] * unit
    rotated = jnp.matmul(axes.T, target, precision=_HIGHEST)
    shrunk = rotated[None] / (jnp.maximum(eigenvalues, 0.0)[None] + added)[..., None]
    return jnp.einsum("dk,lkc->ldc", axes, shrunk, precision=_HIGHEST)


_CLASSIFIERS = {
    "ridge": ridge,
    "gaussian": gaussian,
    "class_mean": lambda moments, strengths, dimension: class_mean(moments),
}
CLOSED_FORMS = tuple(_CLASSIFIERS)


def closed_form_accuracies(
    features: Mapping[str, jax.Array],
    labels: Mapping[str, jax.Array],
    *,
    num_classes: int,
    names: Sequence[str],
    strengths: Mapping[str, Sequence[float]] = types.MappingProxyType({}),
) -> dict[str, jax.Array]:
    """Returns `validation_<name>_accuracy` and `test_<name>_accuracy` of the classifiers in `names`, scalars.

    Features are standardized by the training split. The strength is the one most accurate on validation when fitted on
    train, the stronger of equals; with it the classifier is fitted again on train and validation together, and meets
    the test examples once.

    Args:
      features: "train", "validation", "test": float32 [n, d].
      labels: of the same keys, int32 [n].
      num_classes: labels lie in [0, num_classes).
      names: some of `CLOSED_FORMS`.
      strengths: of those that choose from others than `SHARES`.
    """
    mean, scale = standardize(features["train"])
    standardized = {split: (x - mean[None]) * scale[None] for split, x in features.items()}
    dimension = None
    if sum(len(standardized[split]) for split in FITTED) < standardized["train"].shape[1]:
        dimension, standardized = standardized["train"].shape[1], _within_span(standardized)
    train, validation = (moments(standardized[split], labels[split], num_classes) for split in FITTED)
    both = jax.tree.map(jnp.add, train, validation)  # Sums of both sets of examples are the sums of their sums.
    metrics = {}
    for name in names:
        strongest_first = sorted(strengths.get(name, SHARES), reverse=True)
        fitted = _CLASSIFIERS[name](train, strongest_first, dimension)
        correct = jnp.mean(fitted.predict(standardized["validation"]) == labels["validation"][:, None], axis=0)
        best = jnp.argmax(correct)  # The first of equals.
        refitted = _CLASSIFIERS[name](both, jnp.asarray(strongest_first)[best][None], dimension)
        metrics[f"validation_{name}_accuracy"] = correct[best]
        metrics[f"test_{name}_accuracy"] = jnp.mean(refitted.predict(standardized["test"])[:, 0] == labels["test"])
    return metrics


def _within_span(features: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    """Returns the features as coordinates in the space of the examples to fit to, which are fewer than the features.

    The classifiers' weights lie in that space, so that they are the same, and matrices have the examples' size.
    """
    axes = jnp.linalg.qr(jnp.concatenate([features[split] for split in FITTED]).T)[0]
    return {split: jnp.matmul(x, axes, precision=_HIGHEST) for split, x in features.items()}
