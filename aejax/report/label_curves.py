"""Accuracy against the number of labels: what a pre-trained encoder is worth beside the same network from scratch."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from aejax.report.findings import SUBJECT, Comparison, choose, compare, signed, tested_on
from aejax.report.measures import MEASURES, Measure
from aejax.study.results import Setting

LABELS = "fine_tuning.labels_per_class"
PRETRAINED, SCRATCH = "fine_tuned", "supervised"
ACCURACY = next(measure for measure in MEASURES if measure.name == "accuracy")


class Curve(NamedTuple):
    """A method's accuracy: by the number of labels of each class the measure, and the setting that validation chose."""

    name: str
    points: dict[float, tuple[Measure, Setting]]


class LabelCurves(NamedTuple):
    """The curves of settings that are tested on the same images, by the same kind of classifier."""

    title: str
    curves: list[Curve]
    differences: dict[float, Comparison]  # Of pre-trained and from scratch, by the number of labels of each class.

    def sentence(self) -> str:
        """Returns where pre-training is shown to win, and where it is not; nothing where there is no such pair."""
        text = ""
        for verdict, lead in (
            ("better", "better than from scratch with"),
            ("undecided", "undecided with"),
            ("worse", "worse with"),
        ):
            found = [
                f"{_count(num)} ({signed(ACCURACY, difference)})"
                for num, (_, difference, own) in self.differences.items()
                if own == verdict
            ]
            if found:
                text += f"{', ' if text else ''}{lead} {', '.join(found)} labels a class"
        num = next((difference.num for _, difference, _ in self.differences.values()), 0)
        return f"{self.title}: pre-trained is {text}; paired differences in points, n = {num}." if text else ""


def label_curves(settings: Sequence[Setting]) -> list[LabelCurves]:
    """Returns the curves of fine-tuned and supervised networks, and of the probe with few labels, study by study."""
    groups: dict[tuple[str, str], list[Setting]] = {}
    for setting in settings:
        groups.setdefault((setting.study, tested_on(setting)), []).append(setting)
    found: list[LabelCurves] = []
    for (study, _), group in groups.items():
        for title, curves in (
            (ACCURACY.title, [_own(group, method) for method in (PRETRAINED, SCRATCH)]),
            ("linear probe", [_probe(group, method) for method in dict.fromkeys(s.method for s in group)]),
        ):
            curves = [curve for curve in curves if curve.points]
            if len({num for curve in curves for num in curve.points}) > 1:
                found.append(LabelCurves(f"{study} {title}".strip(), curves, _differences(curves)))
    return found


def _own(settings: Sequence[Setting], method: str) -> Curve:
    by_number: dict[float, list[Setting]] = {}
    for setting in settings:
        if setting.method == method and LABELS in setting.rows[0]["config"] and setting.interval(ACCURACY.test):
            row = setting.rows[0]
            number = row["config"][LABELS] or row["data"]["train"] / row["data"]["num_classes"]
            by_number.setdefault(number, []).append(setting)
    return Curve(method, {num: (ACCURACY, choose(ACCURACY, by_number[num])) for num in sorted(by_number)})


def _probe(settings: Sequence[Setting], method: str) -> Curve:
    own = [setting for setting in settings if setting.method == method]
    points = {}
    for measure in MEASURES:
        number = re.fullmatch(r"few_labels_(\d+)_accuracy", measure.name)
        known = [setting for setting in own if setting.interval(measure.test)]
        # Networks that were trained by labels have seen all of them.
        if number and known and method not in (PRETRAINED, SCRATCH):
            best = choose(measure, known)
            points[float(number[1])] = (measure, best)
    label = f"{SUBJECT} (the best)" if method == SUBJECT and len(own) > 1 else method
    return Curve(label, points)


def _differences(curves: Sequence[Curve]) -> dict[float, Comparison]:
    named = {curve.name: curve.points for curve in curves}
    if not {PRETRAINED, SCRATCH} <= set(named):
        return {}
    both = [num for num in named[PRETRAINED] if num in named[SCRATCH]]
    compared = {num: compare(ACCURACY, named[PRETRAINED][num][1], named[SCRATCH][num][1], len(both)) for num in both}
    return {num: comparison for num, comparison in compared.items() if comparison is not None}


def _count(num: float) -> str:
    return f"{num:,.0f}"
