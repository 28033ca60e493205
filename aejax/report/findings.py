"""What a study's numbers say: the setting that validation chooses, and what the test split says of it beside others."""

from collections.abc import Sequence
from typing import NamedTuple

from aejax.report.measures import MEASURES, Measure
from aejax.study.results import Setting
from aejax.study.statistics import Interval, paired_difference

UNDECIDED = "undecided"
SUBJECT = "autoencoder"  # The method a study is about; all others stand beside it.


class Comparison(NamedTuple):
    """A setting beside another: the difference of a test metric over their common seeds."""

    other: Setting
    difference: Interval
    verdict: str  # "better", "worse", or `UNDECIDED`.


class Finding(NamedTuple):
    """What the study says by one measure."""

    measure: Measure
    best: Setting  # Of the autoencoder's settings, the one that validation chooses.
    comparisons: list[Comparison]  # With the best setting of every other method, likewise chosen.
    num_settings: int
    num_worse: int  # Of the autoencoder's other settings, how many are shown to be worse.

    def sentence(self) -> str:
        """Returns the finding as a person would say it."""
        interval = self.best.interval(self.measure.test)
        unit = " %" if self.measure.unit == "%" else ""
        several = self.num_settings > 1
        chosen = f", chosen by validation among {self.num_settings} settings," if several else ""
        rest = f" ({self.num_worse} of the {self.num_settings - 1} others are shown to be worse)" if several else ""
        text = (
            f"{self.measure.title}: {self.best.name}{chosen} reaches {self.measure.show(interval)}{unit} on the test "
            f"images{rest}, n = {interval.num if interval else 0}."
        )
        for verdict, lead in (("better", "Better than"), ("worse", "Worse than"), (UNDECIDED, "Undecided against")):
            others = [
                f"{comparison.other.name} ({_signed(self.measure, comparison.difference)})"
                for comparison in self.comparisons
                if comparison.verdict == verdict
            ]
            text += f" {lead} {'; '.join(others)}." if others else ""
        return text


def findings(settings: Sequence[Setting]) -> list[Finding]:
    """Returns a finding for every measure that the study's autoencoders have.

    A difference counts as shown where its interval excludes zero: paired over common seeds, widened so that all of a
    finding's comparisons hold together.
    """
    found = []
    for measure in MEASURES:
        methods: dict[str, list[Setting]] = {}
        for setting in settings:
            if setting.interval(measure.test) and setting.interval(measure.validation):
                methods.setdefault(setting.method, []).append(setting)
        own = methods.pop(SUBJECT, [])
        if not own:
            continue
        best = choose(measure, own)
        comparisons = [
            comparison
            for others in methods.values()
            if (comparison := compare(measure, best, choose(measure, others), len(methods))) is not None
        ]
        rest = [setting for setting in own if setting is not best]
        verdicts = [compare(measure, best, other, len(rest)) for other in rest]
        worse = sum(verdict is not None and verdict.verdict == "better" for verdict in verdicts)
        found.append(Finding(measure, best, comparisons, len(own), worse))
    return found


def choose(measure: Measure, settings: Sequence[Setting]) -> Setting:
    """Returns the setting with the best mean on validation."""

    def key(setting: Setting) -> float:
        interval = setting.interval(measure.validation)
        assert interval is not None
        return -interval.mean if measure.higher_is_better else interval.mean

    return min(settings, key=key)


def compare(measure: Measure, setting: Setting, other: Setting, num_comparisons: int) -> Comparison | None:
    """Returns a setting beside another by a test metric, or None where they have no seed in common."""
    difference = paired_difference(setting.values(measure.test), other.values(measure.test), num_comparisons)
    if difference is None:
        return None
    if not difference.excludes_zero:
        return Comparison(other, difference, UNDECIDED)
    return Comparison(other, difference, "better" if measure.better(difference.mean, 0) else "worse")


def _signed(measure: Measure, difference: Interval) -> str:
    text = measure.show(difference)
    return text if text.startswith("-") else f"+{text}"
