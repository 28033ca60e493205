"""What the tests of loading share: images, files of them, and what a refusal says."""

import numpy as np
import pytest

from aejax.data.load import DataConfig, load
from aejax.errors import DataError


def gray(count=60, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 2, 1), np.uint8)


def save(path, **arrays):
    np.savez(path / "images.npz", **arrays)
    return str(path / "images.npz")


def load_file(path, *, config=None, **arrays):
    return load(DataConfig(name=save(path, **arrays), **(config or {})))


def refusal(function, *args, **kwargs):
    """Returns the message that a call is refused with, which is a single line."""
    with pytest.raises(DataError) as caught:
        function(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def rows(*splits):
    return sorted(map(bytes, np.concatenate([split.image for split in splits])))
