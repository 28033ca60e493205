"""docs/families.md, made from the code: what each family minimises, whose it is, its defaults, and what it costs."""

import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from aejax.autoencoders.base import Family
from aejax.autoencoders.zoo import FAMILIES
from aejax.benchmark.suites import SUITES
from aejax.report.speed import relative_time

(CASE,) = SUITES["families"]
_INTRODUCTION = """# Families

Made from the code, and the records of what each costs ([families](../experiments/results/speed/families.json),
[discrete and adversarial ones](../experiments/results/speed/families-generative.json)), by
`scripts/benchmark.py --families`. Losses are in nats for each image; what multiplies, sums and averages is in
[conventions.md](conventions.md). Costs are the time of a training image relative to that of `plain`, at the family's
defaults but with the same 784-256-32-256-784 network where the family allows it, in batches of 100, on one CPU.
"""


def describe_families(records: Sequence[Mapping[str, Any]]) -> str:
    """Returns the page, in Markdown.

    Args:
      records: of `scripts/benchmark.py --suite=families`.
    """
    return "\n".join([_INTRODUCTION, *(_describe(kind, records) for kind in FAMILIES)])


def _describe(kind: str, records: Sequence[Mapping[str, Any]]) -> str:
    config = FAMILIES.config(kind)
    module = inspect.getdoc(sys.modules[config.__module__]) or ""
    own = inspect.getdoc(config) or ""
    first, *rest = own.split("\n\n")
    source = next((part for part in [*rest, *module.split("\n\n")] if "Source:" in part), module.split("\n")[0])
    text = [f"## `{kind}`", _flow(first)]
    if _flow(source) != _flow(first):
        text.append(_flow(source))
    fields = [
        f"`{field.name}={_show(field.default)}`"
        for field in dataclasses.fields(config)
        if field.name != "kind" and not _is_inherited(field)
    ]
    if fields:
        text.append(f"Defaults: {', '.join(fields)}.")
    costs = [cost for record in records if (cost := relative_time(record, CASE, kind)) is not None]
    text.append(f"Cost: {costs[0]:.1f} times `plain`." if costs else "Cost: not measured.")
    return "\n\n".join(text) + "\n"


def _is_inherited(field: dataclasses.Field[Any]) -> bool:
    base = {own.name: own.default for own in dataclasses.fields(Family)}
    return field.name in base and base[field.name] == field.default


def _show(value: Any) -> str:
    if dataclasses.is_dataclass(value):
        return str(getattr(value, "kind", value))
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _flow(text: str) -> str:
    """Returns a paragraph on lines of a page's width."""
    return textwrap.fill(re.sub(r"\s+", " ", text).strip(), 120)
