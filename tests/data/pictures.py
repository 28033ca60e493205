"""What the tests of pictures share: files of them, and folders."""

import zlib

import numpy as np
from PIL import Image

from aejax.data.load import DataConfig
from aejax.data.sources.zoo import find_source

SIZE = 12


def pixels(height=SIZE, width=SIZE, channels=3, seed=0, white=255):
    shape = (height, width, channels) if channels else (height, width)
    return np.random.default_rng(seed).integers(0, white, shape, np.uint16 if white > 256 else np.uint8, endpoint=True)


def save(path, array, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **how)


def fill(folder, *classes, num=6, channels=3):
    """Writes pictures of classes, or without any, and returns the folder as data.name takes it."""
    for name in classes or ("",):
        for index in range(num):
            seed = zlib.crc32(f"{name}{index}".encode())
            save(folder / name / f"{index}.png", pixels(channels=channels, seed=seed))
    return f"{folder}/"


def read(name, **fields):
    return find_source(DataConfig(name=name, **fields)).read()


def one(path, **fields):
    """The pixels of the only picture in the folder of a path, [height, width, channels]."""
    (image,) = read(f"{path.parent}/", **fields).arrays["image"]
    return image
