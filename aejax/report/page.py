"""The report: one HTML file that needs no network. A new section is a function here below, in reading order."""

from collections.abc import Callable, Sequence

from aejax.report.content import Content, Section
from aejax.report.embed import is_chart, javascript
from aejax.report.html import render
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
    overview,
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
    variance,
)

SECTIONS: tuple[Callable[[Content], Section | None], ...] = (
    answer.answer,
    answer.leaderboard,
    overview.overview,
    answer.beside_baselines,
    answer.many_seeds,
    pareto.quality_against_cost,
    search.search,
    sweeps.effects,
    interactions.interactions,
    variance.variance,
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
SCRIPTS = ("dom.js", "tables.js", "panels.js", "maps.js", "charts.js")


def make_sections(content: Content) -> list[Section]:
    """Returns the sections of a report whose data exist."""
    return [section for make in SECTIONS if (section := make(content)) is not None]


def to_html(title: str, sections: Sequence[Section]) -> str:
    """Returns a report as a page."""
    charts = javascript() if any(is_chart(section.body) for section in sections) else ""
    return render("page.html", title=title, sections=sections, styles=STYLES, charts=charts, scripts=SCRIPTS)
