"""What a trained model must know of the images that it was trained on, to be used without them."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from aejax.config import NonNegativeInt, PositiveInt
from aejax.data.load import Dataset
from aejax.data.preprocessing import Preprocessing
from aejax.data.resident import ResidentData


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataDescription:
    """The name, fingerprint and shapes of a data set."""

    name: str
    fingerprint: str
    image_shape: tuple[PositiveInt, ...]  # [height, width, channels].
    image_type: Literal["uint8", "float32"]  # As which images are stored; floats are in [0, 1], but for vectors.
    num_images: dict[str, NonNegativeInt]  # Of each split.
    num_classes: PositiveInt | None
    num_labelled: dict[str, NonNegativeInt] = dataclasses.field(default_factory=dict)  # Where some have no label.
    vectors: bool = False  # Whether images are vectors; see `aejax.data.vectors`.

    @staticmethod
    def of(dataset: Dataset) -> "DataDescription":
        """Describes a data set."""
        image = dataset.train.image
        return DataDescription(
            name=dataset.name,
            fingerprint=dataset.fingerprint,
            image_shape=image.shape[1:],
            image_type="uint8" if image.dtype == jnp.uint8 else "float32",
            num_images={name: len(split.image) for name, split in dataset.splits.items()},
            num_classes=dataset.num_classes,
            num_labelled=dataset.num_labelled,
            vectors=dataset.vectors,
        )

    def outline(self, preprocessing: Preprocessing) -> ResidentData:
        """The data with shapes and types in the place of images and labels."""
        sizes = self.num_images.items()
        image = {name: jax.ShapeDtypeStruct((num, *self.image_shape), self.image_type) for name, num in sizes}
        labels, labelled = (
            {name: jax.ShapeDtypeStruct((num,), jnp.int32) for name, num in counts.items()}
            for counts in ({} if self.num_classes is None else self.num_images, self.num_labelled)
        )
        return ResidentData(image, labels, preprocessing, labelled=labelled)  # type: ignore[arg-type]
