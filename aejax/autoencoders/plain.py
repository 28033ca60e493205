"""The plain autoencoder: a code that reconstructs its input, and no other term (Hinton and Salakhutdinov, 2006)."""

import dataclasses
from typing import Literal

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlainConfig(Family):
    """Loss: −log p(x | decode(encode(x))).

    Source: Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", 2006.

    Departures: all layers are trained together; the paper first trains them one by one, as Boltzmann machines. With
    `training.pretraining_epochs` dense layers are first trained one by one, as autoencoders.
    """

    kind: Literal["plain"] = "plain"


class Plain(Autoencoder):
    """The networks of `PlainConfig`."""

    config: PlainConfig
