"""Networks that tell two kinds of codes, or of images, apart, and what they are for those who must not train them."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.networks.layers import flatten, make_dense
from aejax.networks.zoo import Encoder, make_encoder

SLOPE = 0.2  # Of the leaky ReLUs, below zero (Kim and Mnih, 2018).


class CodeDiscriminator(nn.Module):
    """Dense layers with leaky ReLUs, and a logit: [batch, latent] -> [batch], positive for the first kind."""

    widths: Sequence[int]

    @nn.compact
    def __call__(self, latent: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the logit of "of the first kind", float32 [batch]."""
        del train
        for width in self.widths:
            latent = nn.leaky_relu(make_dense(width, "he_normal")(latent), SLOPE)
        return make_dense(1, "glorot_uniform")(latent)[:, 0].astype(jnp.float32)


class ImageDiscriminator(nn.Module):
    """An encoder's network, and a logit that reads its features: [batch, height, width, channels] -> both."""

    config: Encoder

    @nn.compact
    def __call__(self, image: jax.Array, *, train: bool = False) -> tuple[jax.Array, jax.Array]:
        """Returns the last hidden layer's features, [batch, size], and the logit of "real", [batch], float32."""
        features = flatten(make_encoder(self.config)(image, train=train))
        logit = make_dense(1, "glorot_uniform")(features)[:, 0]
        return features.astype(jnp.float32), logit.astype(jnp.float32)


def frozen(network: nn.Module) -> Callable[..., Any]:
    """Returns a bound network as a function whose gradient is that of its arguments alone.

    So a loss that is not for the network costs nothing there. What the network would note of what it sees (statistics
    of batches) is dropped.
    """
    if network.is_initializing():
        return network
    unbound, variables = network.unbind()
    variables = jax.lax.stop_gradient(variables)
    noted = [name for name in variables if name != "params"]
    return lambda *arguments, **keywords: unbound.apply(variables, *arguments, **keywords, mutable=noted)[0]
