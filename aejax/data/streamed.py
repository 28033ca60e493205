"""Images that are not on the device: what a program asks of them, the host reads while the program runs."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aejax.cache import memory_bytes
from aejax.data.on_demand import choose
from aejax.data.sources.base import Images

MEMORY_SHARE = 0.9  # Of a device's memory: the rest is for what no program's analysis counts.
IMAGES_SHARE = 0.5  # Of that, for images.


@jax.tree_util.register_static
class StreamedImages:
    """Images in the place of an array on the device; programs index it likewise, by int32 [...] or a slice.

    In a tree of arrays it has no leaves. Two of the same name are the same images.
    """

    def __init__(self, images: Images, name: str, labelled: np.ndarray | None = None):
        """Takes images on the host and a name that no others have; `labelled` are the indices of those with a label."""
        self.images, self._name, self._labelled = images, name, labelled

    def with_labels(self) -> "StreamedImages":
        """Returns the images alone that have a label, in their order."""
        assert self._labelled is not None, "all images have labels, or none has"
        return StreamedImages(choose(self.images, self._labelled), f"{self._name} labelled")

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, height, width, channels)."""
        return self.images.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the pixels."""
        return self.images.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StreamedImages) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        """The name: what tells programs apart that are alike otherwise."""
        return f"StreamedImages({self._name}, {self.shape}, {self.dtype})"

    def __getitem__(self, indices: Any) -> jax.Array:
        if isinstance(indices, slice):
            indices = np.arange(len(self))[indices]
        # As an array reads what lies beyond its end.
        indices = jnp.clip(jnp.asarray(indices, jnp.int32), 0, len(self) - 1)
        if not indices.size:
            return jnp.zeros((*indices.shape, *self.shape[1:]), self.dtype)
        shape = jax.ShapeDtypeStruct((*indices.shape, *self.shape[1:]), self.dtype)
        read: jax.Array = jax.pure_callback(self._read, shape, indices, vmap_method="expand_dims")
        return read

    def _read(self, indices: Any) -> np.ndarray:
        # An error would be told by XLA, at length; so the host tells it, see `raise_failure`.
        chosen = np.asarray(indices)
        try:
            rows = self.images[chosen.ravel()]
        except Exception as error:
            _failures.append(error)
            rows = np.zeros((chosen.size, *self.shape[1:]), self.dtype)
        return rows.reshape(*chosen.shape, *self.shape[1:])


def device_memory() -> int | None:
    """Returns the bytes that programs may use of one device; None where the backend does not say, as on CPUs."""
    size = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    return None if size is None else int(MEMORY_SHARE * size)


def images_memory() -> int:
    """Returns the bytes of images that a device may hold at most: half of its memory, or of its part of the host's."""
    return int(IMAGES_SHARE * (device_memory() or MEMORY_SHARE * memory_bytes() / jax.local_device_count()))


_failures: list[Exception] = []


def raise_failure() -> None:
    """Raises what went wrong while programs read images, if anything did: their results are of no use then.

    Raises:
      UserError: naming what cannot be read.
    """
    if _failures:
        error = _failures[0]
        _failures.clear()
        raise error


def indexable(images: Any) -> Any:
    """Returns images as what a program can index: those of the host as they are, arrays of it as JAX's."""
    return images if isinstance(images, StreamedImages) else jnp.asarray(images)


def slice_of(images: Any, start: jax.Array, size: int) -> jax.Array:
    """Returns as many images from one on; `start` may be traced."""
    if isinstance(images, StreamedImages):
        return images[start + jnp.arange(size)]
    return jax.lax.dynamic_slice_in_dim(images, start, size)


def is_streamed(tree: Any) -> bool:
    """Whether a tree of arrays has images in it that the host reads."""
    return any(isinstance(leaf, StreamedImages) for leaf in jax.tree.leaves(tree, is_leaf=_is_streamed))


def _is_streamed(leaf: Any) -> bool:
    return isinstance(leaf, StreamedImages)
