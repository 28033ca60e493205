"""The families of autoencoders by name. A new family is one file beside this one, and its lines here."""

from typing import Annotated

from pydantic import Field

from aejax.autoencoders import base
from aejax.autoencoders.denoising import Denoising, DenoisingAutoencoder
from aejax.autoencoders.plain import Plain, PlainAutoencoder

Autoencoder = Annotated[
    Plain | Denoising,
    Field(discriminator="kind"),
]
FAMILIES: dict[str, type[base.Autoencoder]] = {
    "plain": PlainAutoencoder,
    "denoising": DenoisingAutoencoder,
}


def make_autoencoder(config: Autoencoder, image_shape: tuple[int, ...]) -> base.Autoencoder:
    """Returns the model that a config describes, for images of [height, width, channels].

    Every family has the methods of `aejax.autoencoders.base.Autoencoder`; fields of the config may be tracers.
    """
    return FAMILIES[config.kind](config, image_shape)
