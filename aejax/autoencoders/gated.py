"""The gated sparse autoencoder: which units are active, and how much, are two paths (Rajamanoharan et al., 2024a)."""

import dataclasses
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.autoencoders.dictionary import DictionaryAutoencoder, WithDictionary
from aejax.autoencoders.jump_relu import own_activation
from aejax.config import NonNegativeFloat, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.networks.layers import make_dense
from aejax.objectives.likelihoods import HalfSquaredError, Likelihood
from aejax.objectives.penalties import absolute_sum


@dataclasses.dataclass(frozen=True, kw_only=True)
class GatedConfig(WithDictionary):
    """Loss: −log p(x | decode(h)) + weight · Σ_j g⁺_j + auxiliary_weight · (−log p(x | frozen decode(g⁺))).

    g = W x + gate bias is what opens the gates, and g⁺ its positive part; h = 1[g > 0] · (exp(r) · W x + magnitude
    bias)⁺ is the code. So the penalty does not shrink the code. The gates learn by the penalty and by the last term,
    which does not train the decoder.

    Source: Rajamanoharan, Conmy, Smith, Lieberum, Varma, Kramár, Shah and Nanda, "Improving dictionary learning with
    gated sparse autoencoders", 2024, section 3.

    Departures: the authors have no ½ in their reconstructions, so halve their weight. The bias that is taken from the
    input is held fixed there (`centered`), so that the last two terms do not train it either. Dead units are not drawn
    anew.
    """

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction", "sparsity", "auxiliary")
    LAYERWISE: ClassVar[bool] = False

    kind: Literal["gated"] = "gated"
    unit_norm: bool = True
    centered: bool = True
    likelihood: Likelihood = HalfSquaredError(output="identity")
    weight: NonNegativeFloat = traced(1e-2)  # Of the sum of what opens the gates.
    auxiliary_weight: NonNegativeFloat = traced(1.0)  # Of the reconstruction from what opens the gates.

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the units have another activation, or which network has no unit norm, or None."""
        return super().conflict(preprocessing) or own_activation(self)


class Gated(DictionaryAutoencoder):
    """The networks of `GatedConfig`."""

    config: GatedConfig

    def setup(self) -> None:
        """Makes the networks, and what the two paths do not share."""
        super().setup()
        names, shape = ("gate_bias", "magnitude_bias", "log_gain"), (self.config.latent_size,)
        self.gate_bias, self.magnitude_bias, self.log_gain = (
            self.param(name, nn.initializers.zeros, shape) for name in names
        )

    def build_latent(self) -> nn.Module:
        """Returns the layer of both paths, which have a bias each."""
        return make_dense(self.config.latent_size, self.config.encoder.initializer, use_bias=False)

    def preactivate(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """What opens the gates, [batch, latent_size]: those where it is positive."""
        return super().preactivate(image, train=train) + self.gate_bias[None]

    def activate(self, preactivation: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent, [batch, latent_size]: magnitudes where gates are open, and 0 where not."""
        del train
        shared = preactivation - self.gate_bias[None]
        magnitude = nn.relu(jnp.exp(self.log_gain)[None] * shared + self.magnitude_bias[None])
        return jnp.where(preactivation > 0, magnitude, jnp.zeros_like(magnitude))

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction, the penalty on the gates and the reconstruction by these, each [batch]."""
        config = self.config
        gate = self.preactivate(batch.image, train=train)
        reconstruction = self.reconstruction(self.activate(gate, train=train), batch, train=train)
        opening = nn.relu(gate)
        return {
            "reconstruction": reconstruction,
            "sparsity": config.weight * absolute_sum(opening),
            "auxiliary": config.auxiliary_weight * self._by_frozen(opening, batch),
        }

    def _by_frozen(self, latent: jax.Array, batch: Batch) -> jax.Array:
        """Returns −log p(image | latent), [batch], by a decoder that no gradient reaches, as outside training."""
        decoder, variables = self.decoder.unbind()
        output: Any = decoder.apply(jax.lax.stop_gradient(variables), self.tell(latent, batch.label))
        scale = jax.lax.stop_gradient(self.complete(output)[..., output.shape[-1] :])  # If the likelihood has one.
        return self.config.likelihood.loss(jnp.concatenate([output.astype(jnp.float32), scale], axis=-1), batch.image)
