"""Weights one can look at: what an encoder's first layer looks for, and what a decoder's last layer draws."""

import math
from typing import Any

import jax
import numpy as np

MAX_UNITS = 32  # Enough to see what kind of features they are.


def weight_images(params: Any, image_shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Returns the weights of dense layers that touch the pixels, as images [units, height, width, channels].

    Args:
      params: the Flax parameters of one member.
      image_shape: (height, width, channels).

    Returns:
      `encoder` and `decoder`, as far as there are such layers; the first `MAX_UNITS` units of each, float32.
    """
    size = math.prod(image_shape)
    images: dict[str, np.ndarray] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        name = jax.tree_util.keystr(path)
        if leaf.ndim != 2 or not name.endswith("['kernel']"):
            continue
        if "'decoder'" not in name and leaf.shape[0] == size:
            images.setdefault("encoder", np.asarray(leaf).T[:MAX_UNITS].reshape(-1, *image_shape))
        elif "'decoder'" in name and leaf.shape[1] == size:
            images.setdefault("decoder", np.asarray(leaf)[:MAX_UNITS].reshape(-1, *image_shape))
    return images
