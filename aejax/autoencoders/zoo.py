"""The families of autoencoders by name. A new family is one file beside this one, and its lines here."""

from typing import Annotated

import flax.linen as nn
from pydantic import Field

from aejax.autoencoders.contractive import Contractive, ContractiveAutoencoder
from aejax.autoencoders.denoising import Denoising, DenoisingAutoencoder
from aejax.autoencoders.higher_order_contractive import (
    HigherOrderContractive,
    HigherOrderContractiveAutoencoder,
)
from aejax.autoencoders.plain import Plain, PlainAutoencoder
from aejax.autoencoders.sparse_kl import SparseKL, SparseKLAutoencoder
from aejax.autoencoders.sparse_l1 import SparseL1, SparseL1Autoencoder

Autoencoder = Annotated[
    Plain | Denoising | SparseL1 | SparseKL | Contractive | HigherOrderContractive,
    Field(discriminator="kind"),
]
FAMILIES: dict[str, type[nn.Module]] = {
    "plain": PlainAutoencoder,
    "denoising": DenoisingAutoencoder,
    "sparse_l1": SparseL1Autoencoder,
    "sparse_kl": SparseKLAutoencoder,
    "contractive": ContractiveAutoencoder,
    "higher_order_contractive": HigherOrderContractiveAutoencoder,
}


def make_autoencoder(config: Autoencoder, image_shape: tuple[int, ...]) -> nn.Module:
    """Returns the model that a config describes, for images of [height, width, channels].

    Every family has the methods of `aejax.autoencoders.base.Autoencoder`; fields of the config may be tracers.
    """
    return FAMILIES[config.kind](config, image_shape)
