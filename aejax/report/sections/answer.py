"""What people want first: the question, what the numbers say, and the table."""

import math

from aejax.measures.zoo import all_metrics
from aejax.methods.zoo import is_ranked
from aejax.report.content import Content, Section
from aejax.report.drawing import Chart, Dot, interval_chart
from aejax.report.embed import figures
from aejax.report.html import Html, element, join, table
from aejax.report.label_curves import label_curves
from aejax.report.tables import is_search, metric_columns, notes
from aejax.statistics import ENOUGH_FOR_BOOTSTRAP, interquartile_mean, probability_of_improvement
from aejax.store.results import columns_of_fields, show_value

MAX_DOTS = 12  # Settings of one method in a chart; a table holds them all.


def answer(content: Content) -> Section:
    """Returns the question and what validation chose, with what the test images say of it."""
    questions = [study.record.question for study in content.studies.values() if study.record.question]
    parts = [element("p", question, class_="question") for question in dict.fromkeys(questions)]
    unfinished = [p for _, p in content.populations if p.status.state != "finished"]
    if unfinished:
        parts.append(
            element(
                "p", f"Not finished: {len(unfinished)} of {len(content.populations)} populations.", class_="warning"
            )
        )
    if not content.rows:
        parts.append(element("p", "No results yet; the curves below show how far training is."))
    parts.append(element("ul", *(element("li", finding.sentence()) for finding in content.findings), class_="findings"))
    said = [sentence for curves in label_curves(content.settings) if (sentence := curves.sentence())]
    parts.append(element("ul", *(element("li", sentence) for sentence in said), class_="findings"))
    parts += [element("p", note, class_="note") for note in notes(content.rows)] if content.rows else []
    return Section("answer", "Question and answer", join(*parts))


def leaderboard(content: Content) -> Section | None:
    """Returns the sortable table of settings and baselines: means with intervals, cost, and number of seeds."""
    if not content.rows:
        return None
    groups = content.settings
    columns = columns_of_fields(groups)
    shown = metric_columns(groups)
    chosen = {(id(finding.best), finding.metric.name) for finding in content.findings}
    several = len(content.studies) > 1
    heading = [*(["study"] if several else []), "method", *columns]
    heading += [column.title for column in shown]
    any_diverged = any(group.num_diverged for group in groups)
    heading += ["train s", "images/s", "parameters", "n", *(["diverged"] if any_diverged else [])]
    rows = []
    for group in groups:
        cells = [_cell(group.study)] if several else []
        cells.append(_cell(group.method))
        cells += [_cell(show_value(field(group)), field(group)) for field in columns.values()]
        for metric, name, _ in shown:
            interval = group.interval(name)
            text = metric.show(interval, seeded=group.seeded)
            if (id(group), metric.name) in chosen:
                text += " ★"
            cells.append(_cell(text, None if interval is None else interval.mean))
        for name, digits in (("train_seconds", ".2g"), ("images_per_second", ",.0f"), ("parameters", ",.0f")):
            cost = group.cost(name)
            cells.append(_cell("" if cost is None else f"{cost:{digits}}", cost))
        cells.append(_cell(str(len(group.rows) - group.num_diverged) if group.seeded else "fixed"))
        cells += [_cell(str(group.num_diverged))] if any_diverged else []
        rows.append(element("tr", *cells, class_="subject" if is_ranked(group.method) else None))
    choices = ("study", "method", *columns, "n")
    head = element("tr", *(element("th", text, scope="col", data_choice=text in choices) for text in heading))
    board = element("table", element("thead", head), element("tbody", *rows), class_="sortable")
    hint = "Test images; ★ is what validation chose by that column. A click on a heading sorts."
    if is_search(content.rows):
        hint = "Validation images. A click on a heading sorts."
    return Section(
        "leaderboard", "Leaderboard", join(element("p", hint, class_="note"), element("div", board, class_="wide"))
    )


def _cell(text: str, value: object = None) -> Html:
    number = isinstance(value, int | float) and math.isfinite(value)
    return element("td", text, data_value=value if number else None)


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
    return Section("robust", "Robust summaries", join(element("p", text, class_="note"), table(heading, rows)))
