"""The majority class as a baseline: what is reached by naming the most frequent class for every image."""

import json
from collections.abc import Sequence

from aejax.measures.base import Metric, three_digits
from aejax.measures.zoo import all_metrics
from aejax.store.results import Setting

MAJORITY = "majority class"


def reached(metric: Metric, setting: Setting) -> float | None:
    """The accuracy of the majority class by a metric, on the test images of a setting; None if it is no accuracy.

    It is None of results of an earlier version, too, which did not write it.
    """
    majority: dict[str, float] = setting.rows[0]["data"].get("majority", {})
    return majority.get(f"test_{metric.constant}")


def shown(metric: Metric, setting: Setting) -> str:
    """Returns the same as a person reads it, empty where it is None."""
    value = reached(metric, setting)
    return "" if value is None else three_digits(metric.value(value))


def baselines(groups: Sequence[Setting]) -> list[Setting]:
    """Returns a setting for the majority class of each data set, with the accuracies that the others have there.

    No method of a study has it: it needs no features and is not trained. So tables show it, and no results hold it.
    """
    alike: dict[str, list[Setting]] = {}
    for group in groups:
        data = group.rows[0]["data"]
        alike.setdefault(json.dumps([group.study, data["name"], data.get("majority", {})]), []).append(group)
    return [found for own in alike.values() if (found := _baseline(own)) is not None]


def _baseline(groups: Sequence[Setting]) -> Setting | None:
    """Returns the setting of the majority class beside settings that are tested alike; None: none has an accuracy."""
    first = groups[0]
    data = first.rows[0]["data"]
    metrics = {
        f"{split}_{metric.name}": data["majority"][constant]
        for metric in all_metrics()
        for split in ("validation", "test")
        if (constant := f"{split}_{metric.constant}") in data.get("majority", {})
        and any(group.mean(f"{split}_{metric.name}") is not None for group in groups)
    }
    row = {"method": MAJORITY, "config": {}, "metrics": metrics, "status": "finished", "cost": {}, "data": data}
    shared = {
        path: value
        for path, value in first.fields.items()
        if path.startswith("data.") and all(group.fields.get(path) == value for group in groups)
    }
    return Setting(MAJORITY, shared, [row], first.study) if metrics else None
