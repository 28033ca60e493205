"""New images for a trained model: brought to the form of those that it was trained on."""

import os
import pathlib
from typing import NamedTuple

import numpy as np

from aejax.data import pixels
from aejax.data.checked import images_of
from aejax.data.description import DataDescription
from aejax.data.load import DataConfig, Split, binarize
from aejax.data.sources.base import SourceConfig
from aejax.data.sources.collection import choose
from aejax.data.sources.folder import FoundFile, Listing, PictureFiles, list_folder
from aejax.data.sources.pictures import Form, is_picture
from aejax.data.sources.zoo import find_source
from aejax.errors import DataError


class NewImages(NamedTuple):
    """Images as they are stored, [n, height, width, channels], their names, and what is to be said of them."""

    images: np.ndarray
    names: list[str]
    notes: list[str]


def new_images(path: str | os.PathLike[str], config: DataConfig, like: DataDescription) -> NewImages:
    """Reads the images of an .npz or .npy file, of a folder of pictures (at any depth), or of one picture.

    Pictures are brought to the size, channels and pixels of those that a model was trained on, as its config says; of
    an .npz, `image` is read, and its images should have them. They become black and white as those did.

    Args:
      path: of the images.
      config: of the data that the model was trained on.
      like: what the model knows of these.

    Raises:
      DataError: if there are none, or if they are others; pictures that cannot be read are refused or left out as the
        config says.
    """
    name = os.path.expanduser(os.fspath(path))
    read = _of_arrays if name.endswith((".npz", ".npy")) else _of_pictures
    found = read(name, config, like)
    if config.evaluated_binarization is None:
        return found
    return found._replace(images=binarize(config)(Split(found.images, None), "test").image)


def _of_arrays(name: str, config: DataConfig, like: DataDescription) -> NewImages:
    image = find_source(SourceConfig(name=name)).read().arrays["image"]
    shape = " x ".join(map(str, image.shape[1:]))
    if image.shape[1:] != like.image_shape:
        wanted = " x ".join(map(str, like.image_shape))
        raise DataError(f"{name}: images are {shape}, and the model was trained on {wanted}; make them alike")
    # Dark images are no reason to doubt what is white: it was settled when the model was trained.
    white = config.maximum or (255.0 if image.dtype == np.uint8 and image.max() > 1 else None)
    stored, _ = pixels.store(name, images_of({"image": image}), white, "data.maximum")
    return NewImages(stored["image"], list(map(str, range(len(image)))), [])


def _of_pictures(name: str, config: DataConfig, like: DataDescription) -> NewImages:
    height, width, channels = like.image_shape
    if channels not in (1, 3):
        raise DataError(f"{name}: the model was trained on images of {channels} channels; give it an .npz of such")
    root, listing = _list(name)
    if not listing.pictures and not listing.broken:
        raise DataError(f"{name} has no pictures; name a folder that has some, a picture, an .npz or an .npy file")
    form = Form(height, width, channels, like.image_type, config.resize, config.maximum)
    source = SourceConfig(name=name, resize=config.resize, unreadable=config.unreadable)
    chosen = choose(source, PictureFiles(root, listing.pictures), listing.broken, form, now=True)
    return NewImages(chosen.images[:], chosen.names, list(chosen.notes))


def _list(name: str) -> tuple[str, Listing]:
    """Returns a folder, and the pictures in it; or the folder of a picture, and that picture."""
    path = pathlib.Path(name)
    if not path.is_file() or not is_picture(name):
        return name, list_folder(name, name)
    status = path.stat()
    return str(path.parent), Listing([FoundFile((path.name,), status.st_size, status.st_mtime_ns)])
