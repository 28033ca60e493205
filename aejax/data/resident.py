"""A data set on the device: images stay as they are stored (mostly uint8) and become floats one batch at a time."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from aejax.data import preprocessing
from aejax.data.balance import is_unbalanced
from aejax.data.load import Dataset
from aejax.data.on_demand import OnDemand
from aejax.data.preprocessing import Array
from aejax.data.streamed import StreamedImages

# The most images, and the most pixels in all of them, that pass through a network at once outside training.
EXAMPLES_AT_ONCE = 1000
PIXELS_AT_ONCE = 64 * 64 * EXAMPLES_AT_ONCE
EXAMPLES_AXIS = "data"  # Of the mesh in which a program runs, if it has one: the devices that share a batch.


class Batch(NamedTuple):
    """Images as a model sees them, float32 [batch, height, width, channels], and labels, int32 [batch] or None.

    The label of an image without one is -1; who reads labels takes batches of `ResidentData.with_labels()`.

    Of data that are codes alone, `image` is None.
    """

    image: Any
    label: jax.Array | None
    # The number of examples that the batch was drawn from, perhaps traced; None: the batch is all.
    dataset_size: jax.typing.ArrayLike | None = None
    epoch: jax.Array | None = None  # Where training is when it has seen them, in (fractional) epochs; None outside.
    code: jax.Array | None = None  # [batch, ...], where the data have codes.
    labelled: Any = None  # Where labels are learned beside: a `Batch` of images that all have one.
    unchanged: Any = None  # The images before augmentation, where there is one.


class Rows(flax.struct.PyTreeNode):
    """Which images are trained and validated on, in arrays whose shapes do not depend on how many are trained on.

    Of several subsets at once `index` and `count` have a leading axis of subsets, see `subsets.RowsSubset`.
    """

    # Of "train", int32 [room]: the images, and after them repetitions of the last, which do not count. Of "validation",
    # int32 [images].
    index: Mapping[str, Array]
    count: Array  # int32: how many training images count.
    num_batches: Array  # int32: the full batches in them, the same for all subsets.


class ResidentData(flax.struct.PyTreeNode):
    """The splits ("train", "validation", "test") as arrays by name. Without labels, `label` is empty.

    Where some images have no label (-1), `labelled` are the indices of those that have one, by split; otherwise it is
    empty.
    `intensity` are training images of which each batch draws binary ones anew, or None. `code` is what a trained
    autoencoder makes of the images, by split, where that is what is learned from; then `image` may be empty. `rows` are
    those of the arrays of "train" that are the training and the validation split; None: the arrays are the splits.
    """

    image: dict[str, Array]
    label: dict[str, Array]
    preprocessing: preprocessing.Preprocessing
    intensity: Array | None = None
    code: dict[str, jax.Array] | None = None
    labelled: dict[str, Array] = flax.struct.field(default_factory=dict)
    rows: Rows | None = None
    unbalanced: bool = flax.struct.field(pytree_node=False, default=False)  # See `aejax.data.balance`.
    num_classes: int | None = flax.struct.field(pytree_node=False, default=None)  # None: there are no labels.

    def with_labels(self) -> "ResidentData":
        """Returns the data with the images alone that have a label, in their order."""
        if not self.labelled:
            return self

        def pick(split: str, array: Any) -> Any:
            if isinstance(array, StreamedImages):
                return array.with_labels()
            return jnp.asarray(array)[self.labelled[split]]

        return self.replace(
            image={split: pick(split, image) for split, image in self.image.items()},
            label=self.known_label,
            intensity=None if self.intensity is None else pick("train", self.intensity),
            labelled={},
        )

    @property
    def known_label(self) -> dict[str, Array]:
        """The labels of `with_labels()`."""
        return {
            split: jnp.asarray(label)[self.labelled[split]] if self.labelled else label
            for split, label in self.label.items()
        }

    def batch(self, split: str, indices: jax.Array) -> Batch:
        """Returns the preprocessed examples at `indices` of a split."""
        stored, indices = self._place(split, indices)
        return self._batch(split, stored, indices, self.image[stored][indices] if self.image else None)

    def training_batch(
        self,
        indices: jax.Array,
        change: Callable[[jax.Array], jax.Array],
        key: jax.Array,
        stored: jax.Array | None = None,
    ) -> Batch:
        """Returns training examples; `change` is applied to images in [0, 1], and the key draws binary ones of them.

        `stored` are the images at `indices` where they come by themselves, [batch, ...]: of `trained_on`.
        """
        place, indices = self._place("train", indices)
        if not self.image:
            return self._batch("train", place, indices, None)
        image = change(preprocessing.to_unit(self.trained_on[indices] if stored is None else stored))
        if self.intensity is not None:
            image = jax.random.bernoulli(key, image).astype(jnp.float32)
        return self._batch("train", place, indices, image)

    @property
    def trained_on(self) -> Any:
        """The training images, or the intensities that each batch draws them of."""
        return self.image["train"] if self.intensity is None else self.intensity

    def _place(self, split: str, indices: jax.Array) -> tuple[str, jax.Array]:
        """Returns the name of the arrays that examples of a split lie in, and where there."""
        stored, indices = (split, indices) if self.rows is None else ("train", self.rows.index[split][indices])
        return stored, _spread(indices)

    def _batch(self, split: str, stored: str, indices: jax.Array, image: jax.Array | None) -> Batch:
        label = self.label[stored][indices] if self.label else None
        code = self.code[stored][indices] if self.code else None
        network_input = None if image is None else preprocessing.apply(self.preprocessing, image)
        return Batch(network_input, label, self.count(split), code=code)

    def size(self, split: str) -> int:
        """Returns the number of examples in a split; with `rows` that for which there is room in the training split."""
        if self.rows is not None:
            return self.rows.index[split].shape[-1]
        return (self.image or self.code or {})[split].shape[0]

    def count(self, split: str) -> jax.typing.ArrayLike:
        """Returns the number of examples in a split that count: all of them, but with `rows` of "train", traced."""
        return self.size(split) if self.rows is None or split != "train" else self.rows.count

    def evenly(self, split: str, num: int) -> jax.Array:
        """Returns the indices of `num` examples of a split at even distances, int32 [num]."""
        last = self.count(split) - 1
        spaced = np.linspace(0, last, num) if isinstance(last, int) else jnp.linspace(0, last, num)
        return jnp.asarray(spaced.astype(np.int32))


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


def training_arrays(
    *, image: Array | None = None, code: jax.Array | None = None, label: Array | None = None
) -> ResidentData:
    """Arrays as the training split of data that have nothing else: no other splits or preprocessing."""

    def splits(array: Array | None) -> Any:
        return {} if array is None else {"train": array, "validation": array[:0]}

    return ResidentData(
        splits(image), splits(label), preprocessing.Preprocessing(kind="none"), code=splits(code) or None
    )


def outline(dataset: Dataset, kind: preprocessing.Kind) -> ResidentData:
    """Returns the same with shapes and types in the place of what would be fitted."""
    num, *image_shape = dataset.train.image.shape
    return _resident(dataset, preprocessing.shapes(kind, num, math.prod(image_shape)))


def _resident(dataset: Dataset, fitted: preprocessing.Preprocessing) -> ResidentData:
    splits = dataset.splits

    def image(images: Any, name: str, split: str) -> Any:
        if not isinstance(images, OnDemand):
            return images
        labelled = splits[split].labelled if dataset.num_labelled else None
        return StreamedImages(images, f"{dataset.fingerprint} {name}", labelled)

    return ResidentData(
        image={name: image(split.image, name, name) for name, split in splits.items()},
        label={name: split.label for name, split in splits.items() if split.label is not None},
        preprocessing=fitted,
        intensity=image(dataset.intensity, "intensity", "train"),
        labelled={name: splits[name].labelled for name in dataset.num_labelled},
        unbalanced=is_unbalanced(dataset),
        num_classes=dataset.num_classes,
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
