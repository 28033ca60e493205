"""Sprites: images of one white shape, made from known factors, as a TFDS data set of several sizes."""

from typing import NamedTuple

VERSION = "1.0.0"
SHAPES = ("square", "ellipse", "heart")
CANVAS = 64  # Height and width of the images before they are averaged down: positions are whole pixels of these.


class Grid(NamedTuple):
    """How many values each factor takes; every combination is one image. `step`: pixels of 64 between positions."""

    size: int  # Height and width of the images.
    num_scales: int
    num_orientations: int
    num_positions: int  # Of x, and as many of y.
    step: int

    def factors(self) -> dict[str, int]:
        """Returns how many values each factor takes, in the order in which images are counted: the last goes first."""
        return {
            "shape": len(SHAPES),
            "scale": self.num_scales,
            "orientation": self.num_orientations,
            "x_position": self.num_positions,
            "y_position": self.num_positions,
        }


# By the name of their config, the default first. The last has the factors of dSprites.
GRIDS = {
    "16x16": Grid(16, num_scales=4, num_orientations=10, num_positions=10, step=3),
    "32x32": Grid(32, num_scales=6, num_orientations=20, num_positions=16, step=2),
    "64x64": Grid(64, num_scales=6, num_orientations=40, num_positions=32, step=1),
}
