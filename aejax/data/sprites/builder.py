"""The TFDS builder of the sprites. Importing it imports tensorflow_datasets, so only preparing them does."""

import io
import sys
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds
import tqdm
from PIL import Image

from aejax.data.sprites import GRIDS, SHAPES, VERSION, Grid
from aejax.data.sprites.render import draw


class AejaxSprites(tfds.core.GeneratorBasedBuilder):
    """One white square, ellipse or heart on black: every combination of shape, scale, orientation and position once.

    Features are named as those of dSprites are, so the same code reads both. Like there, orientations are those of a
    full turn, of which squares look alike after a quarter and ellipses after a half.
    """

    VERSION = tfds.core.Version(VERSION)
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(
            name=name,
            version=VERSION,
            description=f"{name} pixels, {' x '.join(map(str, grid.factors().values()))} images.",
        )
        for name, grid in GRIDS.items()
    ]

    @property
    def _grid(self) -> Grid:
        return GRIDS[self.builder_config.name]

    def _info(self) -> tfds.core.DatasetInfo:
        factors = {
            f"label_{name}": tfds.features.ClassLabel(
                **({"names": SHAPES} if name == "shape" else {"num_classes": num})
            )
            for name, num in self._grid.factors().items()
        }
        image = tfds.features.Image(shape=(self._grid.size, self._grid.size, 1))
        return tfds.core.DatasetInfo(
            builder=self,
            description="Images of one shape, made from five independent factors.",
            features=tfds.features.FeaturesDict({"image": image, **factors}),
        )

    def _split_generators(self, _: Any) -> dict[str, Iterator[Any]]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
        index, grid = 0, self._grid
        total = len(SHAPES) * grid.num_scales * grid.num_orientations
        # TFDS is kept from writing to the screen; the largest grid takes minutes.
        bar = tqdm.tqdm(draw(grid), "drawing sprites", total, unit="shape", file=sys.__stderr__, disable=None)
        for images, factors in bar:
            for image, values in zip(images, factors, strict=True):
                file = io.BytesIO()
                Image.fromarray(image).save(file, format="png", compress_level=1)
                named = {f"label_{name}": int(value) for name, value in zip(grid.factors(), values, strict=True)}
                yield index, {"image": file.getvalue(), **named}
                index += 1
