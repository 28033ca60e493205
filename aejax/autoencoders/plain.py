"""The plain autoencoder: a code that reconstructs its input, and no other term (Hinton and Salakhutdinov, 2006)."""

import dataclasses
from typing import Literal

from aejax.autoencoders.base import Autoencoder, Family


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlainConfig(Family):
    """Loss: −log p(x | decode(encode(x)))."""

    kind: Literal["plain"] = "plain"


class Plain(Autoencoder):
    """The networks of `PlainConfig`."""

    config: PlainConfig
