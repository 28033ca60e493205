"""Images and labels that a trained model is given, as it was trained on such."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aejax.data.description import DataDescription
from aejax.data.preprocessing import Array
from aejax.errors import DataError


def check_images(images: Any, like: DataDescription) -> Array:
    """Returns images, uint8 or floats in [0, 1], with their channels; floats become float32.

    Args:
      images: numpy or JAX array, or what numpy makes one of; one channel may be left out.
      like: what the model knows of those that it was trained on; of vectors, [n, size] are taken too.

    Raises:
      DataError: if they are others.
    """
    shape = like.image_shape
    image = images if isinstance(images, jax.Array) else np.asarray(images)
    if like.vectors and image.ndim == 2:
        image = image[:, None, None]
    if shape[-1] == 1 and image.shape[1:] == shape[:-1]:
        image = image[..., None]
    if image.shape[1:] != shape or not len(image):
        expected = f"(n, {', '.join(map(str, shape))})"
        raise DataError(f"images have the shape {image.shape}; those that it was trained on have {expected}")
    if image.dtype == np.uint8 and not like.vectors:
        return image
    if not jnp.issubdtype(image.dtype, jnp.floating):
        raise DataError(f"images are {image.dtype}; they should be uint8, or floats in [0, 1]")
    lowest, highest = float(image.min()), float(image.max())
    if like.vectors and not np.isfinite(highest - lowest):
        raise DataError("vectors have numbers that are NaN or infinite; remove or replace them")
    if not like.vectors and not 0 <= lowest <= highest <= 1:
        raise DataError(f"images range from {lowest:g} to {highest:g}; they should be uint8, or floats in [0, 1]")
    return image.astype(np.float32)


def check_labels(labels: Any, num: int, like: DataDescription) -> jax.Array:
    """Returns the labels of so many images, int32 [num]: classes counted from 0, or -1 where one is not known.

    Raises:
      DataError: if they are others.
    """
    array, most = np.asarray(labels), (like.num_classes or 0) - 1
    if array.shape != (num,) or array.dtype.kind not in "iu" or array.min() < -1 or array.max() > most:
        raise DataError(f"labels should be {num} integers, one for each image: classes from 0 to {most}, or -1")
    return jnp.asarray(array, jnp.int32)
