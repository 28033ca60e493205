"""Parts of the training images: few that have labels, the same for whatever is compared on them, or given ones."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from aejax import rng
from aejax.data.classes import UNKNOWN
from aejax.data.load import Dataset
from aejax.data.preprocessing import Array
from aejax.data.resident import ResidentData
from aejax.data.streamed import indexable


def draw_per_class(label: Array, num_classes: int, count: int, draw: jax.typing.ArrayLike) -> jax.Array:
    """Returns the indices of `count` examples of every class, int32 [num_classes, count], drawn without replacement.

    They depend on the labels and the number of the draw alone. Of one draw, fewer examples lie within more.

    Args:
      label: int32 [examples], each class at least `count` times.
      num_classes: labels lie in [0, num_classes).
      count: of each class.
      draw: 0, 1, ...: which subset.
    """
    label = jnp.asarray(label)
    key = rng.at(rng.stream(rng.root(0), "labels"), draw)
    by_class = jnp.lexsort((jax.random.uniform(key, label.shape), label))
    first = jnp.searchsorted(label[by_class], jnp.arange(num_classes))
    return by_class[first[:, None] + jnp.arange(count)[None]]


class Subset(Protocol):
    """A part of the training images that one member sees; which one may be traced."""

    def select(self, data: ResidentData) -> ResidentData:
        """Returns the data with this part for the training split, and perhaps another for the validation split."""


class AllLabelled(NamedTuple):
    """All images that have a label."""

    def select(self, data: ResidentData) -> ResidentData:
        """Returns the data with these images alone."""
        return data.with_labels()

    def places(self, data: ResidentData) -> jax.Array | None:
        """Returns the indices of its training images among all training images; None: it is all of them."""
        return jnp.asarray(data.labelled["train"]) if data.labelled else None


class RowsSubset(NamedTuple):
    """One of the subsets for which the data have `rows`, and a preprocessing of their own: arrays [subsets, ...]."""

    number: jax.typing.ArrayLike

    def select(self, data: ResidentData) -> ResidentData:
        """Returns the data with its rows and its preprocessing; validation images are some of the training images."""
        assert data.rows is not None, "the data have subsets"
        index, count, fitted = jax.tree.map(
            lambda leaf: jnp.asarray(leaf)[self.number], (data.rows.index, data.rows.count, data.preprocessing)
        )
        return data.replace(rows=data.rows.replace(index=index, count=count), preprocessing=fitted)


class LabelledSubset(NamedTuple):
    """A few labelled training images of each class, and as many more to make choices by."""

    per_class: int
    num_classes: int
    draw: jax.typing.ArrayLike  # As `draw_per_class` counts them.

    def select(self, data: ResidentData) -> ResidentData:
        """Returns the data with these images for the training and validation splits; the test split stays."""
        indices = self._draw(data)
        data = data.with_labels()
        chosen = {"train": indices[:, : self.per_class], "validation": indices[:, self.per_class :]}
        few = {
            name: {split: indexable(arrays["train"])[index.reshape(-1)] for split, index in chosen.items()}
            for name, arrays in (("image", data.image), ("label", data.label))
        }
        intensity = None if data.intensity is None else indexable(data.intensity)[chosen["train"].reshape(-1)]
        return data.replace(
            image=dict(data.image) | few["image"], label=dict(data.label) | few["label"], intensity=intensity
        )

    def places(self, data: ResidentData) -> jax.Array | None:
        """Returns the indices of its training images among all training images, int32 [num]."""
        indices = self._draw(data)[:, : self.per_class].reshape(-1)
        return jnp.asarray(data.labelled["train"])[indices] if data.labelled else indices

    def _draw(self, data: ResidentData) -> jax.Array:
        """Draws its images and those to choose by, from the images that have a label: their indices among these."""
        return draw_per_class(data.known_label["train"], self.num_classes, 2 * self.per_class, self.draw)


class AmongAll(NamedTuple):
    """All training images; only those in another subset keep their label."""

    subset: AllLabelled | LabelledSubset

    def select(self, data: ResidentData) -> ResidentData:
        """Returns the data with the other labels hidden (-1); the validation images are the other subset's."""
        places = self.subset.places(data)
        if places is None:
            return data
        known = self.subset.select(data)
        label = jnp.full(data.size("train"), UNKNOWN, jnp.int32).at[places].set(known.label["train"])
        labelled = {split: jnp.arange(len(values)) for split, values in known.label.items()}
        if data.labelled:
            labelled["test"] = jnp.asarray(data.labelled["test"])
        return data.replace(
            image=dict(data.image) | {"validation": known.image["validation"]},
            label=dict(data.label) | {"train": label, "validation": known.label["validation"]},
            labelled=labelled | {"train": places},
        )


def too_few_labels(asking: str, wanted: int, path: str, dataset: Dataset) -> Iterator[str]:
    """Yields why there are not `wanted` training images of every class to be labelled, and as many to choose by.

    Args:
      asking: the path of the part of the config that wants them.
      wanted: their number.
      path: of the data in the config.
      dataset: with labels, or without: then nothing is wanted.
    """
    if dataset.train.label is None or dataset.num_classes is None:
        return
    counts = np.bincount(dataset.train.known_label, minlength=dataset.num_classes)
    smallest = int(np.argmin(counts))
    if counts[smallest] < 2 * wanted:
        yield (
            f"{asking}.labels_per_class={wanted} takes {wanted} training images of every class and {wanted} more to "
            f"choose by, and {path} ({dataset.name}) has {counts[smallest]} of class {dataset.classes.name(smallest)}; "
            + (
                f"ask for at most {most}"
                if (most := counts[smallest] // 2)
                else f"leave that class out by {path}.classes"
            )
        )
