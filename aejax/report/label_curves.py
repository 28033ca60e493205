"""Accuracy against the number of labels: what a pre-trained encoder is worth beside the same network from scratch."""

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from aejax.measures.base import Metric
from aejax.measures.few_labels import FEW_LABELS
from aejax.measures.zoo import find_metric
from aejax.methods.roles import Role
from aejax.methods.zoo import role_of
from aejax.report.findings import LABELS, Comparison, choose, compare, signed, tested_on
from aejax.store.results import Setting, show_value

MAX_CURVES = 5  # Of autoencoders, in one chart.
ACCURACY = find_metric("accuracy")


class Curve(NamedTuple):
    """A method's accuracy: by the number of labels of each class the metric, and the setting that validation chose."""

    name: str
    points: dict[float, tuple[Metric, Setting]]


class LabelCurves(NamedTuple):
    """The curves of settings that are tested on the same images, by the same kind of classifier."""

    title: str
    curves: list[Curve]
    differences: dict[float, Comparison]  # Of pre-trained and from scratch, by the number of labels of each class.
    num_settings: tuple[int, ...] = ()  # Of each curve, among how many settings validation chooses at a number at most.

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
        chosen = f", the best of at most {' and '.join(map(str, self.num_settings))} settings each by validation"
        chosen = chosen if max(self.num_settings, default=1) > 1 else ""
        return f"{self.title}: pre-trained is {text}; paired differences in points, n = {num}{chosen}." if text else ""


def label_curves(settings: Sequence[Setting]) -> list[LabelCurves]:
    """Returns the curves of fine-tuned and supervised networks, and of the probe with few labels, study by study."""
    groups: dict[tuple[str, str], list[Setting]] = {}
    for setting in settings:
        groups.setdefault((setting.study, tested_on(setting)), []).append(setting)
    found: list[LabelCurves] = []
    for (study, _), group in groups.items():
        networks: dict[str, list[Setting]] = {}
        for setting in group:
            if Role.CLASSIFIER in setting.role:
                networks.setdefault(_network(setting), []).append(setting)
        for own in networks.values():
            methods = sorted(
                dict.fromkeys(setting.method for setting in own), key=lambda name: Role.PRETRAINED not in role_of(name)
            )
            by_number = [_by_number(own, method) for method in methods]
            curves = [Curve(method, _best(numbers)) for method, numbers in zip(methods, by_number, strict=True)]
            title = f"{ACCURACY.title} of {_label(own[0])}" if len(networks) > 1 else ACCURACY.title
            counts = tuple(max(map(len, numbers.values()), default=0) for numbers in by_number)
            found.append(LabelCurves(f"{study} {title}".strip(), curves, _differences(curves), counts))
        curves = [
            curve for method in dict.fromkeys(setting.method for setting in group) for curve in _probes(group, method)
        ]
        found.append(LabelCurves(f"{study} linear probe".strip(), curves, {}))
    drawn = [one._replace(curves=[curve for curve in one.curves if curve.points]) for one in found]
    return [one for one in drawn if len({num for curve in one.curves for num in curve.points}) > 1]


def _network(setting: Setting) -> str:
    """Returns a text that settings with the same autoencoder share: these have the same encoder."""
    config = setting.rows[0]["config"]
    return json.dumps({path: value for path, value in config.items() if path.startswith("autoencoder.")})


def _label(setting: Setting) -> str:
    fields = {path: value for path, value in setting.fields.items() if path.startswith("autoencoder.")}
    return " · ".join(f"{path.removeprefix('autoencoder.')} {show_value(value)}" for path, value in fields.items())


def _by_number(settings: Sequence[Setting], method: str) -> dict[float, list[Setting]]:
    by_number: dict[float, list[Setting]] = {}
    for setting in settings:
        known = setting.interval(ACCURACY.test) and setting.interval(ACCURACY.validation)
        if setting.method == method and LABELS in setting.rows[0]["config"] and known:
            row = setting.rows[0]
            number = row["config"][LABELS] or row["data"]["train"] / row["data"]["num_classes"]
            by_number.setdefault(number, []).append(setting)
    return by_number


def _best(by_number: dict[float, list[Setting]]) -> dict[float, tuple[Metric, Setting]]:
    return {num: (ACCURACY, choose(ACCURACY, by_number[num])) for num in sorted(by_number)}


def _probes(settings: Sequence[Setting], method: str) -> list[Curve]:
    """Returns a curve for each of a few autoencoders; of other methods, and of many, one of the best."""
    own = [setting for setting in settings if setting.method == method]
    if Role.CLASSIFIER in role_of(method):  # They have seen all labels.
        return []
    if Role.SUBJECT not in role_of(method) or not 1 < len(own) <= MAX_CURVES:
        return [Curve(method, _probed(own))]
    return [Curve(setting.label or method, _probed([setting])) for setting in own]


def _probed(settings: Sequence[Setting]) -> dict[float, tuple[Metric, Setting]]:
    points = {}
    for metric in FEW_LABELS.metrics:
        number = re.fullmatch(r"few_labels_(\d+)_accuracy", metric.name)
        known = [one for one in settings if one.interval(metric.test) and one.interval(metric.validation)]
        if number and known:
            points[float(number[1])] = (metric, choose(metric, known))
    return points


def _differences(curves: Sequence[Curve]) -> dict[float, Comparison]:
    pretrained = [curve.points for curve in curves if Role.PRETRAINED in role_of(curve.name)]
    scratch = [curve.points for curve in curves if Role.BASELINE in role_of(curve.name)]
    if not pretrained or not scratch:
        return {}
    both = [num for num in pretrained[0] if num in scratch[0]]
    compared = {num: compare(ACCURACY, pretrained[0][num][1], scratch[0][num][1], len(both)) for num in both}
    return {num: comparison for num, comparison in compared.items() if comparison is not None}


def _count(num: float) -> str:
    return f"{num:,.0f}"
