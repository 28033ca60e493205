"""Paths between images of two classes: what is decoded on the way, and what a probe of the codes says there."""

from collections.abc import Callable

import numpy as np

from aejax.report.content import Content, Section
from aejax.report.html import Html, element, figure, join, picture
from aejax.report.panels import panels
from aejax.report.svg import NUM_CLASS_COLORS, drawing
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
    return Section("paths", "Paths between classes", join(element("p", text, class_="note"), panels("Member", shown)))


def _paths(one: Explanation) -> Html:
    figures = []
    arrays = one.arrays
    for images, probability, ends in zip(
        arrays["path_image"], arrays["path_probability"], arrays["path_class"], strict=True
    ):
        title = " to ".join(f"class {one.class_name(end)}" for end in ends)
        strip = picture(images, len(images), f"Images from {title}", frame=0, size=WIDTH)
        figures.append(figure(title, element("div", strip, _areas(probability, one.class_name, title), class_="path")))
    return join(*figures)


def _areas(probability: np.ndarray, class_name: Callable[[int], str], title: str) -> Html:
    """Returns the probabilities [steps, classes] of a path as areas one upon the other, below the path's images."""
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
        tip = element("title", f"class {class_name(index)}")
        color = f"area k{index % NUM_CLASS_COLORS}"
        parts.append(element("polygon", tip, points=" ".join(outline), class_=color))
        if probability[highest, index] >= _NAMED:
            y = (low[highest + 1] + high[highest + 1]) / 2 + 4
            place = {"x": round(float(x[highest + 1]), 1), "y": round(float(y), 1)}
            parts.append(element("text", class_name(index), **place, text_anchor="middle", class_="name"))
    return drawing(join(*parts), (WIDTH, HEIGHT), f"Probabilities of classes along the path from {title}")


def _points(x: np.ndarray, y: np.ndarray) -> list[str]:
    return [f"{a:g},{b:.1f}" for a, b in zip(x, y, strict=True)]
