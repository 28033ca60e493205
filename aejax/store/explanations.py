"""The explanations of a study's members, as they lie in the study's directory. No training code.

<workdir>/explanations/<id>.json        numbers of a member, and what its pictures show
<workdir>/explanations/<id>.npz         the pictures; see `aejax.trained.explaining.parts`
<workdir>/explanations/similarity.json  how alike members and their layers represent images
"""

import dataclasses
import pathlib
from typing import Any, Literal

import numpy as np

from aejax.config import NonNegativeInt, PositiveInt, Seed, load
from aejax.errors import ConfigError
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import Fault
from aejax.store.files import ASIDE, Damaged, Number, read, read_json, read_npz, unpacked
from aejax.store.status import MemberId

DIRECTORY = "explanations"
SIMILARITY = "similarity.json"
ADVICE = "aejax explain makes it again"
MEMBER = "member"  # The array that names the member whose pictures they are.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """How a part of an explanation was made, the arrays that it wrote, and its seconds."""

    layer: str | None
    pictured: bool
    arrays: tuple[str, ...]
    seconds: Number


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attribution:
    """The checks of one attribution method for one target; null where a check gives no number."""

    target: str
    method: str
    completeness: Number | None = None
    randomized_signed: Number | None = None
    randomized_absolute: Number | None = None
    deletion: Number | None = None
    random_deletion: Number | None = None
    insertion: Number | None = None
    random_insertion: Number | None = None
    passed: tuple[str, ...]
    failed: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExplanationFacts:
    """The content of <id>.json."""

    id: MemberId
    title: str
    setting: str
    seed: Seed | None
    numbers: dict[str, Number | None]
    parts: dict[str, Part] = dataclasses.field(default_factory=dict)
    traversed_by: Literal["kl", "variance"] | None = None
    layer: str | None = None
    targets: dict[str, str] = dataclasses.field(default_factory=dict)
    attribution: tuple[Attribution, ...] = ()
    num_attributed: NonNegativeInt | None = None
    class_names: tuple[str, ...] = ()  # Where classes have other names than their numbers.


@dataclasses.dataclass(frozen=True)
class Explanation:
    """The explanation of one member: numbers and words by name, and pictures, none where none were kept."""

    facts: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def id(self) -> str:
        """The member's id."""
        return str(self.facts["id"])

    def class_name(self, number: int) -> str:
        """What people call a class of the member's data, whose number its arrays hold."""
        names = self.facts.get("class_names")
        return names[number] if names and number < len(names) else str(number)

    @property
    def title(self) -> str:
        """The name of the member for people."""
        return str(self.facts["title"])


@dataclasses.dataclass(frozen=True)
class Similarity:
    """How alike representations are: names [n], and a symmetric matrix [n, n] of numbers in [0, 1]."""

    names: tuple[str, ...]
    matrix: np.ndarray
    num_images: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimilarityFacts:
    """The content of similarity.json."""

    names: tuple[str, ...]
    matrix: tuple[tuple[Number | None, ...], ...]
    num_images: PositiveInt


def directory_of(directory: StudyDirectory) -> pathlib.Path:
    """The directory of a study's explanations."""
    return directory.path / DIRECTORY


def read_facts(path: pathlib.Path) -> dict[str, Any]:
    """The content of <id>.json, whose path is given.

    Raises:
      OSError: if it is not there, or cannot be read now.
      Damaged: if it holds no explanation, or that of another member.
    """
    facts = read_json(path)
    try:
        name = load(ExplanationFacts, facts).id
    except ConfigError as error:
        raise Damaged(path, str(error)) from None
    if name != path.stem:
        raise Damaged(path, f"it is of member {name}")
    return facts


def read_pictures(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of <id>.npz, whose path is given.

    Raises:
      OSError: if it is not there, or cannot be read now.
      Damaged: if it holds no arrays, or those of another member.
    """
    arrays = read_npz(path)
    member = arrays.pop(MEMBER, None)  # An earlier version did not write it.
    if member is not None and str(member) != path.stem:
        raise Damaged(path, f"it is of member {member}")
    return arrays


def read_explanations(directory: StudyDirectory) -> tuple[list[Explanation], list[Fault]]:
    """The explanations of a study's members, by setting and seed, and the files that are damaged.

    Raises:
      OSError: if a file cannot be read now.
    """
    explanations, faults = [], []
    for path in sorted(set(map(unpacked, directory_of(directory).glob("*.json*")))):
        if path.name == SIMILARITY or ASIDE in path.name:
            continue
        arrays: dict[str, np.ndarray] = {}
        try:
            facts = read_facts(path)
        except Damaged as damage:
            faults.append(Fault(path, damage.reason, ADVICE))
            continue
        try:
            arrays = read_pictures(path.with_suffix(".npz"))
        except FileNotFoundError:
            pass  # Published explanations have none.
        except Damaged as damage:
            faults.append(Fault(path.with_suffix(".npz"), damage.reason, ADVICE))
        # Pictures of which some are missing would not show what they should.
        parts = facts.get("parts", {}).values()
        broken = {name for part in parts if not set(part["arrays"]) <= set(arrays) for name in part["arrays"]}
        explanations.append(Explanation(facts, {name: array for name, array in arrays.items() if name not in broken}))
    return sorted(explanations, key=lambda one: (one.facts["setting"], one.facts["seed"] or 0, one.id)), faults


def read_similarity(directory: StudyDirectory) -> tuple[Similarity | None, list[Fault]]:
    """How alike a study's members represent images, None where that was not asked; and the file, if it is damaged.

    Raises:
      OSError: if the file cannot be read now.
    """
    path = directory_of(directory) / SIMILARITY
    try:
        facts = read(SimilarityFacts, path)
        if any(len(row) != len(facts.names) for row in (facts.matrix, *facts.matrix)):
            raise Damaged(path, "its matrix is not square")
        matrix = np.array(facts.matrix, np.float64)
        if not np.all(np.isnan(matrix) | (matrix >= 0) & (matrix <= 1)):
            raise Damaged(path, "its matrix has numbers outside [0, 1]")
    except FileNotFoundError:
        return None, []
    except Damaged as damage:
        return None, [Fault(path, damage.reason, ADVICE)]
    return Similarity(facts.names, matrix, facts.num_images), []
