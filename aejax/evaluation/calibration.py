"""Whether a classifier's confidence is what it should be."""

import jax
import jax.numpy as jnp

NUM_BINS = 15


def calibration_error(logits: jax.Array, label: jax.Array) -> jax.Array:
    """Returns the expected calibration error, a scalar in [0, 1].

    Examples fall into 15 bins of equal width by their largest probability; the error is the mean over examples of the
    difference, in their bin, between the share of right answers and the mean of that probability.

    Args:
      logits: [n, classes].
      label: int32 [n].

    Source: Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", 2017, equation 3.
    """
    probability = jax.nn.softmax(logits, axis=1)
    confidence, right = jnp.max(probability, axis=1), jnp.argmax(probability, axis=1) == label
    index = jnp.clip(jnp.ceil(confidence * NUM_BINS) - 1, 0, NUM_BINS - 1).astype(jnp.int32)
    # |share − mean confidence| of a bin, times its share of the examples: their counts cancel.
    surplus = jax.ops.segment_sum(right - confidence, index, num_segments=NUM_BINS)
    return jnp.sum(jnp.abs(surplus)) / label.size
