"""Classification by the nearest neighbors of a feature vector."""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp

from aejax.evaluation.accuracy import balanced_accuracy

_QUERIES_AT_ONCE = 250  # Their similarities to 60,000 neighbors take 60 MB.


def neighbors_accuracy(
    features: Mapping[str, jax.Array],
    labels: Mapping[str, jax.Array],
    *,
    num_classes: int,
    num_neighbors: int,
    temperature: float | None = None,
    balanced: bool = False,
) -> dict[str, jax.Array]:
    """Returns `validation_knn_accuracy` and `test_knn_accuracy`, scalars in [0, 1].

    Each query gets the class that most of its neighbors by cosine similarity have; of classes with as many, the one
    whose neighbors are more similar in sum. Validation examples have the training examples for neighbors, test examples
    those of training and validation. A zero vector has similarity 0 to everything.

    With a temperature there are `validation_weighted_knn_accuracy` and `test_weighted_knn_accuracy` too, of votes that
    weigh exp(similarity / temperature) (Wu, Xiong, Yu and Lin, "Unsupervised feature learning via non-parametric
    instance discrimination", 2018, section 3.4).

    Args:
      features: "train", "validation", "test": float32 [n, d].
      labels: of the same keys, int32 [n].
      num_classes: labels lie in [0, num_classes).
      num_neighbors: how many vote.
      temperature: positive, or None: no weighted vote.
      balanced: whether there are `..._balanced_accuracy` beside every accuracy, in which classes count alike.

    Raises:
      ValueError: there are fewer training examples than `num_neighbors`.
    """
    size = features["train"].shape[0]
    if not 1 <= num_neighbors <= size:
        raise ValueError(f"num_neighbors must lie in [1, {size}], the training examples; got {num_neighbors}")
    unit = {split: normalize(features[split]) for split in ("train", "validation", "test")}
    labels = {split: jnp.asarray(label) for split, label in labels.items()}
    both, both_labels = (jnp.concatenate([x["train"], x["validation"]]) for x in (unit, labels))

    def accuracies(split: str, neighbors: jax.Array, classes: jax.Array) -> dict[str, jax.Array]:
        by_vote = functools.partial(vote, num_classes=num_classes, num_neighbors=num_neighbors, temperature=temperature)
        predicted = by_vote(unit[split], neighbors, classes)
        right = {name: value == labels[split] for name, value in predicted.items()}
        found = {f"{split}_{name}_accuracy": jnp.mean(value) for name, value in right.items()}
        if balanced:
            for name, value in right.items():
                found[f"{split}_{name}_balanced_accuracy"] = balanced_accuracy(value, labels[split])
        return found

    return accuracies("validation", unit["train"], labels["train"]) | accuracies("test", both, both_labels)


def normalize(x: jax.Array) -> jax.Array:
    """Returns the rows of x [n, d] at unit length; a zero vector stays what it is."""
    # By the largest element first, whose square could overflow.
    x = x / jnp.maximum(jnp.max(jnp.abs(x), axis=1, keepdims=True), jnp.finfo(x.dtype).tiny)
    return x / jnp.maximum(jnp.linalg.norm(x, axis=1, keepdims=True), 0.5)  # At least 1, except of a zero vector.


def vote(
    queries: jax.Array,
    neighbors: jax.Array,
    labels: jax.Array,
    num_classes: int,
    num_neighbors: int,
    temperature: float | None,
) -> dict[str, jax.Array]:
    """Returns the class of each query by each way to vote ("knn", and "weighted_knn" if there is a temperature).

    Args:
      queries: of unit length, [queries, d].
      neighbors: likewise, [n, d].
      labels: of the neighbors, int32 [n].
      num_classes: labels lie in [0, num_classes).
      num_neighbors: how many vote.
      temperature: see `neighbors_accuracy`.

    Returns:
      int32 [queries] by name.
    """

    def classify(query: jax.Array) -> dict[str, jax.Array]:
        # TF32 would change the order of the neighbors.
        similarity = jnp.matmul(neighbors, query, precision=jax.lax.Precision.HIGHEST)
        # On a CPU top_k costs a third of the matmul; taking maxima of groups first saved little.
        nearest, indices = jax.lax.top_k(similarity, num_neighbors)
        vote = jax.nn.one_hot(labels[indices], num_classes)
        votes, summed = jnp.sum(vote, axis=0), jnp.sum(vote * nearest[:, None], axis=0)
        classes = {"knn": jnp.argmax(jnp.where(votes == jnp.max(votes), summed, -jnp.inf))}
        if temperature is not None:
            weight = jnp.exp((nearest - nearest[0]) / temperature)  # Of the nearest 1: none overflows.
            classes["weighted_knn"] = jnp.argmax(jnp.sum(vote * weight[:, None], axis=0))
        return classes

    return jax.lax.map(classify, queries, batch_size=min(_QUERIES_AT_ONCE, queries.shape[0]))
