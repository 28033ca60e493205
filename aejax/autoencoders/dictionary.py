"""Families whose units are vectors of a dictionary: vectors of norm 1, and an input less the decoder's bias."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from aejax.autoencoders.base import Autoencoder
from aejax.autoencoders.family import Family
from aejax.config import PositiveInt
from aejax.data.preprocessing import Kind
from aejax.data.resident import ResidentData
from aejax.networks.dense import Dense
from aejax.networks.zoo import Encoder


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithDictionary(Family):
    """The fields of families that are mostly one layer on either side of a wide code."""

    encoder: Encoder = Dense(widths=())
    latent_size: PositiveInt = 1000
    # What each unit draws has norm 1, and begins as what it looks for (Gao et al.): of networks without hidden layers.
    unit_norm: bool = False
    # The encoder sees the image less what the decoder makes of the code 0, of a linear one its bias; held fixed there.
    centered: bool = False

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns which network has no unit norm, or None."""
        linear = self.encoder.kind == "dense" and not self.encoder.widths and self.decoder.kind == "mirror"
        if self.unit_norm and not linear:
            return (
                "unit_norm is for one layer on either side; use encoder=dense, encoder.widths=[], decoder=mirror, or "
                "unit_norm=false"
            )
        for name in ("unit_norm", "centered"):
            if self.condition is not None and getattr(self, name):
                return f"{name}: the vectors of units stand for themselves, without a label; use {name}=false"
        return super().conflict(preprocessing)

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yields why fields of the whole config do not go together with this family."""
        if self.centered and config.training.pretraining_epochs:
            yield (
                "training.pretraining_epochs: a layer that is trained by itself sees images as they are, and with "
                "autoencoder.centered the encoder does not; set autoencoder.centered=false"
            )
        yield from super().conflicts(config)


def exceeding(family: Family, names: tuple[str, ...]) -> str | None:
    """Returns which of the fields asks for more units than the latent has, and what to do; None if none does."""
    for name in names:
        wanted = getattr(family, name)
        if wanted is not None and wanted > family.latent_size:
            return (
                f"{name}={wanted} is more than the {family.latent_size} units of the latent; "
                "make it smaller, or latent_size larger"
            )
    return None


class DictionaryAutoencoder(Autoencoder):
    """The networks of a family `WithDictionary`."""

    config: Any

    def build_decoder(self) -> nn.Module:
        """Returns the network from the latent to the image."""
        decoder = super().build_decoder()
        # Divided by its norm when it is used, a vector is only ever turned by its gradient: what Gao et al. have by
        # taking from the gradient what is parallel to the vector, and dividing after each step.
        return nn.WeightNorm(decoder, use_scale=False, feature_axes=0) if self.config.unit_norm else decoder

    def init_from_data(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with what the units draw set to what they look for, where the norm is to be 1."""
        del data
        if not self.config.unit_norm:
            return variables
        params = variables["params"]
        vectors = params["latent"]["kernel"].T
        decoder = jax.tree.map(lambda leaf: vectors if leaf.ndim == 2 else leaf, params["decoder"])
        return {**variables, "params": {**params, "decoder": decoder}}

    def preactivate(self, image: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the latent before its activation, [batch, latent_size]."""
        return super().preactivate(self.center(image), train=train)

    def center(self, image: jax.Array) -> jax.Array:
        """The images as the encoder sees them: with `centered` less what the decoder makes of the code 0."""
        if not self.config.centered:
            return image
        origin = self.config.likelihood.mean(self.decode(jnp.zeros((1, self.config.latent_size))))
        return image - jax.lax.stop_gradient(origin)
