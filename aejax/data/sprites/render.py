"""Drawing sprites: a shape in the middle of a canvas, of which each position is a window."""

from collections.abc import Iterator

import numpy as np

from aejax.data.sprites import CANVAS, SHAPES, Grid

RADIUS = 16  # Pixels of 64: of the circle around the largest shape.
SMALLEST = 0.5  # Scale of the smallest, beside it.


def draw(grid: Grid) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields, for each shape, scale and orientation, images of all positions.

    Returns:
      Images uint8 [positions, size, size], 0 where there is nothing and 255 inside the shape, averaged down from 64 ×
      64 where they are smaller; and their factors int [positions, 5], in the order of `Grid.factors`.
    """
    num = grid.num_positions
    span = grid.step * (num - 1)
    scales = np.linspace(SMALLEST, 1, grid.num_scales)
    x, y = (index.ravel() for index in np.mgrid[:num, :num])
    fewer = CANVAS // grid.size
    for shape in range(len(SHAPES)):
        for scale in range(grid.num_scales):
            for orientation in range(grid.num_orientations):
                # A full turn without its end, which would be its beginning again.
                angle = 2 * np.pi * orientation / grid.num_orientations
                canvas = _draw_centered(SHAPES[shape], RADIUS * scales[scale], angle, CANVAS + span)
                windows = np.lib.stride_tricks.sliding_window_view(canvas, (CANVAS, CANVAS))
                # A shape moves to the right where the window moves to the left.
                images = windows[span - grid.step * y, span - grid.step * x]
                images = images.reshape(-1, grid.size, fewer, grid.size, fewer).mean(axis=(2, 4), dtype=np.float32)
                rest = [np.full(num * num, value) for value in (shape, scale, orientation)]
                yield np.rint(255 * images).astype(np.uint8), np.stack([*rest, x, y], axis=1)


def _draw_centered(shape: str, radius: float, angle: float, size: int) -> np.ndarray:
    """Returns whether the center of each pixel [size, size] lies in the shape, turned counterclockwise by the angle."""
    coordinate = np.arange(size) - (size - 1) / 2
    across, up = coordinate[None] / radius, -coordinate[:, None] / radius
    u = np.cos(angle) * across + np.sin(angle) * up
    v = -np.sin(angle) * across + np.cos(angle) * up
    if shape == "square":
        return np.maximum(abs(u), abs(v)) <= np.sqrt(0.5)
    if shape == "ellipse":
        return u**2 + (2 * v) ** 2 <= 1
    u, v = 1.25 * u, 1.25 * v + 0.1  # So that the heart fits into the circle.
    return (u**2 + v**2 - 1) ** 3 <= u**2 * v**3
