"""Weights one can look at: what an encoder's first layer looks for, and what a decoder's last layer draws."""

import math
from typing import Any

import jax
import numpy as np

from aejax.evaluation.classifier import AUTOENCODER

MAX_UNITS = 32  # Enough to see what kind of features they are.


def weight_images(variables: Any, image_shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Returns the weights of dense and convolutional layers that touch the pixels, as images [units, h, w, channels].

    Args:
      variables: the Flax variables of one member.
      image_shape: (height, width, channels), of an autoencoder of patches that of a patch.

    Returns:
      `encoder` and `decoder`, as far as there are such layers; the first `MAX_UNITS` units of each, float32. Those of
      dense layers have the images' height and width, those of convolutions the kernel's. Those of dense layers of an
      autoencoder of whitened patches are multiplied by the whitening or its inverse: they are weights of pixels.
    """
    size = math.prod(image_shape)
    whitening = _whitening(variables)
    images: dict[str, np.ndarray] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"]):
        name = jax.tree_util.keystr(path)
        if not name.endswith("['kernel']") or "'discriminator'" in name:
            continue
        side = "decoder" if "'decoder'" in name else "encoder"
        if leaf.ndim == 4 and leaf.shape[2] == image_shape[-1]:
            # The kernel of a transposed convolution has the shape of the convolution that it mirrors.
            images.setdefault(side, np.moveaxis(np.asarray(leaf), 3, 0)[:MAX_UNITS])
        elif leaf.ndim == 2 and leaf.shape[side == "decoder"] == size:
            units = (np.asarray(leaf) if side == "decoder" else np.asarray(leaf).T)[:MAX_UNITS]
            if whitening is not None:
                units = units @ np.asarray(whitening["inverse" if side == "decoder" else "forward"])
            images.setdefault(side, units.reshape(-1, *image_shape))
    return images


def _whitening(variables: Any) -> Any:
    """Returns the whitening of patches that an autoencoder has, or the one in a classifier; None if there is none."""
    collection = variables.get("patches", {})
    return collection.get(AUTOENCODER, collection).get("whitening")
