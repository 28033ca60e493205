"""What every section of a report is made from: one study, or several beside each other."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from aejax.measures.base import Metric
from aejax.methods.roles import Role
from aejax.methods.zoo import is_ranked
from aejax.report.findings import LABELS, Finding, choose, findings, rank, tested_on
from aejax.report.glance import summary
from aejax.report.html import Html
from aejax.store.contents import Curves, Pictures, SavedPopulation, SavedStudy
from aejax.store.explanations import Explanation
from aejax.store.results import Row, Setting, settings


class Section(NamedTuple):
    """A part of the page: a word for links to it, its title, and what it shows.

    `text` is Markdown for results.md, of what its table of settings does not say.
    """

    name: str
    title: str
    body: Html
    text: str = ""


@dataclasses.dataclass(frozen=True)
class Content:
    """One study, or several: their rows together, and what lies beside them."""

    studies: dict[str, SavedStudy]  # By name.
    rows: list[Row]
    settings: list[Setting]
    findings: list[Finding]

    @property
    def title(self) -> str:
        """The names of the studies."""
        return ", ".join(self.studies)

    @property
    def populations(self) -> list[tuple[str, SavedPopulation]]:
        """The name of its study and every population that was begun."""
        return [(name, population) for name, study in self.studies.items() for population in study.populations]

    @functools.cached_property
    def answer(self) -> str:
        """The study's answer in one sentence: empty where there are no results on test images."""
        return summary(self.findings, self.settings, self._objective)

    @property
    def _objective(self) -> str | None:
        """The full name of the measure that a search ranked settings by."""
        searches = [one.record.search for one in self.studies.values()]
        searches += [one.search.record.search for one in self.studies.values() if one.search]
        return next((search["method"]["objective"] for search in searches if search), None)

    def subjects(self) -> list[Setting]:
        """Returns the autoencoder's settings, the one that validation chooses first, and so on by its first metric."""
        own = [setting for setting in self.settings if Role.SUBJECT in setting.role]
        first = next((finding.metric for finding in self.findings if Role.SUBJECT in finding.best.role), None)
        return own if first is None else rank(first, own)

    def beside_baselines(self, metric: Metric, most: int) -> list[Setting]:
        """Returns the settings that validation ranks first by a metric, and of every other method the best.

        Those that are tested on other images, or know another number of labels, are ranked by themselves.
        """
        methods: dict[tuple[Any, ...], list[Setting]] = {}
        for setting in self.settings:
            if setting.mean(metric.validation) is not None:
                known = setting.rows[0]["config"].get(LABELS) if Role.CLASSIFIER in setting.role else None
                methods.setdefault((setting.study, tested_on(setting), setting.method, known), []).append(setting)
        shown: list[Setting] = []
        for (_, _, method, _), group in methods.items():
            shown += rank(metric, group)[:most] if is_ranked(method) else [choose(metric, group)]
        return shown

    def explanations(self) -> list[tuple[str, Explanation]]:
        """The explanations of members, and the name of each."""
        several = len(self.studies) > 1
        return [
            (f"{name}: {one.title}" if several else one.title, one)
            for name, study in self.studies.items()
            for one in study.explanations
        ]

    def curves(self, setting: Setting) -> Curves:
        """Returns the curves of a setting's members that did not diverge, by their id."""
        ids = {row["id"] for row in setting.rows if row["status"] != "diverged"}
        found: Curves = {}
        for population in self._of(setting):
            found |= {key: curves for key, curves in population.curves.items() if key in ids}
        return found

    def pictures(self, setting: Setting) -> Pictures:
        """Returns the pictures of a member of a setting, without the axis of members; none if it has none."""
        ids = {row["id"] for row in setting.rows}
        for population in self._of(setting):
            for index, key in enumerate(population.pictures.get("id", ())):
                if key in ids:
                    return {
                        part: values if part == "image" else values[index]
                        for part, values in population.pictures.items()
                        if part != "id"
                    }
        return {}

    def _of(self, setting: Setting) -> list[SavedPopulation]:
        """Returns the populations that members of a setting belong to."""
        found = (self._by_member.get((setting.study, setting.method, row["id"])) for row in setting.rows)
        return list({id(population): population for population in found if population is not None}.values())

    @functools.cached_property
    def _by_member(self) -> dict[tuple[str, str, str], SavedPopulation]:
        several = len(self.studies) > 1
        return {
            (name if several else "", population.status.method, member): population
            for name, population in self.populations
            for member in population.status.members
        }


def gather(studies: Sequence[SavedStudy]) -> Content:
    """Returns the content of a report; studies of the same name are told apart by numbers."""
    named: dict[str, SavedStudy] = {}
    for study in studies:
        name, number = study.record.name, 2
        while name in named:
            name, number = f"{study.record.name} ({number})", number + 1
        named[name] = study
    if len(studies) == 1:
        rows = studies[0].rows
    else:
        rows = [row | {"study": name} for name, study in named.items() for row in study.rows]
    groups = settings(rows)
    return Content(named, rows, groups, findings(groups))
