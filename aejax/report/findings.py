"""What a study's numbers say: the setting that validation chooses, and what the test split says of it beside others."""

import json
import math
from collections.abc import Sequence
from typing import NamedTuple

from aejax.measures.base import Metric
from aejax.measures.reconstruction import CLASSIFICATION
from aejax.measures.zoo import all_metrics
from aejax.methods.roles import Role
from aejax.methods.zoo import is_ranked
from aejax.statistics import Interval, paired_difference
from aejax.store.results import Setting

UNDECIDED = "undecided"
LABELS = "fine_tuning.labels_per_class"  # The field that says by how many labels a classifier is trained.


class Comparison(NamedTuple):
    """A setting beside another: the difference of a test metric over their common seeds."""

    other: Setting
    difference: Interval
    verdict: str  # "better", "worse", or `UNDECIDED`.


class Finding(NamedTuple):
    """What the study says by one metric."""

    metric: Metric
    best: Setting  # Of the subject's settings, the one that validation chooses.
    comparisons: list[Comparison]  # With the best setting of every other method, likewise chosen.
    num_settings: int
    num_worse: int  # Of the subject's other settings, how many are shown to be worse.

    @property
    def comparable(self) -> str:
        """A text that findings share whose numbers may stand beside each other."""
        return comparable(self.metric, self.best)

    def is_comparable(self, setting: Setting) -> bool:
        """Returns whether the numbers of a setting may stand beside the best's."""
        return comparable(self.metric, setting) == self.comparable

    def sentence(self) -> str:
        """Returns the finding as a person would say it."""
        interval = self.best.interval(self.metric.test)
        unit = f" {self.metric.unit}" if self.metric.unit else ""
        several = self.num_settings > 1
        chosen = f", chosen by validation among {self.num_settings} settings," if several else ""
        rest = f" ({self.num_worse} of the {self.num_settings - 1} others are shown to be worse)" if several else ""
        text = (
            f"{self.metric.title}: {self.best.name}{chosen} reaches {self.metric.show(interval)}{unit} on the test "
            f"images{rest}, n = {interval.num if interval else 0}."
        )
        for verdict, lead in (("better", "Better than"), ("worse", "Worse than"), (UNDECIDED, "Undecided against")):
            others = [
                f"{comparison.other.name} ({signed(self.metric, comparison.difference)})"
                for comparison in self.comparisons
                if comparison.verdict == verdict
            ]
            text += f" {lead} {'; '.join(others)}." if others else ""
        return text


def findings(settings: Sequence[Setting]) -> list[Finding]:
    """Returns a finding for every metric of a study's autoencoders or generators; of several studies, one by one.

    What none of these has, the accuracy of a network's own classifier, is asked of the fine-tuned and semi-supervised
    networks; of several numbers of labels `label_curves` says how they stand.

    A difference counts as shown where its interval excludes zero: paired over common seeds, widened so that all of a
    finding's comparisons hold together. Other studies of the same data are compared with like another method. Settings
    that are tested on different images answer different questions: there is a finding for each.
    """
    found = []
    for metric in all_metrics():
        known = [
            setting for setting in settings if setting.interval(metric.test) and setting.interval(metric.validation)
        ]
        groups: dict[tuple[str, str, str], list[Setting]] = {}
        for setting in known:
            groups.setdefault((setting.study, setting.method, comparable(metric, setting)), []).append(setting)
        asked = _asked(metric, known)
        for (study, method, test), own in groups.items():
            if (study, method) not in asked:
                continue
            best = choose(metric, own)
            beside: dict[tuple[str, str], list[Setting]] = {}
            for (other, name, its_test), group in groups.items():
                is_asked = (other, name) in asked
                if (other == study and not is_asked and its_test == test) or (
                    other != study and is_asked and _same_data(metric, group[0], best)
                ):
                    beside.setdefault((other, name), []).extend(group)
            compared = [compare(metric, best, choose(metric, group), len(beside)) for group in beside.values()]
            rest = [setting for setting in own if setting is not best]
            verdicts = [compare(metric, best, other, len(rest)) for other in rest]
            worse = sum(verdict is not None and verdict.verdict == "better" for verdict in verdicts)
            comparisons = [comparison for comparison in compared if comparison is not None]
            found.append(Finding(metric, best, comparisons, len(own), worse))
    return found


