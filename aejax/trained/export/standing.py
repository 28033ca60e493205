"""What a study says of a trained member: its setting over seeds, the baselines beside it, and where it was trained."""

import math
from typing import Any, NamedTuple

from aejax.methods.zoo import is_ranked
from aejax.report.findings import tested_on
from aejax.statistics import CONFIDENCE
from aejax.store.contents import read_study
from aejax.store.directory import StudyDirectory
from aejax.store.files import exists
from aejax.store.record import Record
from aejax.store.results import Row, Setting, settings


class Standing(NamedTuple):
    """The results of a member, in its study."""

    record: Record
    row: Row  # Its own.
    setting: Setting  # It and its other seeds.
    beside: list[Setting]  # What its study compares it with: the baselines on the same images.

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON: means with their 95 % intervals over seeds, null where there is none."""
        return {
            "study": self.record.name,
            "question": self.record.question,
            "confidence": CONFIDENCE,
            "member": {name: self.row[name] for name in ("method", "id", "status", "cost")}
            | {"metrics": {name: _number(value) for name, value in self.row["metrics"].items()}},
            "setting": _to_json(self.setting),
            "baselines": [_to_json(one) for one in self.beside],
        }


def find_standing(trained: Any) -> Standing | None:
    """What the study says that a model was opened from; None if it was opened from none, or nothing was measured.

    Raises:
      UserError: if the study is damaged.
    """
    if trained.study is None or not exists(StudyDirectory(trained.study).record):
        return None
    saved = read_study(StudyDirectory(trained.study))
    groups = settings(saved.rows)
    for setting in groups:
        for row in setting.rows:
            if (row["method"], row["id"]) == (trained.method, trained.id) and row["metrics"]:
                return Standing(saved.record, row, setting, [one for one in groups if _stands_beside(one, setting)])
    return None


def _stands_beside(other: Setting, own: Setting) -> bool:
    """Whether a setting is a baseline, on the same images and with the same values of the fields that both have."""
    alike = all(own.fields.get(name, value) == value for name, value in other.fields.items())
    return not is_ranked(other.method) and alike and tested_on(other) == tested_on(own)


def _to_json(setting: Setting) -> dict[str, Any]:
    names = dict.fromkeys(name for row in setting.rows for name in row["metrics"])
    seeds = [row["config"]["seed"] for row in setting.rows] if setting.seeded else None
    metrics = {name: _interval(setting, name) for name in names}
    return {"method": setting.method, "name": setting.name, "seeds": seeds, "metrics": metrics}


def _interval(setting: Setting, name: str) -> dict[str, Any]:
    interval = setting.interval(name)
    if interval is None:  # All diverged.
        return {"mean": None, "low": None, "high": None, "n": 0}
    mean, half, num = interval
    return {"mean": _number(mean), "low": _number(mean - half), "high": _number(mean + half), "n": num}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
