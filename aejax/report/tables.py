"""The tables of a study: every member as CSV; settings with means and intervals as Markdown and LaTeX."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from aejax.measures.base import Metric
from aejax.measures.generation import GENERATION
from aejax.measures.zoo import MEASURES, all_metrics
from aejax.methods.roles import Role
from aejax.methods.zoo import role_of
from aejax.report.escape import csv_cell, in_line, latex, markdown, markdown_line
from aejax.report.findings import choose, findings
from aejax.report.label_curves import label_curves
from aejax.report.majority import MAJORITY, baselines
from aejax.statistics import UNBALANCED
from aejax.store.results import Row, Setting, columns_of_fields, settings, show_value, sort_rows, varying_fields

GRADIENT_NORM = "_gradient_norm"  # How the metric of a search's end is named, after its classifier.
UNCONVERGED = 0.01


class Table(NamedTuple):
    """Texts for people: a heading, and a row for each setting."""

    heading: list[str]
    rows: list[list[str]]


class MemberTable(NamedTuple):
    """Values by heading, a row for each member and baseline; None where one does not apply."""

    heading: list[str]
    rows: list[list[Any]]


def make_member_table(rows: Sequence[Row]) -> MemberTable:
    """Returns method, swept fields, metrics, status, cost, data and id of each member and baseline."""
    rows = sort_rows(rows)
    fields = varying_fields(rows)
    metrics = list(dict.fromkeys(name for row in rows for name in row["metrics"]))
    costs = list(dict.fromkeys(name for row in rows for name in row["cost"]))
    study = ["study"] if any("study" in row for row in rows) else []
    table = MemberTable([*study, "method", *fields, *metrics, "status", *costs, "data_fingerprint", "id"], [])
    for row in rows:
        config = [row["config"].get(field) for field in fields]
        values = [row["metrics"].get(name) for name in metrics]
        cost = [row["cost"].get(name) for name in costs]
        first = [*(row[name] for name in study), row["method"]]
        table.rows.append([*first, *config, *values, row["status"], *cost, row["data"]["fingerprint"], row["id"]])
    return table


def to_csv(rows: Sequence[Row]) -> str:
    """Returns results.csv: a row for each member and baseline; what does not apply to one is empty."""
    table = make_member_table(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.heading)
    for row in table.rows:
        cells = map(_cell, row)
        writer.writerow([csv_cell(cell) if isinstance(cell, str) else cell for cell in cells])
    return text.getvalue()


def _cell(value: Any) -> Any:
    return "" if value is None else json.dumps(value) if isinstance(value, list) else value


def make_table(groups: Sequence[Setting]) -> Table:
    """Returns the table of settings: swept fields, test metrics with intervals, seconds and number of seeds.

    Of a search, which knows none of test images, the metrics are those of validation images. Last come those of the
    majority class.
    """
    columns = columns_of_fields(groups)
    shown = metric_columns(groups)
    study = ["study"] if any(group.study for group in groups) else []
    heading = [*study, "method", *columns, *(column.title for column in shown), "seconds", "n"]
    table = Table(heading, [])
    for group in [*groups, *baselines(groups)]:
        seconds = group.cost("train_seconds")
        count = str(len(group.rows) - group.num_diverged) if group.seeded else "fixed"
        table.rows.append(
            [
                *([group.study] if study else []),
                group.method,
                *(show_value(value(group)) for value in columns.values()),
                *(metric.show(group.interval(name), seeded=group.seeded) for metric, name, _ in shown),
                "" if seconds is None else show_seconds(seconds),
                count,
            ]
        )
    return table


def make_overview(groups: Sequence[Setting]) -> Table | None:
    """Returns the table of autoencoders with their best samplers; None where fewer than two have a sampler of codes.

    There is a row for each setting of the autoencoder: of each measure its first metric, and the distance from real
    images of what the sampler draws that validation ranks first among those of the same codes. All of test images.
    """
    distance = GENERATION.metrics[0]
    own = [group for group in groups if Role.SUBJECT in group.role]
    samplers = [(group, [other for other in groups if _draws_of(group, other)]) for group in own]
    if sum(bool(others) for _, others in samplers) < 2:
        return None
    first = [metric for one in MEASURES.values() for metric in (one.metrics or one.details)[:1] if metric != distance]
    shown = [metric for metric in first if any(group.interval(metric.test) for group in own)]
    study = ["study"] if any(group.study for group in groups) else []
    heading = ["setting", *(metric.heading for metric in shown), distance.heading, "by sampler", "seconds", "n"]
    table = Table([*study, *heading], [])
    for group, others in samplers:
        best = choose(distance, others) if others else None
        seconds = group.cost("train_seconds")
        table.rows.append(
            [
                *([group.study] if study else []),
                group.label or group.method,
                *(metric.show(group.interval(metric.test)) for metric in shown),
                *(["", ""] if best is None else [distance.show(best.interval(distance.test)), _sampler(best)]),
                "" if seconds is None else show_seconds(seconds),
                str(len(group.rows) - group.num_diverged),
            ]
        )
    return table


def _draws_of(autoencoder: Setting, other: Setting) -> bool:
    """Whether another setting is of a sampler of an autoencoder's codes that was measured."""

    def fields(setting: Setting) -> dict[str, Any]:
        return {path: value for path, value in setting.fields.items() if not path.startswith("generation.")}

    measured = Role.GENERATOR in other.role and other.mean(GENERATION.metrics[0].validation) is not None
    return measured and other.study == autoencoder.study and fields(other) == fields(autoencoder)


