"""Weights one can look at: what an encoder's first layer looks for, and what a decoder's last layer draws."""

import math
from typing import Any

import jax
import numpy as np

MAX_UNITS = 32  # Enough to see what kind of features they are.


def weight_images(params: Any, image_shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Returns the weights of dense and convolutional layers that touch the pixels, as images [units, h, w, channels].

    Args:
      params: the Flax parameters of one member.
      image_shape: (height, width, channels).

    Returns:
      `encoder` and `decoder`, as far as there are such layers; the first `MAX_UNITS` units of each, float32. Those of
      dense layers have the images' height and width, those of convolutions the kernel's.
    """
    size = math.prod(image_shape)
    images: dict[str, np.ndarray] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        name = jax.tree_util.keystr(path)
        if not name.endswith("['kernel']") or "'discriminator'" in name:
            continue
        side = "decoder" if "'decoder'" in name else "encoder"
        if leaf.ndim == 4 and leaf.shape[2] == image_shape[-1]:
            # The kernel of a transposed convolution has the shape of the convolution that it mirrors.
            images.setdefault(side, np.moveaxis(np.asarray(leaf), 3, 0)[:MAX_UNITS])
        elif leaf.ndim == 2 and leaf.shape[side == "decoder"] == size:
            units = np.asarray(leaf) if side == "decoder" else np.asarray(leaf).T
            images.setdefault(side, units[:MAX_UNITS].reshape(-1, *image_shape))
    return images