def _asked(metric: Metric, known: Sequence[Setting]) -> set[tuple[str, str]]:
    """Returns the studies and methods that findings by a metric are about; the others stand beside them."""
    ranked = {(setting.study, setting.method) for setting in known if is_ranked(setting.method)}
    if ranked:
        return ranked
    numbers: dict[str, set[str]] = {}
    for setting in known:
        numbers.setdefault(setting.study, set()).add(_meaning(metric, setting))
    # Baselines are trained by labels alone; of the other classifiers a study asks what images without labels add.
    return {
        (setting.study, setting.method)
        for setting in known
        if setting.role & (Role.CLASSIFIER | Role.BASELINE) == Role.CLASSIFIER and len(numbers[setting.study]) == 1
    }


_TEST = (
    "data.name",
    "data.classes",
    "data.test_size",
    "data.maximum",
    "data.binarization",
    "evaluation.outliers",
    "evaluation.transfer",
)
_PREFIXES = tuple(f"{path}." for path in _TEST)


def tested_on(setting: Setting) -> str:
    """Returns a text that settings share which are tested on the same images; what they train on may differ."""
    config = setting.rows[0]["config"]
    # A field that is null says as much as one that an earlier version did not know.
    known = {path: value for path, value in config.items() if value is not None}
    tested = {path: known[path] for path in known if f"{path}.".startswith(_PREFIXES)}
    if tested.get("data.binarization") == "dynamic":
        tested["data.binarization"] = "fixed"  # Only training images are drawn anew.
    return json.dumps(tested, sort_keys=True)


def comparable(metric: Metric, setting: Setting) -> str:
    """Returns a text that settings share whose numbers may stand beside each other."""
    return tested_on(setting) + _meaning(metric, setting)


def _meaning(metric: Metric, setting: Setting) -> str:
    """Returns a text that differs where numbers of a metric mean different things, whatever they are tested on.

    Likelihoods are probabilities of images, or densities; a network's own classifier is given few labels, or many.
    """
    if metric.unit == "nats":
        return f" {setting.interval('test_bits_per_dimension') is not None}"
    return f" {setting.rows[0]['config'].get(LABELS)}" if metric in CLASSIFICATION.metrics else ""


def _same_data(metric: Metric, left: Setting, right: Setting) -> bool:
    """Returns whether settings of two studies may be compared: by the arrays, whatever the studies call these."""
    one, other = (setting.rows[0]["data"] for setting in (left, right))
    uses = [{use: data["fingerprint"] for use, data in of.get("others", {}).items()} for of in (one, other)]
    alike = all(uses[0][use] == uses[1][use] for use in uses[0].keys() & uses[1].keys())
    return one["fingerprint"] == other["fingerprint"] and alike and _meaning(metric, left) == _meaning(metric, right)


def rank(metric: Metric, settings: Sequence[Setting]) -> list[Setting]:
    """Returns the settings that have the metric, the one with the best mean on validation first, NaN last."""
    means = [(setting, mean) for setting in settings if (mean := setting.mean(metric.validation)) is not None]
    sign = -1 if metric.higher_is_better else 1
    return [setting for setting, mean in sorted(means, key=lambda pair: (math.isnan(pair[1]), sign * pair[1]))]


def choose(metric: Metric, settings: Sequence[Setting]) -> Setting:
    """Returns the setting with the best mean on validation."""
    return rank(metric, settings)[0]


def compare(metric: Metric, setting: Setting, other: Setting, num_comparisons: int) -> Comparison | None:
    """Returns a setting beside another by a test metric, or None where they have no seed in common."""
    difference = paired_difference(setting.values(metric.test), other.values(metric.test), num_comparisons)
    if difference is None:
        return None
    if not difference.excludes_zero:
        return Comparison(other, difference, UNDECIDED)
    return Comparison(other, difference, "better" if metric.better(difference.mean, 0) else "worse")


def signed(metric: Metric, difference: Interval) -> str:
    """Returns a difference as a person reads it, its sign in front."""
    text = metric.show(difference)
    return text if text.startswith("-") else f"+{text}"
