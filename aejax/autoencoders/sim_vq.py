"""SimVQ: one learned matrix moves all vectors of a frozen codebook, so that none stays behind (Zhu et al., 2024)."""

import dataclasses
from typing import Any, ClassVar, Literal

from aejax.autoencoders.vq_vae import CodebookAutoencoder, WithCodebook
from aejax.data.resident import ResidentData


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimVqConfig(WithCodebook):
    """Loss: −log p(x|e) + commitment · Σ ‖z − sg(e)‖² + Σ ‖sg(z) − e‖², e the row of C W nearest to z.

    C is drawn at first and stays; W is learned.

    Source: Zhu, Li, Xin, Xia and Xu, "Addressing representation collapse in vector quantized models with one linear
    layer", 2024.

    Departures: the terms are summed as in `vq_vae`. C is drawn from N(0, I), W begins as the identity, and the latent's
    layer such that over training images the numbers of z have mean 0 and variance 1, and are not correlated: so that z
    and C are alike at first.
    """

    BASIS: ClassVar[bool] = True

    kind: Literal["sim_vq"] = "sim_vq"


class SimVq(CodebookAutoencoder):
    """The networks of `SimVqConfig`."""

    config: SimVqConfig

    def init_from_data(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with the latent's layer so; see `whiten`."""
        return self.whiten(variables, data)
