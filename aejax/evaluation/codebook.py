"""How much of its codebook a model with discrete codes uses."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from aejax.data.resident import ResidentData, map_examples


class Codes(NamedTuple):
    """What evaluation wants to know of a model with discrete codes."""

    code: Callable[[jax.Array], jax.Array]  # Stored images [block, height, width, channels] -> int32 [block, codes].
    num_categories: int  # Every index lies in [0, num_categories).
    num_codebooks: int = 1  # Of which as many indices next to each other are, one of each.


def codebook_metrics(codes: Codes, data: ResidentData, at_once: int) -> dict[str, jax.Array]:
    """Returns of validation and test images how many codes are in use, as scalars (`test_codebook_usage`).

    `codebook_usage` is the share of the codes that occur at all, `codebook_perplexity` the exponential of the entropy
    of how often each does: as many codes, all as often, would have it. Of several codebooks both are means over them.

    Args:
      codes: of the model.
      data: with the images.
      at_once: the most images in a block.
    """
    metrics: dict[str, jax.Array] = {}
    for split in ("validation", "test"):
        if not data.size(split):
            continue

        def block(indices: jax.Array) -> jax.Array:
            return codes.code(data.image[split][indices])  # noqa: B023

        code = map_examples(block, data.size(split), at_once).reshape(-1, codes.num_codebooks)
        column = jnp.arange(codes.num_codebooks)[None]
        number = jnp.zeros((codes.num_codebooks, codes.num_categories), jnp.int32).at[column, code].add(1)
        entropy = jnp.sum(jax.scipy.special.entr(number / len(code)), axis=1)
        metrics[f"{split}_codebook_usage"] = jnp.mean(number > 0)
        metrics[f"{split}_codebook_perplexity"] = jnp.mean(jnp.exp(entropy))
    return metrics
