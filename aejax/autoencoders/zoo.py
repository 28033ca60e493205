"""The families of autoencoders by name. A new family is one file beside this one, and its line here."""

import flax.linen as nn

from aejax.autoencoders.plain import Plain, PlainAutoencoder

Autoencoder = Plain  # A union, told apart by `kind`, as soon as there are two.
FAMILIES = {"plain": PlainAutoencoder}


def make_autoencoder(config: Autoencoder, image_shape: tuple[int, ...]) -> nn.Module:
    """Returns the model that a config describes, for images of [height, width, channels].

    Every family has `encode`, `decode`, `reconstruct` and `terms`; fields of the config may be tracers.
    """
    return FAMILIES[config.kind](config, image_shape)
