"""Networks that tell two kinds of codes apart."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.networks.layers import make_dense

SLOPE = 0.2  # Of the leaky ReLUs, below zero (Kim and Mnih, 2018).


class CodeDiscriminator(nn.Module):
    """Dense layers with leaky ReLUs, and a logit: [batch, latent] -> [batch], positive for the first kind."""

    widths: Sequence[int]

    @nn.compact
    def __call__(self, latent: jax.Array) -> jax.Array:
        """Returns the logit of "of the first kind", float32 [batch]."""
        for width in self.widths:
            latent = nn.leaky_relu(make_dense(width, "he_normal")(latent), SLOPE)
        return make_dense(1, "glorot_uniform")(latent)[:, 0].astype(jnp.float32)
