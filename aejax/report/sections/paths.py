"""Paths between images of two classes: what is decoded on the way, and what a probe of the codes says there."""

from collections.abc import Callable
from typing import Any

import numpy as np

from aejax.report.content import Content, Section
from aejax.report.html import NUM_CLASS_COLORS, Html, join, note, picture, render
from aejax.report.panels import panels
from aejax.store.explanations import Explanation

WIDTH = 620  # Pixels of the page, about, that a path is wide.
HEIGHT = 70  # Of its probabilities.
_LEAST = 0.01  # Probability at its highest below which a class is not drawn.
_NAMED = 0.3  # From which on it is named.


def paths(content: Content) -> Section | None:
    """Returns for each member the images along paths from class to class, above the probabilities of all classes."""
    shown = [(title, _paths(one)) for title, one in content.explanations() if "path_image" in one.arrays]
    if not shown:
        return None
    text = (
        "From the code of a test image of one class to that of another: the images that are decoded on the way, and "
        "below them how probable a linear probe of the codes holds each class, one upon the other from 0 to 1."
    )
    return Section("paths", "Paths between classes", join(note(text), panels("Member", shown)))


def _paths(one: Explanation) -> Html:
    figures = []
    arrays = one.arrays
    for images, probability, ends in zip(
        arrays["path_image"], arrays["path_probability"], arrays["path_class"], strict=True
    ):
        title = " to ".join(f"class {one.class_name(end)}" for end in ends)
        strip = picture(images, len(images), f"Images from {title}", frame=0, size=WIDTH)
        areas = _areas(probability, one.class_name)
        figures.append(render("path.html", title=title, strip=strip, areas=areas, width=WIDTH, height=HEIGHT))
    return join(*figures)


def _areas(probability: np.ndarray, class_name: Callable[[int], str]) -> list[dict[str, Any]]:
    """Returns the probabilities [steps, classes] of a path as areas one upon the other, with places of names."""
    num = len(probability)
    # A step's probabilities stand below the middle of its image.
    x = np.concatenate([[0], (np.arange(num) + 0.5) * WIDTH / num, [WIDTH]]).round(1)
    top = np.pad(np.cumsum(probability, axis=1), ((1, 1), (1, 0)), mode="edge")
    top[:, 0] = 0
    parts = []
    for index in range(probability.shape[1]):
        highest = int(probability[:, index].argmax())
        if probability[highest, index] < _LEAST:
            continue
        low, high = (HEIGHT * (1 - top[:, index + offset]) for offset in (0, 1))
        outline = _points(x, high) + _points(x, low)[::-1]
        place = None
        if probability[highest, index] >= _NAMED:
            y = (low[highest + 1] + high[highest + 1]) / 2 + 4
            place = round(float(x[highest + 1]), 1), round(float(y), 1)
        color = f"k{index % NUM_CLASS_COLORS}"
        parts.append({"points": " ".join(outline), "color": color, "name": class_name(index), "place": place})
    return parts


def _points(x: np.ndarray, y: np.ndarray) -> list[str]:
    return [f"{a:g},{b:.1f}" for a, b in zip(x, y, strict=True)]
