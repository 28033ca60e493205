"""Preprocessing of images, fitted to the training split, and its inverse.

Errors are reported in pixel space whatever a model was trained on, so every kind can be undone.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from aejax.data.demand import Kind

Array = jax.Array | np.ndarray

# No direction is divided by less than the square root of this share of the mean variance. A pixel that is constant in
# training, or a direction that is all but absent, would otherwise blow up the slightest deviation in a test image (and
# could not be inverted in float32). Directions with less variance than that come out with a variance below 1.
VARIANCE_FLOOR = 1e-3

# Kinds that take from each image its mean and its contrast, by the axes over which these are: of the whole image, or of
# each of its channels. What a model makes is no image without them. "global_contrast" alone is fitted to something.
OF_EACH_IMAGE: dict[Kind, tuple[int, ...]] = {
    "per_image": (-3, -2, -1),
    "per_channel": (-3, -2),
    "global_contrast": (-3, -2, -1),
}

# Kinds that give training images within [0, 1].
WITHIN_UNIT: tuple[Kind, ...] = ("none", "global_contrast")

# An image, or a channel, with less contrast than one gray level is taken to be flat: it is never divided by less.
CONTRAST_FLOOR = 1 / 255

# Kinds that multiply each number by a factor, which keeps its place.
BY_FACTORS: tuple[Kind, ...] = ("standardize", "mean_norm", "global_contrast")

IMAGES_AT_ONCE = 4096  # In statistics: a whole split in float64 may not fit into memory.


@flax.struct.dataclass
class Preprocessing:
    """A fitted preprocessing. Images are flattened: `num_pixels` is height * width * channels."""

    kind: Kind = flax.struct.field(pytree_node=False)
    # Arrays, or None for "none", "per_image" and "per_channel".
    # [1, num_pixels], of the training images in [0, 1]; of "mean_norm" 0; of "global_contrast" what becomes 0.
    mean: Any = None
    # `BY_FACTORS`: factors [1, num_pixels]. "pca", "zca": matrices [num_pixels, num_pixels]; of fewer training images
    # than pixels factors of the principal axes, [1, num_pixels].
    forward: Any = None
    inverse: Any = None  # Of `forward`, in the same shape.
    rotation: Any = None  # "pca", "zca" of fewer training images than pixels: to the principal axes.


class Rotation(NamedTuple):
    """The orthogonal matrix I − vectors · factor · vectorsᵀ, of n images and D pixels: it takes n D numbers, not D².

    Source: Schreiber and Van Loan, "A storage-efficient WY representation for products of Householder
    transformations", 1989.
    """

    vectors: Any  # [D, n]
    factor: Any  # [n, n]

    def apply(self, x: jax.Array, *, back: bool = False) -> jax.Array:
        """Returns rows [batch, D] times the matrix, or its transpose."""
        factor = self.factor.T if back else self.factor
        # The default precision on GPU and TPU is too coarse to be inverted.
        inner = jnp.matmul(jnp.matmul(x, self.vectors, precision="highest"), factor, precision="highest")
        return x - jnp.matmul(inner, self.vectors.T, precision="highest")


def fit(kind: Kind, train_image: np.ndarray) -> Preprocessing:
    """Returns the preprocessing with statistics of the training images [N, H, W, C], computed on the host in float64.

    standardize: each pixel and channel gets mean 0 and variance 1 over the images. mean_norm: all are divided by the
    same number, and the squared norm of an image is then 1 on average. global_contrast: each image is given mean 0 and
    mean absolute deviation 1; then the smallest number in any training image becomes 0 and the largest 1 (as in Ruff et
    al., "Deep one-class classification", 2018, section 4). pca: rotated to the principal axes and whitened, all
    components kept, largest first. zca: whitened and rotated back, so that the result still looks like an image.
    Variances are taken over N and floored by `VARIANCE_FLOOR`. Of fewer images than pixels the principal axes in whose
    directions no image varies are any that are orthogonal to the others.
    """
    if _needs_no_fit(kind):
        return Preprocessing(kind=kind)
    count, num_pixels = len(train_image), int(np.prod(train_image.shape[1:]))
    if kind == "global_contrast":
        extremes = np.array([[x.min(), x.max()] for x in map(_contrast_normalized, _blocks(train_image))])
        low, high = extremes[:, 0].min(), extremes[:, 1].max()
        factor = np.full((1, num_pixels), (high - low) or 1.0, np.float32)
        return Preprocessing(kind=kind, mean=np.full_like(factor, low), forward=1 / factor, inverse=factor)
    if kind == "mean_norm":
        square = sum(float(np.square(block).sum()) for block in _blocks(train_image)) / count
        factor = np.full((1, num_pixels), np.sqrt(square) or 1.0, np.float32)
        return Preprocessing(kind=kind, mean=np.zeros_like(factor), forward=1 / factor, inverse=factor)
    mean = sum((block.sum(0) for block in _blocks(train_image)), np.zeros(num_pixels)) / count
    if kind == "standardize":
        squares = (np.square(block - mean).sum(0) for block in _blocks(train_image))
        deviation = _deviation(sum(squares, np.zeros(num_pixels)) / count)[None]
        forward, inverse = 1 / deviation, deviation
    elif count < num_pixels:
        return _fit_few(kind, mean, np.concatenate(list(_blocks(train_image))) - mean)
    else:
        products = ((block - mean).T @ (block - mean) for block in _blocks(train_image))
        variance, axes = np.linalg.eigh(sum(products, np.zeros((num_pixels, num_pixels))) / count)
        variance, axes = variance[::-1], axes[:, ::-1]
        deviation = _deviation(variance)
        forward, inverse = axes / deviation, (axes * deviation).T
        if kind == "zca":
            forward, inverse = forward @ axes.T, axes @ inverse
    return Preprocessing(
        kind=kind,
        mean=mean[None].astype(np.float32),
        forward=forward.astype(np.float32),
        inverse=inverse.astype(np.float32),
    )


def _fit_few(kind: Kind, mean: np.ndarray, centered: np.ndarray) -> Preprocessing:
    """Returns the preprocessing by principal axes of fewer images than pixels, from their products with each other."""
    import scipy.linalg

    count, num_pixels = centered.shape
    variance, left = np.linalg.eigh(centered @ centered.T / count)
    # The first axes are the columns; Householder's reflections add what is orthogonal to all of them.
    (reflected, scale), _ = scipy.linalg.qr(centered.T @ left[:, ::-1], mode="raw")
    vectors = np.tril(reflected, -1) + np.eye(num_pixels, count)
    products = np.triu(vectors.T @ vectors, 1)
    factor = np.linalg.solve(np.eye(count) + scale[:, None] * products, np.diag(scale))
    deviation = _deviation(np.pad(np.maximum(variance[::-1], 0.0), (0, num_pixels - count)))[None]
    return Preprocessing(
        kind=kind,
        mean=mean[None].astype(np.float32),
        forward=(1 / deviation).astype(np.float32),
        inverse=deviation.astype(np.float32),
        rotation=Rotation(vectors.astype(np.float32), factor.astype(np.float32)),
    )


def to_arrays(preprocessing: Preprocessing) -> dict[str, np.ndarray]:
    """The arrays of a fitted preprocessing by their names; those of its rotation are among them."""
    fields = {name: getattr(preprocessing, name) for name in ("mean", "forward", "inverse")}
    fields |= {} if preprocessing.rotation is None else preprocessing.rotation._asdict()
    return {name: np.asarray(array) for name, array in fields.items() if array is not None}


def from_arrays(kind: Kind, arrays: Mapping[str, np.ndarray]) -> Preprocessing:
    """The fitted preprocessing whose arrays `to_arrays` gave."""
    factors = {name: arrays.get(name) for name in ("mean", "forward", "inverse")}
    rotation = Rotation(arrays["vectors"], arrays["factor"]) if "vectors" in arrays else None
    return Preprocessing(kind=kind, **factors, rotation=rotation)


def shapes(kind: Kind, count: int, num_pixels: int) -> Preprocessing:
    """The shapes and types of what `fit` gives of `count` images, without computing it."""
    if _needs_no_fit(kind):
        return Preprocessing(kind=kind)
    array = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32)  # noqa: E731
    few = kind not in BY_FACTORS and count < num_pixels
    factor = array(1 if few or kind in BY_FACTORS else num_pixels, num_pixels)
    rotation = Rotation(array(num_pixels, count), array(count, count)) if few else None
    return Preprocessing(kind=kind, mean=array(1, num_pixels), forward=factor, inverse=factor, rotation=rotation)


def apply(preprocessing: Preprocessing, image: Array) -> jax.Array:
    """Returns images [..., H, W, C] as a model sees them, float32 of the same shape. Pure, for any leading axes."""
    image = to_unit(image)
    if preprocessing.kind == "none":
        return image
    if preprocessing.kind in OF_EACH_IMAGE:
        mean, deviation = _of_each(image, preprocessing.kind)
        image = (image - mean) / deviation
    if _needs_no_fit(preprocessing.kind):
        return image
    return _linear(preprocessing, _flatten(image) - preprocessing.mean, preprocessing.forward).reshape(image.shape)


def invert(preprocessing: Preprocessing, x: jax.Array, image: Array) -> jax.Array:
    """Undoes preprocessing: a model's output, [..., H, W, C], on the scale of pixels in [0, 1], not clipped to it.

    Args:
      preprocessing: what `apply` was given.
      x: reconstructions of preprocessed images.
      image: the original images of the same batch. Kinds `OF_EACH_IMAGE` take their means and deviations; others
        ignore them.
    """
    if preprocessing.kind == "none":
        return x
    if not _needs_no_fit(preprocessing.kind):
        pixels = _linear(preprocessing, _flatten(x), preprocessing.inverse, backwards=True)
        x = (pixels + preprocessing.mean).reshape(x.shape)
    if preprocessing.kind in OF_EACH_IMAGE:
        mean, deviation = _of_each(to_unit(image), preprocessing.kind)
        x = x * deviation + mean
    return x


def to_unit(image: Array) -> jax.Array:
    """Returns stored images as float32 in [0, 1]: uint8 is divided by 255, floats pass as they are."""
    return jnp.asarray(image, jnp.float32) / (255 if image.dtype == jnp.uint8 else 1)


def _linear(preprocessing: Preprocessing, x: jax.Array, factor: Array, *, backwards: bool = False) -> jax.Array:
    if preprocessing.kind in BY_FACTORS:
        return x * factor
    if preprocessing.rotation is not None:
        both = preprocessing.kind == "zca"
        x = x if backwards and not both else preprocessing.rotation.apply(x)
        return preprocessing.rotation.apply(x * factor, back=True) if backwards or both else x * factor
    return jnp.matmul(x, factor, precision="highest")  # The default on GPU and TPU is too coarse to be inverted.


def _flatten(x: jax.Array) -> jax.Array:
    return x.reshape(-1, np.prod(x.shape[-3:]))


def _needs_no_fit(kind: Kind) -> bool:
    return kind == "none" or (kind in OF_EACH_IMAGE and kind not in BY_FACTORS)


def _of_each(image: jax.Array, kind: Kind) -> tuple[jax.Array, jax.Array]:
    """Returns the mean and the contrast of each image, or of its channels: standard or mean absolute deviations."""
    axes = OF_EACH_IMAGE[kind]
    mean = image.mean(axes, keepdims=True)
    if kind == "global_contrast":
        return mean, jnp.maximum(jnp.abs(image - mean).mean(axes, keepdims=True), CONTRAST_FLOOR)
    variance = jnp.maximum(image.var(axes, keepdims=True), CONTRAST_FLOOR**2)  # The gradient of sqrt(0) is infinite.
    return mean, jnp.sqrt(variance)


def _contrast_normalized(rows: np.ndarray) -> np.ndarray:
    """Returns images as rows, each less its mean and over its mean absolute deviation."""
    centered = rows - rows.mean(axis=1, keepdims=True)
    return centered / np.maximum(np.abs(centered).mean(axis=1, keepdims=True), CONTRAST_FLOOR)


def _blocks(image: np.ndarray) -> Iterator[np.ndarray]:
    scale = 255 if image.dtype == np.uint8 else 1
    for start in range(0, len(image), IMAGES_AT_ONCE):
        block = image[start : start + IMAGES_AT_ONCE]
        yield block.reshape(len(block), -1).astype(np.float64) / scale


def _deviation(variance: np.ndarray) -> np.ndarray:
    floor = VARIANCE_FLOOR * variance.mean() or 1.0  # 1 where every training image is the same.
    return np.sqrt(np.maximum(variance, floor))
