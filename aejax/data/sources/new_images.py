"""New images for a trained model: brought to the form of those that it was trained on."""

import os
import pathlib
from typing import NamedTuple

import numpy as np

from aejax.cache import read_arrays
from aejax.data.description import DataDescription
from aejax.data.load import DataConfig, Split, binarize
from aejax.data.pixels import check_image, store
from aejax.data.sources.base import SourceConfig
from aejax.data.sources.collection import choose
from aejax.data.sources.folder import FoundFile, Listing, PictureFiles, list_folder
from aejax.data.sources.pictures import Form, is_picture
from aejax.data.vectors import FEATURES, as_images, check_vectors
from aejax.errors import DataError


class NewImages(NamedTuple):
    """Images in the form in which those are stored that a model was trained on, [n, height, width, channels].

    Each has a name: of a file, or its number, counted from 0. `label` is an array [n] or None; `notes` are lines that
    a person should know of.
    """

    image: np.ndarray
    name: list[str]
    label: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def new_images(path: str | os.PathLike[str], config: DataConfig, like: DataDescription) -> NewImages:
    """Reads the images of an .npz or .npy file, of a folder of pictures (at any depth), or of one picture.

    Pictures are brought to the size, channels and pixels of those that a model was trained on, as its config says; an
    .npz or .npy holds images that have them. All become black and white if those did.

    Args:
      path: of the images.
      config: of the data that the model was trained on.
      like: what the model knows of these.

    Raises:
      DataError: if there are none, or if they are others; pictures that cannot be read are refused or left out as the
        config says.
    """
    name = os.fspath(path)
    found = (_of_arrays if name.endswith((".npz", ".npy")) else _of_pictures)(name, config, like)
    if config.evaluated_binarization is None:
        return found
    return found._replace(image=binarize(config)(Split(found.image, None), "test").image)


def _of_arrays(name: str, config: DataConfig, like: DataDescription) -> NewImages:
    arrays = _read_arrays(name)
    part = FEATURES if like.vectors else "image"
    if part not in arrays:
        raise DataError(f"{name} holds the arrays {', '.join(arrays) or '(none)'}; it should hold '{part}'")
    image = _checked(f"{name}: '{part}'", arrays[part], like)
    # Dark images are no reason to doubt what is white: it was settled when the model was trained.
    white = config.maximum or (255 if image.dtype == np.uint8 and image.max() > 1 else None)
    stored = {"image": image} if like.vectors else store(name, {"image": image}, white, "data.maximum")[0]
    shape, expected = (" x ".join(map(str, one)) for one in (image.shape[1:], like.image_shape))
    if shape != expected:
        raise DataError(f"{name} holds images of {shape}, and the model was trained on images of {expected}")
    label = arrays.get("label")
    if label is not None and label.shape != (len(image),):
        raise DataError(f"{name} holds {len(image)} images, and 'label' of shape {label.shape}; give each image one")
    return NewImages(stored["image"], list(map(str, range(len(image)))), label)


def _checked(what: str, image: np.ndarray, like: DataDescription) -> np.ndarray:
    if not like.vectors:
        return np.asarray(check_image(what, image))
    return np.asarray(check_vectors(what, as_images(what, image)), np.float32)


def _read_arrays(name: str) -> dict[str, np.ndarray]:
    path = pathlib.Path(os.path.expanduser(name))
    try:
        return (
            {path.stem if path.stem == FEATURES else "image": _mapped(path)}
            if path.suffix == ".npy"
            else read_arrays(path)
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{name} cannot be read: {reason}; name an .npz file with 'image', or an .npy file") from None


def _mapped(path: pathlib.Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError):
        raise ValueError("it is damaged or no .npy file") from None


def _of_pictures(name: str, config: DataConfig, like: DataDescription) -> NewImages:
    height, width, channels = like.image_shape
    if like.vectors:
        raise DataError(f"{name}: the model was trained on vectors of {channels}; give it an .npz of '{FEATURES}'")
    if channels not in (1, 3):
        raise DataError(f"{name}: the model was trained on images of {channels} channels; give it an .npz of such")
    root, listing = _list(name)
    if not listing.pictures and not listing.broken:
        raise DataError(f"{name} has no pictures; name a folder that has some, a picture, an .npz or an .npy file")
    form = Form(height, width, channels, like.image_type, config.resize, config.maximum)
    source = SourceConfig(name=name, resize=config.resize, unreadable=config.unreadable)
    chosen = choose(source, PictureFiles(root, listing.pictures), listing.broken, form, now=True)
    return NewImages(chosen.images[:], chosen.names, notes=chosen.notes)


def _list(name: str) -> tuple[str, Listing]:
    """Returns a folder, and the pictures in it; or the folder of a picture, and that picture."""
    path = pathlib.Path(os.path.expanduser(name))
    if not path.is_file() or not is_picture(name):
        return str(path), list_folder(name, str(path))
    status = path.stat()
    return str(path.parent), Listing([FoundFile((path.name,), status.st_size, status.st_mtime_ns)])
