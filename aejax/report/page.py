"""The report: one HTML file that needs no network. A new section is a function here below, in reading order."""

import importlib.resources
from collections.abc import Callable, Sequence

from aejax.report.content import Content, Section
from aejax.report.embed import is_chart, javascript
from aejax.report.html import Html, element, join
from aejax.report.sections import (
    answer,
    attribution,
    codes,
    disentanglement,
    embeddings,
    explained,
    generation,
    interactions,
    labels,
    layers,
    overfitting,
    pareto,
    paths,
    pictures,
    provenance,
    robustness,
    search,
    similarity,
    sweeps,
    training,
    transfer,
    traversals,
    units,
)

SECTIONS: tuple[Callable[[Content], Section | None], ...] = (
    answer.answer,
    answer.leaderboard,
    answer.beside_baselines,
    answer.many_seeds,
    pareto.quality_against_cost,
    search.search,
    sweeps.effects,
    interactions.interactions,
    codes.codes,
    disentanglement.disentanglement,
    generation.generation,
    labels.labels,
    layers.layers,
    training.curves,
    training.gap,
    overfitting.gaps,
    overfitting.against_features,
    transfer.transfer,
    robustness.robustness,
    pictures.reconstructions,
    pictures.weights,
    explained.explained,
    traversals.traversals,
    traversals.manifold,
    embeddings.embeddings,
    units.units,
    units.dictionary,
    attribution.attribution,
    paths.paths,
    similarity.similarity,
    provenance.failures,
    provenance.cost,
    provenance.environment,
)
STYLES = ("report.css", "explore.css")
_NO_SCRIPTS = "Charts are drawn by JavaScript, which is off here; the tables have the numbers."
SCRIPTS = ("dom.js", "tables.js", "panels.js", "maps.js", "charts.js")


def make_sections(content: Content) -> list[Section]:
    """Returns the sections of a report whose data exist."""
    return [section for make in SECTIONS if (section := make(content)) is not None]


def to_html(title: str, sections: Sequence[Section]) -> str:
    """Returns a report as a page."""
    links = [element("a", section.title, href=f"#{section.name}") for section in sections]
    head = element(
        "head",
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'),
        element("title", f"{title} · aejax"),
        element("style", *map(_asset, STYLES)),
    )
    drawn = any(is_chart(section.body) for section in sections)
    body = element(
        "body",
        element("header", element("h1", title), element("nav", *links, aria_label="Sections")),
        element("noscript", element("p", _NO_SCRIPTS, class_="note")) if drawn else "",
        element("main", *(_to_element(section) for section in sections)),
        element("script", javascript(), type="module") if drawn else "",
        # One module of them all: strict, and its names are its own.
        element("script", Html("\n".join(map(_asset, SCRIPTS))), type="module"),
    )
    return f"<!doctype html>\n{element('html', join(head, body), lang='en')}\n"


def _to_element(section: Section) -> Html:
    return element("section", element("h2", section.title), section.body, id=section.name)


def _asset(name: str) -> Html:
    return Html((importlib.resources.files("aejax.report") / "assets" / name).read_text("utf-8"))
