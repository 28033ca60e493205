"""What a decoder may be told of an image beside its latent: its label."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from aejax.data.load import Dataset


def append_label(latent: jax.Array, label: jax.Array, num_classes: int) -> jax.Array:
    """Returns latents followed by labels as one-hot vectors, [batch, ..., size + num_classes].

    Of a map every position has the vector. One class says nothing, so then there is no vector.

    Args:
      latent: [batch, ..., size].
      label: int32 [batch]. One that is not known (-1) is a vector of zeros.
      num_classes: how many classes there are.
    """
    if num_classes == 1:
        return latent
    vector = jax.nn.one_hot(label, num_classes, dtype=latent.dtype)
    vector = vector.reshape(len(vector), *[1] * (latent.ndim - 2), num_classes)
    return jnp.concatenate([latent, jnp.broadcast_to(vector, (*latent.shape[:-1], num_classes))], axis=-1)


def conflicts(family: Any, config: Any) -> Iterator[str]:
    """Yields why the decoder of a family with a `condition` cannot take labels, or what cannot do without them."""
    asked = f"autoencoder.condition={family.condition}"
    if not family.CONDITIONAL:
        yield f"{asked}: the decoder of '{family.kind}' cannot take labels; use condition=null, or another family"
    if family.patches is not None:
        yield f"{asked}: labels are of images, and autoencoder.patches is set; leave one of them out"
    if config.training.pretraining_epochs and not family.PRETRAINED:
        yield f"{asked}: greedy pre-training of layers uses no labels; set training.pretraining_epochs=0"
    if config.evaluation.outliers is not None and family.needs_label:
        yield f"{asked}: outliers have none of the labels that reconstructions need; leave evaluation.outliers out"


def misfits(family: Any, dataset: Dataset) -> Iterator[str]:
    """Yields that a data set has no labels."""
    if dataset.num_classes is None:
        yield (
            f"autoencoder.condition={family.condition} of '{family.kind}' tells the decoder labels, and {dataset.name} "
            f"{dataset.unlabelled}; use data with labels, or a family without condition"
        )
