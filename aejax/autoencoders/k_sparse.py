"""The k-sparse autoencoder: the k largest latent units of each image are kept (Makhzani and Frey, 2014)."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.dictionary import DictionaryAutoencoder, WithDictionary, exceeding
from aejax.config import NonNegativeFloat, PositiveInt, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.objectives.selection import drop_below, keep_largest, kth_largest


@dataclasses.dataclass(frozen=True, kw_only=True)
class KSparseConfig(WithDictionary):
    """Loss: −log p(x | decode(keep the k largest of encode(x))) + auxiliary_weight · AuxK.

    The units compete after their activation: with "identity" as in Makhzani and Frey, with "relu" as in Gao et al.,
    where fewer than k may be left. With `auxiliary_weight` AuxK revives dead units.

    Source: Makhzani and Frey, "k-Sparse autoencoders", 2014; for AuxK Gao et al., "Scaling and evaluating sparse
    autoencoders", 2024, appendix A.2.

    Departures: the default network is that of Makhzani and Frey except for the decoder: its weights are not tied to the
    encoder's, and its output is linear only with `likelihood.output=identity`.
    """

    kind: Literal["k_sparse"] = "k_sparse"
    k: PositiveInt = traced(25)  # Units that an image keeps.
    inference_k: PositiveInt | None = traced(None)  # Outside training (αk of Makhzani and Frey); null: k.
    auxiliary_weight: NonNegativeFloat | None = traced(None)  # Of AuxK (1/32 in Gao et al.); null: no such term.
    auxiliary_k: PositiveInt = traced(32)  # Dead units that explain what the living leave unexplained.
    dead_after: PositiveInt = traced(100)  # Training steps in which no image kept the unit.

    def term_names(self) -> tuple[str, ...]:
        """Returns the names of the loss's terms."""
        return self.TERMS if self.auxiliary_weight is None else (*self.TERMS, "auxiliary")

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns which number of units is larger than the latent, or which network has no unit norm, or None."""
        names = ("k", "inference_k", *(() if self.auxiliary_weight is None else ("auxiliary_k",)))
        if self.condition is not None and self.auxiliary_weight is not None:
            return "auxiliary_weight: what dead units draw by themselves has no label; use condition=null"
        return super().conflict(preprocessing) or exceeding(self, names)


class KSparse(DictionaryAutoencoder):
    """The networks of `KSparseConfig`.

    With AuxK the collection "activity" counts for each unit the steps since an image last kept it.
    """

    config: KSparseConfig

    def setup(self) -> None:
        """Makes the networks, and the counter where it is needed."""
        super().setup()
        if self.config.auxiliary_weight is not None:
            self.idle_steps = self.variable("activity", "idle_steps", jnp.zeros, (self.config.latent_size,), jnp.int32)

    def activate(self, preactivation: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent, [batch, latent_size], in which k units of each image are not 0."""
        config, latent = self.config, super().activate(preactivation, train=train)
        return keep_largest(latent, config.k if train or config.inference_k is None else config.inference_k, axis=1)

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction and, if it is weighed, AuxK: each [batch]."""
        config = self.config
        preactivation = self.preactivate(batch.image, train=train)
        latent = self.activate(preactivation, train=train)
        output = self.decode(latent, batch.label, train=train)
        terms = {"reconstruction": self.compare(output, batch.image, train=train)}
        if config.auxiliary_weight is not None:
            if train:
                kept = jnp.any(latent != 0, axis=0)
                self.idle_steps.value = jnp.where(kept, 0, self.idle_steps.value + 1)
            dense = super().activate(preactivation, train=train)
            terms["auxiliary"] = config.auxiliary_weight * self._auxiliary(dense, output, batch.image)
        return terms

    def _auxiliary(self, dense: jax.Array, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns AuxK, [batch]: how well the largest dead units mend the decoder's output, and 0 where none is dead.

        It is ‖e − ê‖² of Gao et al. for any likelihood, so halved where the reconstruction is: e is what the output,
        held fixed, leaves unexplained, and ê what the dead units add to it. Their decoder is linear; of another one it
        is what they add to its output at 0.
        """
        dead = (self.idle_steps.value >= self.config.dead_after)[None]
        competing = jnp.where(dead, dense, -jnp.inf)
        largest = drop_below(competing, kth_largest(competing, self.config.auxiliary_k, axis=1))
        # Decoded as outside training: running statistics are those of the code itself.
        change = self.decode(jnp.where(dead, largest, 0)) - self.decode(jnp.zeros_like(dense[:1]))
        mended = self.config.likelihood.loss(jax.lax.stop_gradient(output) + change, target)
        return jnp.where(jnp.any(dead), mended, 0.0)
