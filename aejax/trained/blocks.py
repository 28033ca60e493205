"""Many images, a block at a time: they may be larger than a device's memory, or lie in a file that is mapped."""

from collections.abc import Callable
from typing import Any

import numpy as np

from aejax.progress import progress_bar

BLOCKS = 8  # Of those that pass through the network together: what is computed of them takes longer than a dispatch.


def in_blocks(function: Callable[[Any], np.ndarray], images: Any, at_once: int, description: str) -> np.ndarray:
    """Applies a function to all images, a block at a time, with a progress bar; returns its rows, [n, ...].

    Args:
      function: takes images, [block, ...], and returns an array with a row for each.
      images: [n, height, width, channels], anything that can be sliced.
      at_once: how many pass through the network together.
      description: stands before the progress bar.
    """
    images = images if hasattr(images, "shape") else np.asarray(images)
    size = BLOCKS * at_once
    if not images.shape or len(images) <= size:
        return function(images)
    found = []
    with progress_bar(-(-len(images) // size), description, "block") as bar:
        for first in range(0, len(images), size):
            block = images[first : first + size]
            num = len(block)
            if num < size:  # All blocks are of one size, so one program serves them.
                block = np.concatenate([block, np.repeat(block[-1:], size - num, axis=0)])
            found.append(function(block)[:num])
            bar.update()
    return np.concatenate(found)
