"""The higher-order contractive autoencoder: its Jacobian, too, is kept from changing much (Rifai et al., 2011)."""

import dataclasses
from typing import ClassVar, Literal

import jax

from aejax.autoencoders.jacobian import JacobianAutoencoder, JacobianFamily
from aejax.config import NonNegativeFloat, PositiveInt, traced
from aejax.objectives.penalties import JacobianNorm, curvature


@dataclasses.dataclass(frozen=True, kw_only=True)
class HigherOrderContractiveConfig(JacobianFamily):
    """Loss: −log p(x | decode(h)) + weight · ‖J(x)‖²_F + hessian_weight · E_ε ‖J(x) − J(x + ε)‖²_F.

    h = encode(x), J = ∂h/∂x, ε ~ N(0, noise_scale² I). Outside training the noise is fixed.

    Source: Rifai, Mesnil, Vincent, Muller, Bengio, Dauphin and Glorot, "Higher order contractive auto-encoder", 2011.

    Departures: by default both norms are unbiased estimates, where the paper computes that of the Jacobian analytically
    (`jacobian=closed_form`).
    """

    TERMS: ClassVar[tuple[str, ...]] = (*JacobianFamily.TERMS, "curvature")

    kind: Literal["higher_order_contractive"] = "higher_order_contractive"
    hessian_weight: NonNegativeFloat = traced(0.1)  # Of the change of the Jacobian.
    noise_scale: NonNegativeFloat = traced(0.1)  # Standard deviation; pixels lie in [0, 1].
    num_corruptions: PositiveInt = 1  # Draws of ε for each example and step.


class HigherOrderContractive(JacobianAutoencoder):
    """The networks of `HigherOrderContractiveConfig`. Outside training the noise is fixed."""

    config: HigherOrderContractiveConfig

    def penalties(
        self, norm: JacobianNorm, image: jax.Array, sketch: jax.Array, key: jax.Array
    ) -> dict[str, jax.Array]:
        """Returns the weighted penalties on the Jacobian and on its change, each [batch]."""
        config = self.config
        noise = config.noise_scale * jax.random.normal(key, (config.num_corruptions, *image.shape))
        penalties = super().penalties(norm, image, sketch, key)
        return penalties | {"curvature": config.hessian_weight * curvature(norm, image, sketch, noise)}
