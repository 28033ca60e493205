"""Retrieval: whether the images whose features are most similar to an image's are of its class."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from aejax.evaluation.neighbors import normalize

NUM_QUERIES = 1000  # Of each split, its first: each sorts the whole gallery.
_QUERIES_AT_ONCE = 50


def retrieval_precision(features: Mapping[str, jax.Array], labels: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    """Returns `validation_retrieval_map` and `test_retrieval_map`, scalars in [0, 1]: mean average precisions.

    The first 1,000 images of a split are the queries, each of which ranks all training images (test images those of
    validation too) by cosine similarity. Average precision: the mean over the images of the query's class of the share
    of that class among those ranked no lower. NaN for a query none of whose class is there to be found.

    Args:
      features: "train", "validation", "test": float32 [n, d].
      labels: of the same keys, int32 [n].
    """
    unit = {split: normalize(features[split]) for split in ("train", "validation", "test")}
    both, both_labels = (jnp.concatenate([x["train"], x["validation"]]) for x in (unit, labels))
    galleries = {"validation": (unit["train"], labels["train"]), "test": (both, both_labels)}
    return {
        f"{split}_retrieval_map": jnp.mean(
            average_precision(unit[split][:NUM_QUERIES], labels[split][:NUM_QUERIES], *gallery)
        )
        for split, gallery in galleries.items()
    }


def average_precision(queries: jax.Array, label: jax.Array, gallery: jax.Array, classes: jax.Array) -> jax.Array:
    """Returns the average precision of each query, [queries]; features are of unit length.

    Of images that are equally similar, to all digits but a float32's last, those of other classes come first.
    """

    def one(query: tuple[jax.Array, jax.Array]) -> jax.Array:
        similarity = jnp.matmul(gallery, query[0], precision=jax.lax.Precision.HIGHEST)
        relevant = _sort_by(similarity, classes == query[1])
        precision = jnp.cumsum(relevant) / jnp.arange(1, relevant.size + 1)
        return jnp.sum(precision * relevant) / jnp.sum(relevant)

    return jax.lax.map(one, (queries, label), batch_size=min(_QUERIES_AT_ONCE, queries.shape[0]))


def _sort_by(score: jax.Array, flag: jax.Array) -> jax.Array:
    """Returns the flags by falling score.

    Both are sorted as one integer, the flag in the place of the score's last bit: XLA sorts integers 7 times as fast on
    a CPU as it sorts floats, or anything that carries something else along.
    """
    bits = jax.lax.bitcast_convert_type(score, jnp.int32)
    ordered = jnp.where(bits < 0, bits ^ jnp.int32(0x7FFFFFFF), bits)  # Integers in the order of the floats.
    return jnp.sort((ordered & ~1) | jnp.where(flag, 0, 1))[::-1] & 1 == 0
