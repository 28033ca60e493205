"""How well the clusters that a model assigns images to agree with their classes. On the device; labels only match."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from aejax.data.resident import ResidentData, map_examples


class Clusters(NamedTuple):
    """Clusters of a model's own."""

    assign: Callable[[jax.Array], jax.Array]  # Of stored images -> the cluster of each, int32 [block].
    num: int  # How many there are.


def assignment_metrics(clusters: Clusters, data: ResidentData, at_once: int) -> dict[str, jax.Array]:
    """Returns how well a model's clusters agree with classes, scalars `<split>_assignment_<name>`; see `agreement`.

    They are of the validation and test images that have a label; empty if none has one.

    Args:
      clusters: of the model.
      data: the images.
      at_once: the most images in a block.
    """
    if not data.label or data.num_classes is None:
        return {}
    data = data.with_labels()
    metrics: dict[str, jax.Array] = {}
    for split in ("validation", "test"):
        if not data.size(split):
            continue
        cluster = map_examples(functools.partial(_assign, clusters, data.image[split]), data.size(split), at_once)
        table = jnp.zeros((data.num_classes, clusters.num), jnp.int32)
        values = agreement(table.at[jnp.asarray(data.label[split]), cluster].add(1))
        metrics |= {f"{split}_assignment_{name}": value for name, value in values.items()}
    return metrics


def _assign(clusters: Clusters, image: Any, indices: jax.Array) -> jax.Array:
    return clusters.assign(image[indices])


def agreement(table: jax.Array) -> dict[str, jax.Array]:
    """Returns how well clusters agree with classes, scalars, by how many examples of each class lie in each cluster.

      accuracy  the share of examples in the cluster of their class, under the best matching of clusters and classes;
                Xie et al. (2016), equation 10. Where there are more of the one than of the other, some have no match.
      nmi       the mutual information, divided by the mean of both entropies
      ari       the adjusted Rand index (Hubert and Arabie, 1985)

    Args:
      table: int32 [classes, clusters].
    """
    rows, columns = optax.assignment.hungarian_algorithm(-table)
    count = table.astype(jnp.float32)
    num = jnp.sum(count)
    marginals = jnp.sum(count, axis=1), jnp.sum(count, axis=0)
    entropies = _entropy(marginals[0] / num) + _entropy(marginals[1] / num)
    of_class, of_cluster = (_num_pairs(marginal) for marginal in marginals)
    expected, most = of_class * of_cluster / _num_pairs(num), (of_class + of_cluster) / 2
    return {
        "accuracy": jnp.sum(table[rows, columns]) / num,
        "nmi": _share(entropies - _entropy(count / num), entropies / 2),
        "ari": _share(_num_pairs(count) - expected, most - expected),
    }


def _entropy(share: jax.Array) -> jax.Array:
    return -jnp.sum(jax.scipy.special.xlogy(share, share))


def _num_pairs(count: jax.Array) -> jax.Array:
    return jnp.sum(count * (count - 1)) / 2


def _share(part: jax.Array, whole: jax.Array) -> jax.Array:
    """Returns part / whole, and 1 where there is nothing to share: all examples are of one class and one cluster."""
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1.0), 1.0)
