"""Regularized autoencoders: a small code and a smooth decoder in place of a variational posterior's noise.

The loss is reconstruction + β · ½ ‖z‖² + λ · L_REG. The three families differ in L_REG, which makes the decoder smooth.

Source: Ghosh, Sajjadi, Vergari, Black and Schölkopf, "From variational to deterministic autoencoders", 2020.

Departures: the reconstruction is the likelihood's. The paper's squared error lacks the ½ of `half_squared_error`: halve
its β and λ to train the same model.
"""

import dataclasses
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.config import NonNegativeFloat, PositiveInt, traced
from aejax.data.resident import Batch
from aejax.networks.spectral import SpectrallyNormalized
from aejax.objectives.penalties import squared_jacobian


@dataclasses.dataclass(frozen=True, kw_only=True)
class Regularized(Family):
    """What all three have: loss −log p(x | decode(z)) + embedding_weight · ½ ‖z‖² with z = encode(x)."""

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction", "embedding")

    embedding_weight: NonNegativeFloat = traced(0.01)  # Of the code's size; β of the paper.


@dataclasses.dataclass(frozen=True, kw_only=True)
class RaeL2Config(Regularized):
    """Loss: −log p(x | decode(z)) + embedding_weight · ½ ‖z‖² + decoder_weight · ‖θ‖² with z = encode(x).

    θ are the decoder's kernels, biases and scales of normalizations.
    """

    TERMS = (*Regularized.TERMS, "decoder")

    kind: Literal["rae_l2"] = "rae_l2"
    decoder_weight: NonNegativeFloat = traced(1e-4)  # Of the decoder's squared parameters; λ of the paper.


@dataclasses.dataclass(frozen=True, kw_only=True)
class RaeGPConfig(Regularized):
    """Loss: −log p(x | decode(z)) + embedding_weight · ½ ‖z‖² + decoder_weight · ‖∂x̂/∂z‖²_F with z = encode(x).

    x̂ is the expected image, in pixels.
    """

    TERMS = (*Regularized.TERMS, "decoder")

    kind: Literal["rae_gp"] = "rae_gp"
    decoder_weight: NonNegativeFloat = traced(0.01)  # Of the decoder's squared derivative; λ of the paper.
    num_probes: PositiveInt | None = 1  # Random directions for each image; null: every latent unit's, which is exact.


@dataclasses.dataclass(frozen=True, kw_only=True)
class RaeSNConfig(Regularized):
    """Loss: −log p(x | decode(z)) + embedding_weight · ½ ‖z‖² with z = encode(x).

    The decoder's kernels are divided by their largest singular values.
    """

    LAYERWISE: ClassVar[bool] = False

    kind: Literal["rae_sn"] = "rae_sn"


class RegularizedAutoencoder(Autoencoder):
    """The networks of a `Regularized` config."""

    config: Any  # A Regularized.

    def penalties(self, latent: jax.Array, label: jax.Array | None, *, train: bool) -> dict[str, jax.Array]:
        """Returns the terms beyond the first two, [batch] each; the decoder has been applied before."""
        del latent, label, train
        return {}

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction, the size of the code and what the kind adds, [batch] each."""
        latent = self.encode(batch.image, train=train)
        square = jnp.sum(jnp.square(latent.astype(jnp.float32)), axis=-1)
        return {
            "reconstruction": self.reconstruction(latent, batch, train=train),
            "embedding": 0.5 * self.config.embedding_weight * square,
            **self.penalties(latent, batch.label, train=train),
        }


class RaeL2(RegularizedAutoencoder):
    """The networks of `RaeL2Config`."""

    config: RaeL2Config

    def penalties(self, latent: jax.Array, label: jax.Array | None, *, train: bool) -> dict[str, jax.Array]:
        """Returns the decoder's squared parameters, the same for every example."""
        del label, train
        params = optax.tree.cast(self.decoder.variables["params"], jnp.float32)
        square = optax.tree.norm(params, squared=True)
        return {"decoder": jnp.broadcast_to(self.config.decoder_weight * square, latent.shape[:1])}


class RaeGP(RegularizedAutoencoder):
    """The networks of `RaeGPConfig`. Outside training the random directions are the same every time."""

    config: RaeGPConfig

    def penalties(self, latent: jax.Array, label: jax.Array | None, *, train: bool) -> dict[str, jax.Array]:
        """Returns the decoder's squared derivative at each latent.

        It is that of the decoder as it is used after training: one with batch statistics would mix the examples.
        """
        decoder, variables = self.decoder.unbind()

        def mean_image(latent: jax.Array) -> jax.Array:
            output: Any = decoder.apply(variables, self.tell(latent, label))
            return self.config.likelihood.mean(self.complete(output))

        key = self.noise_key(train=train)
        square = squared_jacobian(mean_image, latent, self.config.num_probes, key)
        return {"decoder": self.config.decoder_weight * square}


class RaeSN(RegularizedAutoencoder):
    """The networks of `RaeSNConfig`."""

    config: RaeSNConfig

    def build_decoder(self) -> nn.Module:
        """Returns the network from the latent to the image, normalized."""
        return SpectrallyNormalized(super().build_decoder())
