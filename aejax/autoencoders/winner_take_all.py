"""The winner-take-all autoencoder: each unit is active for few images (Makhzani and Frey, 2015, section 2)."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.config import PositiveInt, Share, traced
from aejax.networks.dense import Dense
from aejax.networks.layers import Activation
from aejax.networks.zoo import Encoder
from aejax.objectives.selection import keep_largest


@dataclasses.dataclass(frozen=True, kw_only=True)
class WinnerTakeAllConfig(Family):
    """Loss: −log p(x | decode(encode(x))), where in training a unit keeps its largest values over the batch.

    Outside training every value is kept, as in the paper, which is about features. Reconstructions then come from a
    denser code than the decoder was trained on.

    Source: Makhzani and Frey, "Winner-take-all autoencoders", 2015, section 2.
    """

    kind: Literal["winner_take_all"] = "winner_take_all"
    encoder: Encoder = Dense(widths=())
    latent_size: PositiveInt = 1000
    latent_activation: Activation = "relu"
    rate: Share = traced(0.05)  # Share of the batch for which a unit keeps its value; at least one image.


class WinnerTakeAll(Autoencoder):
    """The networks of `WinnerTakeAllConfig`."""

    config: WinnerTakeAllConfig

    def activate(self, preactivation: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent, [batch, latent_size]; in training a share `rate` of each column is not 0."""
        latent = super().activate(preactivation, train=train)
        return keep_largest(latent, num_winners(self.config.rate, latent.shape[0]), axis=0) if train else latent

    def features(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent without sparsity, [batch, latent_size], also while a classifier is trained on it."""
        return super().activate(self.preactivate(image, train=train), train=train)


def num_winners(share: jax.typing.ArrayLike, batch_size: int) -> jax.Array:
    """Returns how many images of a batch a share of it is, rounded, and at least one: int32 []."""
    return jnp.maximum(1, jnp.round(share * batch_size).astype(jnp.int32))
