"""The plain autoencoder: a code that reconstructs its input, and no other term (Hinton and Salakhutdinov, 2006)."""

import dataclasses
from typing import Literal

from aejax.autoencoders.base import Autoencoder, Family


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlainConfig(Family):
    """Loss: −log p(x | decode(encode(x))).

    Source: Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", 2006.

    Departures: all layers are trained together; `training.pretraining_epochs` trains them one by one first, as
    autoencoders and not as the paper's Boltzmann machines.
    """

    kind: Literal["plain"] = "plain"


class Plain(Autoencoder):
    """The networks of `PlainConfig`."""

    config: PlainConfig
