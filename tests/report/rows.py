"""What the tests of sections share: rows as their results.json would hold them, and what a section's tables say."""

import re

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
