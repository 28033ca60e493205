"""What people want first: the question, what the numbers say, and the table."""

import math
from typing import Any

from aejax.measures.base import Metric
from aejax.measures.zoo import all_metrics
from aejax.methods.zoo import is_ranked
from aejax.report.content import Content, Section
from aejax.report.drawing import Chart, Dot, interval_chart
from aejax.report.embed import figures
from aejax.report.findings import UNDECIDED, Comparison, signed
from aejax.report.glance import MatrixRow, matrix
from aejax.report.html import join, note, render, table
from aejax.report.label_curves import label_curves
from aejax.report.majority import MAJORITY, baselines, shown
from aejax.report.tables import is_search, metric_columns, notes, show_seconds
from aejax.statistics import ENOUGH_FOR_BOOTSTRAP, interquartile_mean, probability_of_improvement
from aejax.store.results import Setting, columns_of_fields, show_value

MAX_MEASURES = 16  # Rows of the matrix on the first screen.
SIGNS = {"better": "▲", "worse": "▼", UNDECIDED: "○"}
MAX_DOTS = 12  # Settings of one method in a chart; a table holds them all.


def answer(content: Content) -> Section:
    """Returns the question, the answer in a sentence, and how what was chosen stands beside every baseline."""
    questions = [study.record.question for study in content.studies.values() if study.record.question]
    unfinished = [p for _, p in content.populations if p.status.state != "finished"]
    warnings = []
    if unfinished:
        warnings.append(f"Not finished: {len(unfinished)} of {len(content.populations)} populations.")
    if not content.rows:
        warnings.append("No results yet; the curves below show how far training is.")
    beside, best = matrix(content.findings), [finding.best for finding in content.findings]
    # One method needs no name.
    alike = len({(one.study, one.method) for one in best}) == 1 and all(one.label for one in best)
    sentences = [finding.sentence() for finding in content.findings]
    sentences += [sentence for curves in label_curves(content.settings) if (sentence := curves.sentence())]
    body = render(
        "answer.html",
        questions=list(dict.fromkeys(questions)),
        answer=content.answer,
        warnings=warnings,
        columns=beside.columns,
        majority=MAJORITY if any(shown(row.finding.metric, row.best) for row in beside.rows) else "",
        choices=len({one.name for one in best}) > 1,
        others=any(finding.num_settings > 1 for finding in content.findings),
        rows=[_matrix_row(row, row.best.label if alike else row.best.name) for row in beside.rows],
        most=MAX_MEASURES,
        signs=SIGNS,
        sentences=sentences,
        notes=notes(content.rows) if content.rows else [],
    )
    return Section("answer", "Question and answer", body)


def _matrix_row(row: MatrixRow, chosen: str) -> dict[str, Any]:
    """Returns the texts of a row of the matrix."""
    metric, num = row.finding.metric, row.finding.num_settings - 1
    return {
        "measure": metric.heading,
        "chosen": chosen,
        "value": row.value,
        "majority": shown(metric, row.best),
        "cells": [None if one is None else _matrix_cell(metric, row.best, one) for one in row.cells],
        "others": f"{row.finding.num_worse} of {num} worse" if num else "",
    }


def _matrix_cell(metric: Metric, best: Setting, comparison: Comparison) -> dict[str, str]:
    difference = signed(metric, comparison.difference)
    title = f"{best.name} beside {comparison.other.name}: {difference}, n = {comparison.difference.num}"
    return {"verdict": comparison.verdict, "difference": difference, "title": title}


def leaderboard(content: Content) -> Section | None:
    """Returns the sortable table of settings and baselines: means with intervals, cost, and number of seeds."""
    if not content.rows:
        return None
    groups = content.settings
    columns = columns_of_fields(groups)
    several = len(content.studies) > 1
    any_diverged = any(group.num_diverged for group in groups)
    heading = [*(["study"] if several else []), "method", *columns]
    heading += [column.title for column in metric_columns(groups)]
    heading += ["train s", "images/s", "parameters", "n", *(["diverged"] if any_diverged else [])]
    chosen = {(id(finding.best), finding.metric.name) for finding in content.findings}
    rows = []
    for group in [*groups, *baselines(groups)]:
        cells = [_cell(group.study)] if several else []
        cells.append(_cell(group.method))
        cells += [_cell(show_value(field(group)), field(group)) for field in columns.values()]
        for metric, name, _ in metric_columns(groups):
            interval = group.interval(name)
            star = " ★" if (id(group), metric.name) in chosen else ""
            text = metric.show(interval, seeded=group.seeded)
            cells.append(_cell(text + star, None if interval is None else interval.mean))
        for name, show in (("train_seconds", show_seconds), ("images_per_second", _whole), ("parameters", _whole)):
            cost = group.cost(name)
            cells.append(_cell("" if cost is None else show(cost), cost))
        cells.append(_cell(str(len(group.rows) - group.num_diverged) if group.seeded else "fixed"))
        cells += [_cell(str(group.num_diverged))] if any_diverged else []
        rows.append({"cells": cells, "ranked": is_ranked(group.method)})
    hint = "Test images; ★ is what validation chose by that column. A click on a heading sorts."
    if is_search(content.rows):
        hint = "Validation images. A click on a heading sorts."
    choices = ("study", "method", *columns, "n")
    body = render("leaderboard.html", hint=hint, heading=heading, rows=rows, choices=choices)
    return Section("leaderboard", "Leaderboard", body)


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _cell(text: str, value: object = None) -> dict[str, object]:
    """Returns a cell's text, and the number by which it is sorted."""
    return {"text": text, "value": value if isinstance(value, int | float) and math.isfinite(value) else None}


def beside_baselines(content: Content) -> Section | None:
    """Returns the charts of the best settings and baselines."""
    charts = baseline_charts(content)
    return Section("baselines", "Beside the baselines", figures(charts)) if charts else None


def baseline_charts(content: Content) -> list[Chart]:
    """Returns a chart for each metric: the best settings and the best of every baseline, with their intervals."""
    charts = []
    for metric in all_metrics():
        dots = []
        for setting in content.beside_baselines(metric, MAX_DOTS):
            interval = setting.interval(metric.test)
            if interval:
                values = metric.value(interval.mean), metric.value(interval.half_width)
                dots.append(Dot(setting.name, *values, emphasized=is_ranked(setting.method)))
        if len(dots) > 1:
            charts.append(interval_chart(dots, title=f"{metric.title}, test images", unit=metric.unit))
    return charts


def many_seeds(content: Content) -> Section | None:
    """Returns robust summaries where there are seeds enough to bootstrap: interquartile mean, chance to improve."""
    rows = []
    for finding in content.findings:
        metric, best = finding.metric, list(finding.best.values(finding.metric.test).values())
        mean = interquartile_mean(best)
        if mean is None:
            continue
        for comparison in finding.comparisons:
            other = list(comparison.other.values(metric.test).values())
            chance = probability_of_improvement(best, other)
            if chance is not None and not metric.higher_is_better:
                chance = chance.reversed()
            if chance is not None:
                rows.append([metric.title, finding.best.name, mean.show(), comparison.other.name, chance.show()])
    if not rows:
        return None
    heading = ["measure", "setting", "interquartile mean", "beside", "probability that it is better"]
    text = (
        f"From {ENOUGH_FOR_BOOTSTRAP} seeds on; bootstrap 95 % intervals in brackets (Agarwal et al., 2021), beside a "
        "method of fewer seeds Newcombe's (2006)."
    )
    return Section("robust", "Robust summaries", join(note(text), table(heading, rows)))
