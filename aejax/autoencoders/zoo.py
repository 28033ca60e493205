"""The families of autoencoders by name. A new family is one file beside this one, and its lines here."""

from typing import Annotated

import flax.linen as nn
from pydantic import Field

from aejax.autoencoders.batch_top_k import BatchTopK, BatchTopKAutoencoder
from aejax.autoencoders.conv_winner_take_all import ConvWinnerTakeAll, ConvWinnerTakeAllAutoencoder
from aejax.autoencoders.denoising import Denoising, DenoisingAutoencoder
from aejax.autoencoders.k_sparse import KSparse, KSparseAutoencoder
from aejax.autoencoders.plain import Plain, PlainAutoencoder
from aejax.autoencoders.winner_take_all import WinnerTakeAll, WinnerTakeAllAutoencoder

Autoencoder = Annotated[
    Plain | Denoising | KSparse | BatchTopK | WinnerTakeAll | ConvWinnerTakeAll,
    Field(discriminator="kind"),
]
FAMILIES: dict[str, type[nn.Module]] = {
    "plain": PlainAutoencoder,
    "denoising": DenoisingAutoencoder,
    "k_sparse": KSparseAutoencoder,
    "batch_top_k": BatchTopKAutoencoder,
    "winner_take_all": WinnerTakeAllAutoencoder,
    "conv_winner_take_all": ConvWinnerTakeAllAutoencoder,
}


def make_autoencoder(config: Autoencoder, image_shape: tuple[int, ...]) -> nn.Module:
    """Returns the model that a config describes, for images of [height, width, channels].

    Every family has the methods of `aejax.autoencoders.base.Autoencoder`; fields of the config may be tracers.
    """
    return FAMILIES[config.kind](config, image_shape)
