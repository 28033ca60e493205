"""A study's answer at a glance: one sentence, and the chosen setting beside every baseline by every measure."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from aejax.measures.base import Metric
from aejax.methods.roles import Role
from aejax.methods.zoo import role_of
from aejax.report import majority
from aejax.report.findings import UNDECIDED, Comparison, Finding, choose, compare, rank, signed, tested_on
from aejax.report.label_curves import label_curves
from aejax.statistics import Interval
from aejax.store.results import Setting


class Headline(NamedTuple):
    """A study's answer by its main measure."""

    finding: Finding
    rival: Comparison | None  # With the strongest baseline, or where there is none with the next setting.
    num_others: int = 0  # Of other sets of test images that the study has results on.

    @property
    def sentence(self) -> str:
        """The answer in a sentence: what leads, by how much over what, and how sure that is."""
        sets = f"{self.num_others} further set{'s' if self.num_others > 1 else ''}"
        others = f" On other test images ({sets}) see below." if self.num_others else ""
        return f"{self._of_one()}.{others}"

    def _of_one(self) -> str:
        metric, best, rival = self.finding.metric, self.finding.best, self.rival
        chosen = ""
        if self.finding.num_settings > 1:
            worse = f"{self.finding.num_worse or 'none'} shown to be worse"
            chosen = f", chosen among {self.finding.num_settings} settings ({worse}),"
        reached = with_unit(metric, metric.show(best.interval(metric.test)))
        if constant := majority.shown(metric, best):
            reached += f" ({majority.MAJORITY}: {with_unit(metric, constant)})"
        text = f"By {metric.title}, {best.name}{chosen} reaches {reached}"
        if rival is None:
            interval = best.interval(metric.test)
            return f"{text} (n = {interval.num if interval else 0})"
        is_baseline = rival.other.method != best.method
        other = f"the {'strongest baseline' if is_baseline else 'next setting'}, {rival.other.name}"
        if rival.verdict == UNDECIDED:
            return f"{text}; undecided against {other} (difference {_difference(metric, rival.difference)})"
        size = rival.difference._replace(mean=abs(rival.difference.mean))
        amount = _points(metric, metric.show(size))
        return f"{text}, {amount} {rival.verdict} than {other} (n = {rival.difference.num})"


class MatrixRow(NamedTuple):
    """A measure: its finding, and for each column of the matrix the comparison, or None where there is none."""

    finding: Finding
    cells: list[Comparison | None]

    @property
    def best(self) -> Setting:
        """The setting that validation chooses."""
        return self.finding.best

    @property
    def value(self) -> str:
        """The chosen setting's mean with its interval."""
        return self.finding.metric.show(self.finding.best.interval(self.finding.metric.test))


class Matrix(NamedTuple):
    """Measures x baselines: how the setting that validation chooses stands beside the best of every other method."""

    columns: list[str]
    rows: list[MatrixRow]


def headline(findings: Sequence[Finding], settings: Sequence[Setting], main: str | None = None) -> Headline | None:
    """Returns the answer by the main measure; None where there are no findings.

    Args:
      findings: those of the study; where there are several by the main measure, the first that are tested alike count.
      settings: all of the study's.
      main: the full name of the measure that settings were searched by; None: the first that there is.
    """
    own = [finding for finding in findings if finding.metric.validation == main] or list(findings)
    if not own:
        return None
    own = [finding for finding in own if finding.metric == own[0].metric]
    sets = {tested_on(finding.best) for finding in own}
    own = [finding for finding in own if finding.comparable == own[0].comparable]
    best = choose(own[0].metric, [finding.best for finding in own])
    finding = next(finding for finding in own if finding.best is best)
    return Headline(finding, _strongest(finding) or _next_setting(finding, settings), len(sets) - 1)


def _strongest(finding: Finding) -> Comparison | None:
    """Returns the comparison with the baseline that validation ranks first; references are no baselines."""
    baselines = [one for one in finding.comparisons if Role.REFERENCE not in role_of(one.other.method)]
    if not baselines:
        return None
    strongest = choose(finding.metric, [one.other for one in baselines])
    return next(one for one in baselines if one.other is strongest)


def _next_setting(finding: Finding, settings: Sequence[Setting]) -> Comparison | None:
    metric, best = finding.metric, finding.best
    alike = [s for s in settings if (s.study, s.method) == (best.study, best.method) and s.interval(metric.test)]
    others = [s for s in rank(metric, alike) if s is not best and finding.is_comparable(s)]
    # One of the comparisons by which settings are shown to be worse: the two must not contradict each other.
    return compare(metric, best, others[0], finding.num_settings - 1) if others else None


def summary(findings: Sequence[Finding], settings: Sequence[Setting], main: str | None = None) -> str:
    """Returns a study's answer in one sentence; empty where it has no results on test images."""
    answer = headline(findings, settings, main)
    # A study of labels asks what pre-training is worth; its settings have nothing beside them.
    curves = [sentence for one in label_curves(settings) if (sentence := one.sentence())]
    if curves and not any(finding.comparisons for finding in findings):
        return curves[0]
    return answer.sentence if answer else ""


def matrix(findings: Sequence[Finding]) -> Matrix:
    """Returns how every finding's setting stands beside the baselines."""
    names = [[_column(finding, comparison) for comparison in finding.comparisons] for finding in findings]
    columns = list(dict.fromkeys(name for own in names for name in own))
    rows = []
    for finding, own in zip(findings, names, strict=True):
        by_column = dict(zip(own, finding.comparisons, strict=True))
        rows.append(MatrixRow(finding, [by_column.get(column) for column in columns]))
    return Matrix(columns, rows)


def _column(finding: Finding, comparison: Comparison) -> str:
    """Returns the column of a comparison: a method, or of several studies the other study."""
    other = comparison.other
    return other.method if other.study == finding.best.study else f"{other.study} · {other.method}"


def with_unit(metric: Metric, text: str) -> str:
    """Returns a number as a person wrote it with the metric's unit."""
    return f"{text} {metric.unit}".strip()


def _points(metric: Metric, text: str) -> str:
    return f"{text} points" if metric.unit == "%" else with_unit(metric, text)


def _difference(metric: Metric, difference: Interval) -> str:
    """Returns a difference with its unit and number of seeds."""
    text = _points(metric, signed(metric, difference).removesuffix(" (no interval)"))
    return f"{text}, n = {difference.num}{' and no interval' if math.isnan(difference.half_width) else ''}"
