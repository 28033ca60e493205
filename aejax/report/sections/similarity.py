"""How alike members and their layers represent images."""

import json

import numpy as np

from aejax.report.content import Content, Section
from aejax.report.html import Html, element, join
from aejax.report.svg import drawing
from aejax.store.explanations import Similarity

SMALL = 14  # Names up to which each cell has room for its number.
_LETTER = 6.6  # Width of a letter, at most.
_LEVELS = 20  # Of shades.


def similarity(content: Content) -> Section | None:
    """Returns a matrix of shades for each study."""
    found = {name: study.similarity for name, study in content.studies.items() if study.similarity}
    if not found:
        return None
    parts = []
    for name, one in found.items():
        text = (
            f"Linear centered kernel alignment (CKA; Kornblith et al., 2019) of what members and their layers make of "
            f"{one.num_images:,} test images: 1 where two are the same up to rotation and scale, near 0 where they "
            "have nothing in common. Numbers above the columns are those of the rows; a cell tells its names under the "
            "pointer, when touched, and by the arrow keys."
        )
        parts += [element("h3", name)] if len(found) > 1 else []
        parts += [element("p", text, class_="note"), _matrix(one)]
    return Section("similarity", "Similarity of representations", join(*parts))


def _matrix(one: Similarity) -> Html:
    names = [f"{index + 1} {name}" for index, name in enumerate(one.names)]
    num = len(names)
    small = num <= SMALL
    size, top = (40, 24) if small else (18, 24)
    strongest = 0.55 if small else 1.0  # Numbers are read on it.
    left = round(_LETTER * max(map(len, names))) + 12
    levels = np.round(np.clip(np.nan_to_num(one.matrix), 0, 1) * _LEVELS).astype(int)
    parts = []
    # All cells of a shade are one path: a matrix may have thousands of cells.
    for level in np.unique(levels):
        path = "".join(
            f"M{left + size * column} {top + size * row}h{size}v{size}h-{size}z"
            for row, column in np.argwhere(levels == level)
        )
        parts.append(element("path", d=path, class_="cell", style=f"--shade:{strongest * level / _LEVELS:.0%}"))
    for index, name in enumerate(names):
        middle = size * index + size / 2
        parts.append(element("text", name, x=left - 8, y=top + middle + 4, text_anchor="end"))
        if small or index % 5 == 4 or index == 0:
            parts.append(element("text", str(index + 1), x=left + middle, y=top - 7, text_anchor="middle"))
        if small:
            for column, value in enumerate(one.matrix[index]):
                x, y = left + size * column + size / 2, top + middle + 4
                parts.append(element("text", f"{value:.2f}", x=x, y=y, text_anchor="middle", class_="value"))
    width, height = left + size * num + 4, top + size * num + 4
    values = np.round(one.matrix, 3).tolist()
    cells = json.dumps({"names": one.names, "values": values, "left": left, "top": top, "size": size})
    style = f"width:{width}px;max-width:none"
    title = "Matrix of similarities"
    matrix = drawing(join(*parts), (width, height), title, data_cells=cells, data_radius=size * 0.45, style=style)
    return element("div", element("div", matrix, class_="wide"), class_="matrix")