def _sampler(generator: Setting) -> str:
    return str(generator.rows[0]["config"]["generation.sampler.kind"])


def show_seconds(seconds: float) -> str:
    """Returns seconds with as many digits as they mean anything."""
    return f"{seconds:.2g}" if seconds < 10 else f"{seconds:.0f}"


class MetricColumn(NamedTuple):
    """A column of a table: a metric, its full name in the results, and the heading."""

    metric: Metric
    name: str
    title: str


def metric_columns(groups: Sequence[Setting]) -> list[MetricColumn]:
    """The metrics to report: those of test images, or where none of these was kept, of validation images."""
    is_of_search = is_search([row for group in groups for row in group.rows])
    columns = []
    for metric in all_metrics():
        title = f"{metric.title} {metric.unit}".strip()
        columns.append(
            MetricColumn(metric, metric.validation, f"validation {title}")
            if is_of_search
            else MetricColumn(metric, metric.test, title)
        )
    return [column for column in columns if any(group.interval(column.name) for group in groups)]


def is_search(rows: Sequence[Row]) -> bool:
    """Returns whether these are the trials of a search."""
    return bool(rows) and all(row["config"].get("evaluation.tell_test") is False for row in rows)


def to_aligned(table: Table) -> str:
    """Returns a table as Markdown that is aligned enough to be read as it is."""
    lines = [[markdown(cell) for cell in line] for line in (table.heading, *table.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.heading))]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def to_markdown(rows: Sequence[Row]) -> str:
    """Returns the table of settings as Markdown, the findings, and the notes."""
    groups = settings(rows)
    said = [finding.sentence() for finding in findings(groups)]
    said += [sentence for curves in label_curves(groups) if (sentence := curves.sentence())]
    items, paragraphs = [f"* {markdown_line(text)}" for text in said], map(markdown_line, notes(rows))
    return "\n".join([to_aligned(make_table(groups)), "", *items, "", *paragraphs]) + "\n"


def to_latex(rows: Sequence[Row]) -> str:
    """Returns the table of settings as a LaTeX tabular in the manner of the booktabs package."""
    table = make_table(settings(rows))
    lines = [" & ".join(map(latex, line)) + r" \\" for line in [table.heading, *table.rows]]
    body = [r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]
    notes_ = [f"% {in_line(note)}" for note in notes(rows)]
    return "\n".join([*notes_, rf"\begin{{tabular}}{{{'l' * len(table.heading)}}}", *body, r"\end{tabular}"]) + "\n"


