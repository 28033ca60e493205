"""The contractive autoencoder: a penalty keeps the code from changing much with the image (Rifai et al., 2011)."""

import dataclasses
from typing import Literal

from aejax.autoencoders.jacobian import JacobianAutoencoder, JacobianFamily


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContractiveConfig(JacobianFamily):
    """Loss: −log p(x | decode(h)) + weight · ‖J(x)‖²_F with h = encode(x), J = ∂h/∂x.

    Source: Rifai, Vincent, Muller, Glorot and Bengio, "Contractive auto-encoders: explicit invariance during feature
    extraction", 2011.

    Departures: by default the norm is an unbiased estimate; `jacobian=closed_form` has the paper's formula. The
    decoder's weights are free, so a code may also contract by a smaller scale, which the decoder undoes.
    """

    kind: Literal["contractive"] = "contractive"


class Contractive(JacobianAutoencoder):
    """The networks of `ContractiveConfig`."""

    config: ContractiveConfig
