"""The linear probe where only a few images of each class have labels."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from aejax.data.subsets import draw_per_class
from aejax.evaluation.probe import LogisticFit, fit_logistic, predict, standardize
from aejax.measures.config import FEW_LABELS_STRENGTHS, NUM_DRAWS


class LabelledFeatures(NamedTuple):
    """Features [n, d] of images, and their labels, int32 [n]."""

    features: jax.Array
    labels: jax.Array


def fit_few_labels(
    labelled: LabelledFeatures,
    further: LabelledFeatures,
    *,
    num_classes: int,
    standardization: tuple[jax.Array, jax.Array],
    strengths: Sequence[float] = FEW_LABELS_STRENGTHS,
) -> tuple[LogisticFit, jax.Array]:
    """Returns the logistic regression of the labelled images, of one strength, and its accuracy on further ones.

    That is the one of `strengths` which is most accurate on the further images, the stronger of equals.

    Args:
      labelled: what it is fitted to.
      further: what the strength is chosen by.
      num_classes: labels lie in [0, num_classes).
      standardization: mean and 1 / standard deviation of the features, each [d].
      strengths: of L2, the strongest first.
    """
    fit = fit_logistic(
        labelled.features,
        labelled.labels,
        num_classes=num_classes,
        strengths=strengths,
        standardization=standardization,
    )
    correct = predict(fit, further.features) == further.labels[:, None]
    best = jnp.argmax(jnp.sum(correct, axis=0))  # The first of equals.
    chosen = fit._replace(weights=fit.weights[best][None], bias=fit.bias[best][None])
    return chosen, jnp.mean(correct, axis=0)[best]


def few_labels_accuracies(
    features: Mapping[str, jax.Array],
    labels: Mapping[str, jax.Array],
    *,
    num_classes: int,
    per_class: Sequence[int],
    num_draws: int = NUM_DRAWS,
    strengths: Sequence[float] = FEW_LABELS_STRENGTHS,
) -> dict[str, jax.Array]:
    """Returns the accuracy of logistic regressions that a few labels of each class are for, scalars in [0, 1].

    The labelled images are the fixed subsets of `draw_per_class`, the same whatever the features come from. With m
    labels of each class the L2 strength is the one most accurate on m further images of each, the stronger of equals:
    2 m labels in all, of which half are for that choice alone. Features are standardized by all training images,
    without labels.

      validation_few_labels_<m>_accuracy  on those further images, mean over the draws: what was chosen by, so too high
      test_few_labels_<m>_accuracy        on the test images, mean over the draws

    Args:
      features: "train", "test": float32 [n, d].
      labels: of the same keys, int32 [n]; 2 m training images of each class at least.
      num_classes: labels lie in [0, num_classes).
      per_class: the numbers m.
      num_draws: of the labelled images.
      strengths: of L2, to choose from.
    """
    standardization = standardize(features["train"])
    count, strongest_first = 2 * max(per_class), sorted(strengths, reverse=True)

    def one(draw: jax.Array) -> dict[str, jax.Array]:
        indices = draw_per_class(labels["train"], num_classes, count, draw)
        accuracies = {}
        for num in per_class:
            labelled, further = (
                LabelledFeatures(features["train"][part.reshape(-1)], labels["train"][part.reshape(-1)])
                for part in (indices[:, :num], indices[:, num : 2 * num])
            )
            chosen, accuracy = fit_few_labels(
                labelled,
                further,
                num_classes=num_classes,
                standardization=standardization,
                strengths=strongest_first,
            )
            right = predict(chosen, features["test"])[:, 0] == labels["test"]
            accuracies[f"validation_few_labels_{num}_accuracy"] = accuracy
            accuracies[f"test_few_labels_{num}_accuracy"] = jnp.mean(right)
        return accuracies

    return jax.tree.map(jnp.mean, jax.lax.map(one, jnp.arange(num_draws)))
