"""Which examples have labels where labels are few: fixed subsets, the same for whatever is compared on them."""

import jax
import jax.numpy as jnp

from aejax import rng


def draw_per_class(label: jax.Array, num_classes: int, count: int, draw: jax.typing.ArrayLike) -> jax.Array:
    """Returns the indices of `count` examples of every class, int32 [num_classes, count], drawn without replacement.

    They depend on the labels and the number of the draw alone. Of one draw, fewer examples lie within more.

    Args:
      label: int32 [examples], each class at least `count` times.
      num_classes: labels lie in [0, num_classes).
      count: of each class.
      draw: 0, 1, ...: which subset.
    """
    label = jnp.asarray(label)
    key = rng.at(rng.stream(rng.root(0), "labels"), draw)
    by_class = jnp.lexsort((jax.random.uniform(key, label.shape), label))
    first = jnp.searchsorted(label[by_class], jnp.arange(num_classes))
    return by_class[first[:, None] + jnp.arange(count)[None]]
