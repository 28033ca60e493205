"""Accuracy where classes differ in how many examples they have."""

import jax
import jax.numpy as jnp


def balanced_accuracy(right: jax.Array, label: jax.Array) -> jax.Array:
    """Returns the mean, over the classes that occur, of the share of their examples that are classified right.

    A scalar in [0, 1]. Whoever names one class for all examples reaches 1 / the number of classes.

    Args:
      right: whether each example is classified right, bool [n].
      label: int32 [n], its class.

    Source: Brodersen et al., "The balanced accuracy and its posterior distribution", 2010; scikit-learn's
    `balanced_accuracy_score`.
    """
    ordered = jnp.sort(label)
    alike = jnp.searchsorted(ordered, label, side="right") - jnp.searchsorted(ordered, label)
    weight = 1.0 / alike  # Of its class's examples: those of each class weigh 1 together.
    return jnp.sum(weight * right) / jnp.sum(weight)
