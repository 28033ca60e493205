"""BatchTopK: an image may keep many units and another few, k on average (Bussmann, Leask and Nanda, 2024)."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.dictionary import DictionaryAutoencoder, WithDictionary, exceeding
from aejax.config import PositiveInt, traced
from aejax.data.preprocessing import Kind
from aejax.networks.layers import Activation
from aejax.objectives.selection import drop_below, keep_largest

_DECAY = 0.99  # Of the running mean of thresholds, from some 900 steps on.


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithBatchTopK(WithDictionary):
    """The fields of families whose units compete over the batch."""

    latent_activation: Activation = "relu"
    k: PositiveInt = traced(25)  # Units that an image keeps, on average over the batch.

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that k is larger than the latent, or which network has no unit norm, or None."""
        return super().conflict(preprocessing) or exceeding(self, ("k",))


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchTopKConfig(WithBatchTopK):
    """Loss: −log p(x | decode(keep the k · batch largest of encode(batch))).

    Outside training the code of an image must not depend on other images: units at or above a threshold are kept. The
    threshold is a running mean, over training steps, of the smallest positive value that was kept.

    Source: Bussmann, Leask and Nanda, "BatchTopK sparse autoencoders", 2024.

    Departures: the authors' code revives dead units by an auxiliary loss; there is none here.
    """

    kind: Literal["batch_top_k"] = "batch_top_k"


class BatchTopKAutoencoder(DictionaryAutoencoder):
    """The networks of a family `WithBatchTopK`.

    The threshold of `BatchTopKConfig` is in the collection "activity".
    """

    def setup(self) -> None:
        """Makes the networks and the threshold."""
        super().setup()
        # 0 until training has seen a positive value: until then every positive value is kept.
        self.threshold = self.variable("activity", "threshold", jnp.zeros, (), jnp.float32)
        self.num_averaged = self.variable("activity", "num_averaged", jnp.zeros, (), jnp.int32)

    def activate(self, preactivation: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent, [batch, latent_size], in which k units of an image are not 0 on average."""
        latent = super().activate(preactivation, train=train)
        if not train:
            return drop_below(latent, self.threshold.value)
        latent = keep_largest(latent, self.config.k * latent.shape[0], axis=(0, 1))
        self._average(jax.lax.stop_gradient(latent).astype(jnp.float32))
        return latent

    def _average(self, kept: jax.Array) -> None:
        """Takes the smallest positive value of a batch's code into the running mean, if there is one."""
        smallest = jnp.min(jnp.where(kept > 0, kept, jnp.inf))
        old, count, is_finite = self.threshold.value, self.num_averaged.value, jnp.isfinite(smallest)
        # Early on the mean would mostly be that of the initial network: let it forget it faster.
        decay = jnp.minimum(_DECAY, count / (count + 9))
        self.threshold.value = jnp.where(is_finite, decay * old + (1 - decay) * smallest, old)
        self.num_averaged.value = count + is_finite


class BatchTopK(BatchTopKAutoencoder):
    """The networks of `BatchTopKConfig`."""

    config: BatchTopKConfig
