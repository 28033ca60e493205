"""Networks that tell two kinds of codes apart."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.networks.layers import DenseStack, make_dense


class CodeDiscriminator(nn.Module):
    """Dense layers with leaky ReLUs, and a logit: [batch, latent] -> [batch], positive for the first kind."""

    widths: Sequence[int]

    @nn.compact
    def __call__(self, latent: jax.Array) -> jax.Array:
        """Returns the logit of "of the first kind", float32 [batch]."""
        hidden = DenseStack(self.widths, "leaky_relu", "he_normal")(latent)
        return make_dense(1, "glorot_uniform", name="Dense_0")(hidden)[:, 0].astype(jnp.float32)
