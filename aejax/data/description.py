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
    image_type: Literal["uint8", "float32"]  # As which images are stored; floats are in [0, 1].
    num_images: dict[str, NonNegativeInt]  # Of each split.
    num_classes: PositiveInt | None

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
        )

    def outline(self, preprocessing: Preprocessing) -> ResidentData:
        """The data with shapes and types in the place of images and labels."""
        sizes = self.num_images.items()
        image = {name: jax.ShapeDtypeStruct((num, *self.image_shape), self.image_type) for name, num in sizes}
        label = {name: jax.ShapeDtypeStruct((num,), jnp.int32) for name, num in sizes}
        return ResidentData(image, {} if self.num_classes is None else label, preprocessing)  # type: ignore[arg-type]
