"""A data set on the device: images stay as they are stored (mostly uint8) and become floats one batch at a time."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.export
import jax.numpy as jnp

from aejax.data import preprocessing
from aejax.data.load import Dataset
from aejax.data.preprocessing import Array

# The most images, and the most pixels in all of them, that pass through a network at once outside training.
EXAMPLES_AT_ONCE = 1000
PIXELS_AT_ONCE = 64 * 64 * EXAMPLES_AT_ONCE
EXAMPLES_AXIS = "data"  # Of the mesh in which a program runs, if it has one: the devices that share a batch.


class Batch(NamedTuple):
    """Images as a model sees them, float32 [batch, height, width, channels], and labels, int32 [batch] or None.

    Of data that are codes alone, `image` is None.
    """

    image: Any
    label: jax.Array | None
    dataset_size: int | None = None  # How many there are of which the batch is drawn; None: no more than these.
    epoch: jax.Array | None = None  # Where training is when it has seen them, in (fractional) epochs; None outside.
    code: jax.Array | None = None  # [batch, ...], where the data have codes.


class ResidentData(flax.struct.PyTreeNode):
    """The splits ("train", "validation", "test") as arrays by name. Without labels, `label` is empty.

    `intensity` are training images of which each batch draws binary ones anew, or None. `code` is what a trained
    autoencoder makes of the images, by split, where that is what is learned from; then `image` may be empty.
    """

    image: dict[str, Array]
    label: dict[str, Array]
    preprocessing: preprocessing.Preprocessing
    intensity: Array | None = None
    code: dict[str, jax.Array] | None = None

    def batch(self, split: str, indices: jax.Array) -> Batch:
        """Returns the preprocessed examples at `indices` of a split."""
        indices = _spread(indices)
        return self._batch(split, indices, self.image[split][indices] if self.image else None)

    def training_batch(self, indices: jax.Array, change: Callable[[jax.Array], jax.Array], key: jax.Array) -> Batch:
        """Returns training examples; `change` is applied to images in [0, 1], and the key draws binary ones of them."""
        indices = _spread(indices)
        if not self.image:
            return self._batch("train", indices, None)
        if self.intensity is None:
            return self._batch("train", indices, change(preprocessing.to_unit(self.image["train"][indices])))
        probability = change(preprocessing.to_unit(self.intensity[indices]))
        return self._batch("train", indices, jax.random.bernoulli(key, probability).astype(jnp.float32))

    def _batch(self, split: str, indices: jax.Array, image: jax.Array | None) -> Batch:
        label = self.label[split][indices] if self.label else None
        code = self.code[split][indices] if self.code else None
        network_input = None if image is None else preprocessing.apply(self.preprocessing, image)
        return Batch(network_input, label, self.size(split), code=code)

    def size(self, split: str) -> int:
        """Returns the number of examples in a split."""
        return (self.image or self.code or {})[split].shape[0]


def _spread(indices: jax.Array) -> jax.Array:
    """Returns the indices [batch] of examples, dealt out to the devices that share the batch, if there are several.

    XLA does with the examples, and with what is computed of them, as is done with their indices. A batch that the
    devices cannot share evenly is one that each of them computes.
    """
    num_devices = dict(jax.sharding.get_abstract_mesh().shape).get(EXAMPLES_AXIS, 1)
    if num_devices == 1 or len(indices) % num_devices:
        return indices
    return jax.lax.with_sharding_constraint(indices, jax.sharding.PartitionSpec(EXAMPLES_AXIS))


def make_resident(dataset: Dataset, kind: preprocessing.Kind) -> ResidentData:
    """Returns the data set, still in host memory, with its preprocessing fitted to the training split."""
    return _resident(dataset, preprocessing.fit(kind, dataset.train.image))


def training_arrays(*, image: Array | None = None, code: jax.Array | None = None) -> ResidentData:
    """Arrays as the training split of data that have nothing else: no labels, other splits or preprocessing."""
    images: Any = {} if image is None else {"train": image, "validation": image[:0]}
    codes = None if code is None else {"train": code, "validation": code[:0]}
    return ResidentData(images, {}, preprocessing.Preprocessing(kind="none"), code=codes)


def outline(dataset: Dataset, kind: preprocessing.Kind) -> ResidentData:
    """Returns the same with shapes and types in the place of what would be fitted."""
    num, *image_shape = dataset.train.image.shape
    return _resident(dataset, preprocessing.shapes(kind, num, math.prod(image_shape)))


def _resident(dataset: Dataset, fitted: preprocessing.Preprocessing) -> ResidentData:
    splits = dataset.splits
    return ResidentData(
        image={name: split.image for name, split in splits.items()},
        label={name: split.label for name, split in splits.items() if split.label is not None},
        preprocessing=fitted,
        intensity=dataset.intensity,
    )


def images_at_once(image_shape: tuple[int, ...]) -> int:
    """Returns how many images of a shape, (height, width, channels), are looked at together outside training."""
    return max(1, min(EXAMPLES_AT_ONCE, PIXELS_AT_ONCE // math.prod(image_shape)))


def map_examples(function: Callable[[jax.Array], Any], num_examples: int, at_once: int = EXAMPLES_AT_ONCE) -> Any:
    """Maps `function(indices)`, which works on a block of examples, over all examples.

    Args:
      function: takes int32 [block] indices and returns arrays [block, ...].
      num_examples: how many there are. The last block may repeat the last example a few times; what it gave more than
        once is dropped. In a program that is exported for any number of examples, all are one block.
      at_once: the most in a block.
    """
    if jax.export.is_symbolic_dim(num_examples):
        return function(jnp.arange(num_examples))
    num_blocks = -(-num_examples // at_once)
    block = -(-num_examples // num_blocks)  # Alike in size: statistics of a block are hardly those of repetitions.
    indices = jnp.minimum(jnp.arange(num_blocks * block), num_examples - 1).reshape(num_blocks, block)
    results = jax.lax.map(function, indices)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:num_examples], results)
