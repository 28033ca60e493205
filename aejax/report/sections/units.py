"""What the units of codes and of dictionaries respond to: the test images that drive each most, and how pure."""

import numpy as np

from aejax.report.content import Content, Section
from aejax.report.html import Html, join, note, picture, render
from aejax.report.panels import cards, panels
from aejax.store.explanations import Explanation

COLUMNS = 8  # Of images that drive a unit.
_SIZE = 28  # Pixels of the page, about, that such an image is wide.
_SHOWN = {  # By group: what its units have besides images, and the words and unit of it.
    "unit": (("purity", "purity {:.0f} %"), ("information", "{:.2f} nats"), ("variance", "variance {:.3g}")),
    "dictionary": (
        ("purity", "purity {:.0f} %"),
        ("information", "{:.2f} nats"),
        ("frequency", "active for {:.2f} % of images"),
    ),
}
_SHARES = ("purity", "frequency")
_TEXT = (
    "The test images that drive each unit most, the strongest first. Purity is the share of the most frequent class "
    "among the 20 strongest; information, in nats, is between the unit and the labels. The image in front is what a "
    "larger value of the unit adds to what is decoded: gray is no change."
)


def units(content: Content) -> Section | None:
    """Returns for each member the units of its code."""
    return _section(content, "unit", "units", "Units and their images", _TEXT)


def dictionary(content: Content) -> Section | None:
    """Returns for each member the units of a sparse dictionary of its features."""
    text = "Units of a sparse autoencoder (top-k, overcomplete) that was fitted to the member's features. " + _TEXT
    return _section(content, "dictionary", "dictionary", "Units of a sparse dictionary", text)


def _section(content: Content, group: str, name: str, title: str, text: str) -> Section | None:
    shown = [(of, _cards(one, group)) for of, one in content.explanations() if f"{group}_image" in one.arrays]
    if not shown:
        return None
    return Section(name, title, join(note(text), panels("Member", shown)))


def _cards(one: Explanation, group: str) -> Html:
    arrays = one.arrays
    known = [(name, words) for name, words in _SHOWN[group] if np.isfinite(arrays.get(f"{group}_{name}", np.nan)).any()]
    order = np.arange(len(arrays[f"{group}_index"]))
    if known:
        order = np.argsort(-np.nan_to_num(arrays[f"{group}_{known[0][0]}"], nan=-np.inf), kind="stable")
    parts = []
    for index in order:
        values = {name: float(arrays[f"{group}_{name}"][index]) for name, _ in known}
        shares = {name: 100 * value if name in _SHARES else value for name, value in values.items()}
        said = [words.format(shares[name]) for name, words in known if np.isfinite(values[name])]
        title = f"unit {arrays[f'{group}_index'][index]}"
        label = int(arrays[f"{group}_class"][index]) if f"{group}_class" in arrays else -1
        if label >= 0:
            title += f": class {one.class_name(label)}"
        images = arrays[f"{group}_image"][index]
        size = max(1, round(_SIZE / images.shape[2])) * images.shape[2]
        pictures = [picture(images, COLUMNS, f"What drives {title} most", frame=0, size=size * COLUMNS)]
        if f"{group}_atom" in arrays:
            atom = arrays[f"{group}_atom"][index][None]
            pictures.insert(0, picture(atom, 1, f"What {title} adds", frame=0, size=2 * size))
        data = {name: f"{value:.6g}" for name, value in values.items()}
        parts.append(render("unit.html", title=title, said=" · ".join(said), pictures=pictures, data=data))
    return cards(parts, [name for name, _ in known])
