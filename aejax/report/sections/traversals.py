"""What single units of a code draw: decoded images while one unit moves and the others stay, and a plane of codes."""

import numpy as np

from aejax.report.content import Content, Section
from aejax.report.html import Html, join, note, picture, render, wide
from aejax.report.panels import cards, panels
from aejax.store.explanations import Explanation

FRAME = 100  # Pixels of the page, about, that an image is wide.


def traversals(content: Content) -> Section | None:
    """Returns for each member a slider for each unit of its code, those first that the score says carry most."""
    shown = [(title, _units(one)) for title, one in content.explanations() if "traversal_image" in one.arrays]
    if not shown:
        return None
    text = (
        "What the decoder draws while one unit of the code of an image moves and the others stay; the number below is "
        "the unit's. Units whose score is largest come first: their KL to the prior in nats, or where there is no "
        "posterior the variance of their codes. The arrow keys move a slider, too."
    )
    body = join(note(text), panels("Member", shown))
    return Section("traversals", "What each unit draws", body)


def manifold(content: Content) -> Section | None:
    """Returns for each member the images of a plane of codes."""
    shown = []
    for title, one in content.explanations():
        if "manifold_image" in one.arrays:
            images = one.arrays["manifold_image"]
            alt = f"Decoded images of a plane of codes of {title}"
            side = round(len(images) ** 0.5)
            image = picture(images, side, alt, frame=0, size=560)
            shown.append((title, wide(image)))
    if not shown:
        return None
    text = (
        "Decoded from a grid of codes: quantiles along the two directions in which the codes of images vary most, so "
        "neighbors on the grid are about equally probable."
    )
    return Section("manifold", "A plane of codes", join(note(text), panels("Member", shown)))


def _units(one: Explanation) -> Html:
    arrays = one.arrays
    score = arrays["traversal_score"]
    words = "KL {:.3g} nats" if one.facts.get("traversed_by") == "kl" else "variance {:.3g}"
    parts = []
    for index in np.argsort(-score, kind="stable"):
        unit = f"unit {arrays['traversal_unit'][index]}"
        values, images = arrays["traversal_value"][index], arrays["traversal_image"][index]
        parts.append(_slider(unit, words.format(score[index]), values, images))
    return cards(parts)


def _slider(unit: str, score: str, values: np.ndarray, images: np.ndarray) -> Html:
    texts = [f"{value:+.2f}".replace("-", "−") for value in values]
    scale = max(1, round(FRAME / images.shape[2]))
    alt = f"{unit} from {texts[0]} to {texts[-1]} in {len(images)} steps"
    strip = picture(images, len(images), alt, frame=0, size=scale * images.shape[2] * len(images))
    width = scale * images.shape[2]
    return render("slider.html", unit=unit, score=score, texts=texts, width=width, strip=strip)
