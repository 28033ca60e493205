"""A sheet of pictures: some images of each class, with the names of the classes."""

from typing import Any

import numpy as np

from aejax.data.classes import Classes
from aejax.data.load import Split
from aejax.data.pixels import to_bytes

MOST_CLASSES = 50  # Rows of a sheet.
NUM_COLUMNS = 10
SMALLEST, LARGEST = 48, 160  # Pixels of the longer side of an image on the sheet, where whole factors allow it.
GAP = 2  # Pixels between images.
FONT, LONGEST_NAME = 13, 200  # Pixels of letters, and of the longest name.


def make_sheet(split: Split, classes: Classes) -> np.ndarray:
    """Returns a picture, uint8 [height, width, 3]: a row of images for each class; without labels the first images.

    Of more than `MOST_CLASSES` classes it shows the first. Images without a label have the last row.
    """
    from PIL import Image, ImageDraw, ImageFont

    rows = _rows(split, classes)
    height, width = split.image.shape[1:3]
    factor = max(1, -(-SMALLEST // max(height, width)))
    step = max(1, max(height, width) // LARGEST)
    cell_height, cell_width = (factor * -(-side // step) + GAP for side in (height, width))
    font = ImageFont.load_default(FONT)
    names = [_shortened(name, font) for name, _ in rows]
    margin = max((round(font.getlength(name)) + 3 * GAP for name in names if name), default=0)
    sheet = np.full((cell_height * len(rows), margin + cell_width * NUM_COLUMNS, 3), 255, np.uint8)
    sheet[:, margin:] = 128
    for row, (_, indices) in enumerate(rows):
        for column, image in enumerate(to_bytes(split.image[indices])[:, ::step, ::step]):
            large = image.repeat(factor, 0).repeat(factor, 1)
            top, left = row * cell_height, margin + column * cell_width
            colors = large[..., :3] if large.shape[-1] >= 3 else large[..., :1]
            sheet[top : top + large.shape[0], left : left + large.shape[1]] = colors
    picture = Image.fromarray(sheet)
    draw = ImageDraw.Draw(picture)
    for row, name in enumerate(names):
        draw.text((GAP, row * cell_height + cell_height // 2), name, fill="black", font=font, anchor="lm")
    return np.asarray(picture)


def _rows(split: Split, classes: Classes) -> list[tuple[str, np.ndarray]]:
    """Returns the name of each row, and the indices of its images."""
    if split.label is None:
        first = np.arange(min(len(split.image), NUM_COLUMNS**2))
        return [("", first[start : start + NUM_COLUMNS]) for start in range(0, len(first), NUM_COLUMNS)]
    rows = list(enumerate(classes.names[:MOST_CLASSES]))
    if (split.label < 0).any():
        rows.append((-1, "(no label)"))
    return [(name, np.flatnonzero(split.label == number)[:NUM_COLUMNS]) for number, name in rows]


def _shortened(name: str, font: Any) -> str:
    while font.getlength(name) > LONGEST_NAME:
        name = name.removesuffix("…")[:-1] + "…"
    return name
