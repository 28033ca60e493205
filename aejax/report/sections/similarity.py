"""How alike members and their layers represent images."""

import json
from typing import NamedTuple

import numpy as np

from aejax.report.content import Content, Section
from aejax.report.html import Html, join, note, render, titled
from aejax.store.explanations import Similarity

SMALL = 14  # Names up to which each cell has room for its number.
_LETTER = 6.6  # Width of a letter, at most.
_LEVELS = 20  # Of shades.


class _Label(NamedTuple):
    """A text at a place of the matrix."""

    text: str
    x: float
    y: float
    anchor: str = "middle"
    kind: str = ""


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
        body = join(note(text), _matrix(one))
        parts.append(titled(name, body) if len(found) > 1 else body)
    return Section("similarity", "Similarity of representations", join(*parts))


def _matrix(one: Similarity) -> Html:
    names = [f"{index + 1} {name}" for index, name in enumerate(one.names)]
    num = len(names)
    small = num <= SMALL
    size, top = (40, 24) if small else (18, 24)
    strongest = 0.55 if small else 1.0  # Numbers are read on it.
    left = round(_LETTER * max(map(len, names))) + 12
    levels = np.round(np.clip(np.nan_to_num(one.matrix), 0, 1) * _LEVELS).astype(int)
    shades = []
    for level in np.unique(levels):
        path = "".join(
            f"M{left + size * column} {top + size * row}h{size}v{size}h-{size}z"
            for row, column in np.argwhere(levels == level)
        )
        shades.append((f"{strongest * level / _LEVELS:.0%}", path))
    labels = []
    for index, name in enumerate(names):
        middle = size * index + size / 2
        labels.append(_Label(name, left - 8, top + middle + 4, "end"))
        if small or index % 5 == 4 or index == 0:
            labels.append(_Label(str(index + 1), left + middle, top - 7))
        if small:
            for column, value in enumerate(one.matrix[index]):
                labels.append(_Label(f"{value:.2f}", left + size * column + size / 2, top + middle + 4, kind="value"))
    values = np.round(one.matrix, 3).tolist()
    return render(
        "similarity.html",
        width=left + size * num + 4,
        height=top + size * num + 4,
        size=size,
        cells=json.dumps({"names": one.names, "values": values, "left": left, "top": top, "size": size}),
        shades=shades,
        labels=labels,
    )
