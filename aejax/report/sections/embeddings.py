"""Maps of codes: test images as points of a plane, near each other where their codes are."""

import hashlib

import numpy as np

from aejax.report.content import Content, Section
from aejax.report.html import NUM_CLASS_COLORS, Html, image_element, join, note, on_canvas, render, to_png
from aejax.report.panels import panels
from aejax.store.explanations import Explanation

SIDE = 640  # Of a map, in units of which coordinates are whole numbers.
MARGIN = 14
COLUMNS = 50  # Of the sheet of all images.
_KINDS = {"embedding_pca": "PCA", "embedding_tsne": "t-SNE"}
_TEXT = (
    "Codes of test images in two dimensions, colored by class: their two principal components, and t-SNE, which keeps "
    "neighbors together but says nothing by its distances and sizes. A point shows its image under the pointer, "
    "when touched, and by the arrow keys; a class is picked out by its entry below the map."
)


def embeddings(content: Content) -> Section | None:
    """Returns the maps of each member, and the images of their points once, however many members share them."""
    sheets: dict[str, Html] = {}
    shown = []
    for title, one in content.explanations():
        kinds = [kind for kind in _KINDS if kind in one.arrays]
        if kinds and "embedding_image" in one.arrays:
            sheet, order = _add_sheet(sheets, one)
            maps = [(_KINDS[kind], _map(one, kind, order, sheet, f"{_KINDS[kind]} of {title}")) for kind in kinds]
            shown.append((title, panels("Projection", maps)))
    if not shown:
        return None
    body = join(note(_TEXT), *sheets.values(), panels("Member", shown))
    return Section("embeddings", "Maps of codes", body)


def _labels(one: Explanation) -> np.ndarray:
    """Returns the labels of a map's points, all 0 where the data have none."""
    return one.arrays.get("embedding_label", np.zeros(len(one.arrays["embedding_image"]), int))


def _add_sheet(sheets: dict[str, Html], one: Explanation) -> tuple[str, np.ndarray]:
    """Returns the id of the sheet of a member's images, made where it is new, and the order of images on it.

    They lie by class: then the points of a class, which are one path of the drawing, need no numbers of their own.
    """
    images, labels = one.arrays["embedding_image"], _labels(one)
    order = np.argsort(labels, kind="stable")
    name = "sheet-" + hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()[:12]
    if name not in sheets:
        png = to_png(on_canvas(images[order], COLUMNS, frame=0))
        columns = min(COLUMNS, len(images))
        data = {"data_columns": columns, "data_height": images.shape[1], "hidden": True}
        sheets[name] = image_element(png, "The images of the points", id=name, **data)
    return name, order


def _map(one: Explanation, kind: str, order: np.ndarray, sheet: str, title: str) -> Html:
    labels = _labels(one)[order]
    places = _on_page(one.arrays[kind][order])
    labelled = "embedding_label" in one.arrays
    classes = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        x, y = np.median(places[own], axis=0).astype(int)
        known = labelled and label >= 0
        short = one.class_name(label) if known else ""
        classes.append(
            {
                "path": "".join(f"M{x} {y}h0" for x, y in places[own]),
                "color": f"k{label % NUM_CLASS_COLORS}" if label >= 0 else "unlabelled",
                "first": own[0],
                "name": f"class {short}" if known else "no label" if labelled else "",
                "short": short,
                "x": x,
                "y": y + 5,
            }
        )
    return render("map.html", sheet=sheet, side=SIDE, title=title, classes=classes)


def _on_page(points: np.ndarray) -> np.ndarray:
    """Returns points [n, 2] as whole numbers on the map, both directions to the same scale."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (SIDE - 2 * MARGIN) / max(float(np.max(high - low)), 1e-12)
    centered = (points - (low + high) / 2) * scale * np.array([1, -1])  # Up is less on a page.
    return np.round(centered + SIDE / 2).astype(int)
