"""Likelihoods of an image given the decoder's output: per example, in nats, summed over pixels.

A decoder emits unbounded numbers; `mean` maps them to pixels and `loss` compares them with the target, in float32
whatever type the decoder computes in. Nothing here reduces over the batch.
"""

import dataclasses
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import optax
from pydantic import Field

Output = Literal["identity", "sigmoid"]


def _pixels(output: jax.Array, kind: Output) -> jax.Array:
    output = output.astype(jnp.float32)
    return jax.nn.sigmoid(output) if kind == "sigmoid" else output


def _sum_over_pixels(values: jax.Array) -> jax.Array:
    return jnp.sum(values, axis=tuple(range(1, values.ndim)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class HalfSquaredError:
    """½ Σ (y − ŷ)²: a Gaussian with unit variance, without its constant. Its batch mean is the 1/(2N) loss."""

    kind: Literal["half_squared_error"] = "half_squared_error"
    output: Output = "sigmoid"  # What maps the decoder's output to pixels.

    def mean(self, output: jax.Array) -> jax.Array:
        """Returns the expected image, of the output's shape."""
        return _pixels(output, self.output)

    def loss(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns −log p(target | output) − constant, [batch], for output and target of [batch, ...]."""
        return 0.5 * _sum_over_pixels(jnp.square(self.mean(output) - target))


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeanSquaredError:
    """Σ (y − ŷ)² / D over the D pixels: `HalfSquaredError` × 2/D.

    The scale is no log-likelihood, so a second term (a KL, a penalty) could not be weighed against it; families with
    more than one term refuse it.
    """

    kind: Literal["mean_squared_error"] = "mean_squared_error"
    output: Output = "sigmoid"  # What maps the decoder's output to pixels.

    def mean(self, output: jax.Array) -> jax.Array:
        """Returns the expected image, of the output's shape."""
        return _pixels(output, self.output)

    def loss(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns the mean squared error of each example, [batch], for output and target of [batch, ...]."""
        return _sum_over_pixels(jnp.square(self.mean(output) - target)) / target[0].size


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bernoulli:
    """Independent Bernoulli pixels whose logits the decoder emits; targets lie in [0, 1]."""

    kind: Literal["bernoulli"] = "bernoulli"

    def mean(self, output: jax.Array) -> jax.Array:
        """Returns the expected image, of the output's shape."""
        return _pixels(output, "sigmoid")

    def loss(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns −log p(target | logits), [batch]; computed from the logits, so it is finite at any of them."""
        return _sum_over_pixels(optax.sigmoid_binary_cross_entropy(output.astype(jnp.float32), target))


Likelihood = Annotated[HalfSquaredError | MeanSquaredError | Bernoulli, Field(discriminator="kind")]
