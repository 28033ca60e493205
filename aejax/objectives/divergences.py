"""Kullback-Leibler divergences, in nats: of each unit by itself, without any reduction."""

import jax
import jax.numpy as jnp
import optax


def bernoulli_kl(rate: jax.typing.ArrayLike, logit: jax.Array) -> jax.Array:
    """Returns KL(Bernoulli(rate) ‖ Bernoulli(sigmoid(logit))), of the logit's shape.

    The second probability comes as its logit, so that the divergence and its gradient are finite however close that
    probability is to 0 or 1.

    Args:
      rate: a scalar in [0, 1].
      logit: any shape.
    """
    rate = jnp.full_like(logit, rate)
    entropy = jax.scipy.special.entr(rate) + jax.scipy.special.entr(1 - rate)
    return optax.sigmoid_binary_cross_entropy(logit, rate) - entropy
