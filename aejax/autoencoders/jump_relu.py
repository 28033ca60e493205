"""The JumpReLU sparse autoencoder: each unit learns from which value on it is active (Rajamanoharan et al., 2024b)."""

import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from aejax.autoencoders.dictionary import DictionaryAutoencoder, WithDictionary
from aejax.config import NonNegativeFloat, PositiveFloat, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch
from aejax.objectives.likelihoods import HalfSquaredError, Likelihood


@dataclasses.dataclass(frozen=True, kw_only=True)
class JumpReluConfig(WithDictionary):
    """Loss: −log p(x | decode(z · 1[z > θ])) + weight · Σ_j 1[z_j > θ_j] with z the latent before its activation.

    The second term is the number of active units. Neither term has a slope along the thresholds θ > 0, but their
    expectations over images have: estimates of these slopes from the images whose z lies within bandwidth / 2 of θ
    train the thresholds.

    Source: Rajamanoharan, Lieberum, Sonnerat, Conmy, Varma, Kramár and Nanda, "Jumping ahead: improving reconstruction
    fidelity with JumpReLU sparse autoencoders", 2024, section 3.

    Departures: the authors have no ½ in their reconstruction, so halve their weight; theirs grows from 0 in the first
    steps. The bias that is taken from the input is held fixed there (`centered`). The authors have a threshold and a
    bandwidth of 0.001, and train far longer: in some thousand steps such thresholds stay where they are. All are of
    data whose squared norm is 1 on average: `data.preprocessing=mean_norm` makes it so.
    """

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction", "sparsity")

    kind: Literal["jump_relu"] = "jump_relu"
    unit_norm: bool = True
    centered: bool = True
    likelihood: Likelihood = HalfSquaredError(output="identity")
    weight: NonNegativeFloat = traced(1e-3)  # Of the number of active units.
    threshold: PositiveFloat = traced(0.03)  # Of all units, at first; its logarithm is learned.
    bandwidth: PositiveFloat = traced(0.03)  # Of the window around a threshold in which images train it.

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns that the units have another activation, or which network has no unit norm, or None."""
        return super().conflict(preprocessing) or own_activation(self)


def own_activation(family: WithDictionary) -> str | None:
    """Returns that a field asks for another activation than the family's own, or None."""
    if family.latent_activation == "identity":
        return None
    return f"latent_activation={family.latent_activation}: its units have an activation of their own; leave it out"


class JumpRelu(DictionaryAutoencoder):
    """The networks of `JumpReluConfig`."""

    config: JumpReluConfig

    def setup(self) -> None:
        """Makes the networks and the thresholds."""
        super().setup()
        first = jnp.log(jnp.asarray(self.config.threshold, jnp.float32))
        self.log_threshold = self.param(
            "log_threshold", lambda _, shape: jnp.broadcast_to(first, shape), (self.config.latent_size,)
        )

    def threshold(self) -> jax.Array:
        """The thresholds, float32 [1, latent_size]."""
        return jnp.exp(self.log_threshold.astype(jnp.float32))[None]

    def activate(self, preactivation: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent, [batch, latent_size]: what is not above its threshold is 0."""
        del train
        return jump(preactivation, self.threshold(), self.config.bandwidth)

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction and the weighted number of active units, each [batch]."""
        config = self.config
        preactivation = self.preactivate(batch.image, train=train)
        latent = self.activate(preactivation, train=train)
        active = step(preactivation, self.threshold(), config.bandwidth)
        return {
            "reconstruction": self.reconstruction(latent, batch, train=train),
            "sparsity": config.weight * jnp.sum(active, axis=1),
        }


# The estimates are written as terms that are 0 and whose slope is the estimate: so they hold in any derivative.


def jump(z: jax.Array, threshold: jax.Array, bandwidth: ArrayLike) -> jax.Array:
    """Returns z · 1[z > θ], float32; its slope along θ is −θ / bandwidth in the window, else 0.

    Args:
      z: [batch, units].
      threshold: θ, [1, units].
      bandwidth: the width of the window around θ.
    """
    z = z.astype(jnp.float32)
    slope = threshold * _window(z, threshold, bandwidth) / bandwidth
    return jnp.where(z > threshold, z, 0.0) - jax.lax.stop_gradient(slope) * _zero(threshold)


def step(z: jax.Array, threshold: jax.Array, bandwidth: ArrayLike) -> jax.Array:
    """Returns 1[z > θ], float32; its slope along θ is −1 / bandwidth in the window, else 0; along z 0.

    The arguments are those of `jump`.
    """
    z = z.astype(jnp.float32)
    slope = _window(z, threshold, bandwidth) / bandwidth
    return (z > threshold).astype(jnp.float32) - jax.lax.stop_gradient(slope) * _zero(threshold)


def _window(z: jax.Array, threshold: jax.Array, bandwidth: ArrayLike) -> jax.Array:
    return (jnp.abs(z - threshold) < bandwidth / 2).astype(jnp.float32)


def _zero(x: jax.Array) -> jax.Array:
    """Returns 0, with slope 1 along x."""
    return x - jax.lax.stop_gradient(x)
