"""What is known of one explained member, in its two files: facts (.json) and pictures (.npz)."""

import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from aejax.store.explanations import MEMBER, read_facts, read_pictures
from aejax.store.files import Damaged, set_aside, write_arrays, write_json

Asked = Mapping[str, Any]  # How a part was asked for: `layer`, and whether pictures are kept (`pictured`).


class Explained:
    """The explanation of a member as far as it has been made, a part at a time.

    Among the facts, "parts" says of each part how it was asked for, which arrays it made, and what it cost in seconds.
    A file that is damaged is set aside, and its parts are made again.
    """

    def __init__(self, path: pathlib.Path, name: str, say: Callable[[str], None]):
        """Reads what there is of the member with an id, in the directory of explanations, which is locked.

        Raises:
          OSError: if a file cannot be read now.
        """
        self._path, self._id = path, name
        self._facts: dict[str, Any] = {}
        self._arrays: dict[str, np.ndarray] = {}
        try:
            self._facts = read_facts(path / f"{name}.json")
            self._arrays = read_pictures(path / f"{name}.npz")
        except FileNotFoundError:
            pass  # Without arrays, no part that made pictures is whole.
        except Damaged as damage:
            say(f"{damage} and was set aside as {set_aside(damage.path).name}: its parts are explained again")

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        """What is said of the parts that were made."""
        return dict(self._facts.get("parts", {}))

    def has(self, part: str, asked: Asked) -> bool:
        """Returns whether a part is there as it is asked for; one with pictures will do where none are asked."""
        entry = self.parts.get(part)
        if entry is None or entry["layer"] != asked["layer"] or (asked["pictured"] and not entry["pictured"]):
            return False
        return set(entry["arrays"]) <= set(self._arrays)

    def call(self, title: str, setting: str, seed: int) -> None:
        """Says what people call the member: that may change when a study grows. Written only if there is anything."""
        named = {"id": self._id, "title": title, "setting": setting, "seed": seed}
        if self.parts and named != {name: self._facts.get(name) for name in named}:
            write_json(self._path / f"{self._id}.json", self._facts | named)
        self._facts = named | {"numbers": {}, "parts": {}} | self._facts | named

    def add(
        self, part: str, asked: Asked, facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray], seconds: float
    ) -> None:
        """Writes what a part has found, in the place of what it found before; the pictures first."""
        before = self.parts.get(part, {}).get("arrays", ())
        self._arrays = {name: array for name, array in self._arrays.items() if name not in before} | dict(arrays)
        others = {name: value for name, value in facts.items() if name != "numbers"}
        numbers = {name: value for name, value in facts.get("numbers", {}).items() if math.isfinite(value)}
        said = {**asked, "arrays": sorted(arrays), "seconds": seconds}
        self._facts |= {
            **others,
            "numbers": self._facts["numbers"] | numbers,
            "parts": self.parts | {part: said},
        }
        arrays = self._arrays | {MEMBER: np.array(self._id)}
        write_arrays(self._path / f"{self._id}.npz", arrays, compressed=True)
        write_json(self._path / f"{self._id}.json", _for_json(self._facts))


def _for_json(value: Any) -> Any:
    """Returns a tree that JSON can hold: it has no NaN, and needs no more digits than people read."""
    if isinstance(value, Mapping):
        return {name: _for_json(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_for_json(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
