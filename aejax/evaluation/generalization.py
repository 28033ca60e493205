"""How much worse a reconstruction is of images that training did not see."""

import jax
import jax.numpy as jnp

FLAGGED_RATIO = 1.5
_QUANTILE = 1.96  # Of the normal distribution, for an interval of 95 %.


def generalization_gap(error: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Returns how a member's errors on unseen images compare with those on its training images, as scalars.

    Args:
      error: an error of every image by split, [images]; "train" and at least one of "validation" and "test".

    Returns:
      `gap` (validation) and `test_gap`: mean errors, divided by that of the training images. `overfits`: 1 where `gap`
      exceeds 1.5 and the 95 % interval of the difference of the two means, over images, excludes zero; else 0. The
      images of two splits are no pairs, so the difference's variance is the sum of the means' (Welch, 1947).
    """
    metrics: dict[str, jax.Array] = {}
    train = error["train"]
    for split, name in (("validation", "gap"), ("test", "test_gap")):
        if split in error:
            metrics[name] = jnp.mean(error[split]) / jnp.mean(train)
    if "validation" in error:
        unseen = error["validation"]
        half_width = _QUANTILE * jnp.sqrt(jnp.var(train) / train.size + jnp.var(unseen) / unseen.size)
        shown = jnp.mean(unseen) - jnp.mean(train) > half_width
        metrics["overfits"] = ((metrics["gap"] > FLAGGED_RATIO) & shown).astype(jnp.float32)
    return metrics
