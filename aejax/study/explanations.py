"""What was explained of a study's members, as it lies in the study's directory. No training code.

<workdir>/explanations/<id>.json        what was measured of a member, and what its pictures show
<workdir>/explanations/<id>.npz         the pictures; see `aejax.study.explaining.parts`
<workdir>/explanations/similarity.json  how alike members and their layers represent images
"""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from aejax.cache import read_arrays
from aejax.errors import UserError
from aejax.study.directory import StudyDirectory, read_json, unpacked

DIRECTORY = "explanations"
SIMILARITY = "similarity.json"


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What was explained of one member: numbers and words by name, and pictures, none where none were kept."""

    facts: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def id(self) -> str:
        """The member's id."""
        return str(self.facts["id"])

    def class_name(self, number: int) -> str:
        """What people call a class of the member's data, whose number its arrays hold."""
        names = self.facts.get("class_names")
        return names[number] if names else str(number)

    @property
    def title(self) -> str:
        """What a person calls the member."""
        return str(self.facts["title"])


@dataclasses.dataclass(frozen=True)
class Similarity:
    """How alike representations are: names [n], and a symmetric matrix [n, n] of numbers in [0, 1]."""

    names: tuple[str, ...]
    matrix: np.ndarray
    num_images: int


def directory_of(directory: StudyDirectory) -> pathlib.Path:
    """Returns where a study's explanations lie."""
    return directory.path / DIRECTORY


def read_explanations(directory: StudyDirectory) -> list[Explanation]:
    """Returns what was explained of a study's members, by setting and seed; none where nothing was.

    Raises:
      UserError: if a file is not what this project wrote.
    """
    found = []
    for path in sorted(set(map(unpacked, directory_of(directory).glob("*.json*")))):
        if path.name == SIMILARITY:
            continue
        facts = read_json(path)
        if not isinstance(facts, dict) or not {"id", "title", "setting", "seed", "numbers"} <= set(facts):
            raise UserError(f"{path} holds no explanation; delete it and explain the study again")
        try:
            arrays = read_arrays(path.with_suffix(".npz"))
        except (OSError, ValueError):
            arrays = {}  # Missing or damaged: numbers without pictures are still worth having.
        found.append(Explanation(facts, arrays))
    return sorted(found, key=lambda one: (one.facts["setting"], one.facts["seed"] or 0, one.id))


def read_similarity(directory: StudyDirectory) -> Similarity | None:
    """Returns how alike a study's members represent images; None where that was not asked.

    Raises:
      UserError: if the file is not what this project wrote.
    """
    path = directory_of(directory) / SIMILARITY
    try:
        facts = read_json(path)
    except OSError:
        return None
    try:
        return Similarity(tuple(facts["names"]), np.array(facts["matrix"], np.float64), int(facts["num_images"]))
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path} holds no similarities; delete it and explain the study again") from None