def notes(rows: Sequence[Row]) -> list[str]:
    """The notes below a table: protocol, and members that failed."""
    if is_search(rows):
        return [
            "The trials of a search: they are compared on validation images, and the best of many flatters itself. "
            "What the winner is worth stands in the study above this one, on fresh seeds and test images."
        ]
    lines = [
        "± is half the 95 % confidence interval (Student t) over n seeds; 'fixed': no seed enters, so it has none. "
        "Settings are chosen on validation images; differences are paired over common seeds, with intervals that hold "
        "together for all comparisons of a sentence (Bonferroni)."
    ]
    lines += dict.fromkeys(_of_data(rows))
    known_metrics = {name for row in rows for name in row["metrics"]}
    constant = {metric.constant for metric in all_metrics() if metric.test in known_metrics}
    if constant != {None} and any("majority" in row["data"] for row in rows):
        lines.append(f"'{MAJORITY}' names the class that is most frequent among the labels that a probe is fitted to.")
    if "balanced_accuracy" in constant:
        lines.append(
            "'balanced': the mean over the classes of the share of their images that is classified right, measured "
            f"where the largest class has more than {UNBALANCED:g} times the images of the smallest."
        )
    lines += [one.note for one in MEASURES.values() if one.note and any(m.test in known_metrics for m in one.metrics)]
    if any(row["config"].get("fine_tuning.labels_per_class") is not None for row in rows):
        lines.append(
            "A network with fine_tuning.labels_per_class m is trained by m labels of each class, a fixed subset for "
            "each seed, and validated on m further images of each; 'own classifier' is its own, tested on all test "
            "images."
        )
    lines += [
        f"The seconds of '{name}' are those of the fine-tuning alone; those of the autoencoder come first."
        for name in dict.fromkeys(row["method"] for row in rows)
        if Role.PRETRAINED in role_of(name)
    ]
    diverged = [_member(row) for row in rows if row["status"] == "diverged"]
    if diverged:
        lines.append(f"Diverged, kept at their last finite state and left out of the means: {_first(diverged)}.")
    unconverged = [
        f"{name.removesuffix(GRADIENT_NORM)} of {_member(row)}"
        for row in rows
        for name, value in row["metrics"].items()
        if name.endswith(GRADIENT_NORM) and value is not None and value > UNCONVERGED
    ]
    if unconverged:
        lines.append(
            f"Classifiers whose search ended before its gradient was {UNCONVERGED:.0%} of the first, so that their "
            f"accuracy may be too low: {_first(unconverged)}."
        )
    return lines


def _member(row: Row) -> str:
    return f"{row['method']} {row['id']} (seed {row['config'].get('seed')})"


def _first(names: Sequence[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _of_data(rows: Sequence[Row]) -> Iterator[str]:
    """Yields what numbers are of: how many images of each data set, with labels or without, and of other data."""
    known = list({json.dumps(row["data"]): row["data"] for row in rows}.values())
    for data in known:
        line = (
            f"{data['name']}: trained on {data['train']} images, selection on {data['validation']} validation images, "
            f"tested once on {data['test']} images"
        )
        if data["num_classes"] is None:
            yield line + "; it has no labels, so probe, k-NN, pixels and the supervised baseline were left out."
        elif any("probe_accuracy" in name or "knn_accuracy" in name for row in rows for name in row["metrics"]):
            labelled = data.get("labelled", data)
            both = labelled["train"] + labelled["validation"]
            yield line + f"; the linear probe is refitted, and k-NN searches, on {both} labelled images."
        else:
            yield line + "."
        if "labelled" in data:
            parts = [f"{num} of {data[name]} {name}" for name, num in data["labelled"].items()]
            yield f"Images with a label: {', '.join(parts)}; everything that reads labels uses these alone."
    for name, other in [pair for data in known for pair in data.get("others", {}).items()]:
        yield (
            f"evaluation.{name}: {other['name']}, {other['train']} training, {other['validation']} validation and "
            f"{other['test']} test images (fingerprint {other['fingerprint']})."
        )
