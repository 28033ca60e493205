"""How much of what members differ in is due to their family, to the numbers set for it, and to the seed."""

import json
import math
from collections.abc import Sequence

from aejax.measures.base import Metric
from aejax.measures.zoo import all_metrics
from aejax.methods.roles import Role
from aejax.report.content import Content, Section
from aejax.report.fields import numeric, varied
from aejax.report.findings import comparable
from aejax.report.html import join, note, table
from aejax.report.tables import Table, to_aligned
from aejax.statistics import IntervalEstimate, VarianceShares, variance_shares
from aejax.store.results import Setting

_NOTE = (
    "Test images. Of all members' values of a measure, which share of the variance (%) lies between families, which "
    "between the settings of a family, and which between the seeds of a setting: nested analysis of variance, each "
    "share corrected for what seeds alone would give it, in brackets its 95 % interval (bootstrap over seeds). "
    "Settings of a family differ in fields that are numbers, families in other fields. Families of one setting are "
    "left out, and so are seeds that some setting lacks. The shares are about these families and numbers: wider "
    "ranges of numbers would have a greater share."
)


def variance(content: Content) -> Section | None:
    """Returns for each measure the shares of its variance, if several families have several settings each."""
    found = _table(content)
    if found is None:
        return None
    body = join(note(_NOTE), table(found.heading, found.rows, class_="sortable"))
    title = "What differences are due to"
    return Section("variance", title, body, f"{_NOTE}\n\n{to_aligned(found)}")


def _table(content: Content) -> Table | None:
    if len(content.studies) > 1:
        return None
    own = [setting for setting in content.settings if Role.SUBJECT in setting.role]
    rows = []
    for metric in all_metrics():
        groups = families([setting for setting in own if setting.interval(metric.test) is not None])
        alike = {comparable(metric, setting) for group in groups for setting in group}
        seeds = common_seeds(metric, groups)
        if len(alike) != 1 or not seeds:
            continue
        values = [[[setting.values(metric.test)[seed] for seed in seeds] for setting in group] for group in groups]
        shares = variance_shares(values)
        if shares is not None:
            rows.append([metric.title, *_cells(shares), *map(str, (len(groups), sum(map(len, groups)), len(seeds)))])
    heading = ["measure", "family %", "numbers %", "seed %", "families", "settings", "seeds"]
    return Table(heading, rows) if rows else None


def families(settings: Sequence[Setting]) -> list[list[Setting]]:
    """Returns the settings that differ in numbers alone, family by family; families of one setting are left out."""
    choices = [field for field in varied(settings) if not numeric(field, settings)]
    groups: dict[str, list[Setting]] = {}
    for setting in settings:
        groups.setdefault(json.dumps([setting.fields.get(field) for field in choices]), []).append(setting)
    return [group for group in groups.values() if len(group) > 1]


def common_seeds(metric: Metric, groups: Sequence[Sequence[Setting]]) -> list[int]:
    """Returns the seeds for which a metric on test images is finite in every setting."""
    known = [
        {seed for seed, value in setting.values(metric.test).items() if math.isfinite(value)}
        for group in groups
        for setting in group
    ]
    return sorted(set.intersection(*known)) if known else []


def _cells(shares: VarianceShares) -> list[str]:
    def percent(share: IntervalEstimate) -> str:
        return f"{100 * share.estimate:.0f} [{100 * share.low:.0f}, {100 * share.high:.0f}]"

    return [percent(share) for share in shares]
