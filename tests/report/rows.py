"""What the tests of sections share: rows as their results.json would hold them, and what tables and charts say."""

import json
import re
from html import unescape
from typing import Any, NamedTuple

from aejax.report.content import Content
from aejax.report.findings import findings
from aejax.store.results import settings

DATA = {"name": "toy", "fingerprint": "f", "num_classes": 3, "train": 10, "validation": 5, "test": 7}


def make_row(method="autoencoder", seed=0, config=(), status="finished", cost=(), **metrics):
    seeded = {} if method == "pixels" else {"seed": seed, "autoencoder.kind": "plain"}
    config = {"data.name": "toy"} | seeded | dict(config)
    return {
        "method": method,
        "id": f"{method}{config}",
        "config": config,
        "metrics": metrics,
        "status": status,
        "cost": dict(cost),
        "data": DATA,
    }


def make_content(rows):
    groups = settings(rows)
    return Content({}, rows, groups, findings(groups))


def cells(section):
    """The rows of a section's tables, heading included."""
    rows = re.findall(r"<tr>(.*?)</tr>", section.body)
    return [re.findall(r"<t[hd][^>]*>([^<]*)<", row) for row in rows]


class ShownChart(NamedTuple):
    """A chart as the page has it: its title, the points of all its layers, and its specification."""

    title: str
    points: list[dict[str, Any]]
    spec: dict[str, Any]

    def of(self, series):
        """The points of a series."""
        return [point for point in self.points if point["series"] == series]


def charts(body):
    """The charts of a part of a page, whose data are put together as assets/charts.js does it."""
    shown = []
    for group in re.findall(r'<div class="charts[^"]*"><script.*?(?=<div class="charts|$)', body, re.DOTALL):
        content = json.loads(re.search(r"<script[^>]*>(.*?)</script>", group)[1])
        titles = map(unescape, re.findall(r'<figcaption>([^<]*)</figcaption><div class="chart"', group))
        columns = [[c["words"][i] for i in c["at"]] if isinstance(c, dict) else c for c in content["columns"]]
        for title, chart in zip(titles, content["charts"], strict=True):
            points = []
            for table in chart["tables"].values():
                rows = zip(*(columns[index] for index in table.values()), strict=True)
                points += [{n: v for n, v in zip(table, row, strict=True) if v is not None} for row in rows]
            shown.append(ShownChart(title, points, chart["spec"]))
    return shown
