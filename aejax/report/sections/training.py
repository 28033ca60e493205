"""How training went: the curves of every term, and how far training, validation and test lie apart."""

import re
from collections.abc import Iterator

import numpy as np

from aejax.measures.base import Metric, three_digits
from aejax.measures.zoo import all_metrics
from aejax.methods.roles import Role
from aejax.methods.zoo import role_of
from aejax.report.content import Content, Section
from aejax.report.drawing import MAX_VERTICES, Chart, Series, line_chart, plain_series
from aejax.report.embed import figures
from aejax.report.fields import wide_metric
from aejax.report.html import join, note, table
from aejax.statistics import Interval
from aejax.store.contents import Curves
from aejax.store.results import Setting

MAX_CURVES = 6  # Settings in one chart: more, and nobody can tell them apart.


def curves(content: Content) -> Section | None:
    """Returns the curves of the best settings, and these settings."""
    charts = curve_charts(content)
    if not charts:
        return None
    text = "Lines are means over seeds, bands their range; dashed lines are the validation images."
    longest = max(len(curve["epoch"]) for _, one in content.populations for curve in one.curves.values())
    if longest > MAX_VERTICES:
        text += f" Of {longest} epochs {MAX_VERTICES} are drawn, spread evenly."
    total = len([setting for setting in content.settings if Role.SUBJECT in setting.role])
    if total > MAX_CURVES:
        text += f" The {MAX_CURVES} settings that validation ranks first, of {total}."
    return Section("curves", "Training curves", join(note(text), figures(charts)))


def curve_charts(content: Content) -> list[Chart]:
    """Returns a chart for every term: its mean over seeds and the range of the seeds, by epoch."""
    chosen = content.subjects()[:MAX_CURVES] or _unfinished(content)
    others = [setting for setting in content.settings if Role.SUBJECT not in setting.role]
    trained = [setting for setting in others if content.curves(setting)][: 2 if len(chosen) < 3 else 0]
    found = {setting.name: content.curves(setting) for setting in (*chosen, *trained)}
    found = {name: members for name, members in found.items() if members}
    terms: dict[str, dict[str, Curves]] = {}
    for name, members in found.items():
        for metric in next(iter(members.values())):
            term = re.sub("^(train|validation)_", "", metric)
            if term not in ("epoch", "seed"):
                terms.setdefault(term, {})[name] = members
    order = sorted(terms, key=lambda term: (term != "loss", term.endswith("_norm")))  # The loss, its terms, the norms.
    colors = {name: index for index, name in enumerate(found)}
    charts = []
    for term in order:
        series = []
        for name, members in terms[term].items():
            for metric, dashed in ((f"train_{term}", False), (term, False), (f"validation_{term}", True)):
                if metric in next(iter(members.values())):
                    label = f"{name}, validation" if dashed else name
                    series.append(_band(label, members, metric, colors[name], dashed))
        positive = all(np.nanmin(one.low, initial=np.inf) > 0 for one in series)
        charts.append(line_chart(series, title=term.replace("_", " "), x_label="epoch", log_y=positive))
    return charts


def _unfinished(content: Content) -> list[Setting]:
    """Returns the populations that train and have no results yet, as settings of their own."""
    waiting = []
    for _, population in content.populations:
        status = population.status
        if Role.SUBJECT in role_of(status.method) and status.state != "finished" and population.curves:
            rows = [{"id": name, "status": status.state, "config": {}} for name in status.members]
            waiting.append(Setting(status.method, {}, rows))
    return waiting[:1]


def _band(name: str, members: Curves, metric: str, color: int, dashed: bool) -> Series:
    lengths = [len(values["epoch"]) for values in members.values()]
    longest = max(members.values(), key=lambda values: len(values["epoch"]))
    values = np.full((len(members), max(lengths)), np.nan)
    for row, (length, member) in enumerate(zip(lengths, members.values(), strict=True)):
        values[row, :length] = member[metric]
    known = np.isfinite(values).any(axis=0)  # An epoch that no member has would be a mean of nothing.
    values, epochs = values[:, known], longest["epoch"][known]
    return Series(
        name, epochs, np.nanmean(values, 0), np.nanmin(values, 0), np.nanmax(values, 0), color=color, dashed=dashed
    )


def gap(content: Content) -> Section | None:
    """Returns each metric on training, validation and test images, and what generalisation costs."""
    rows = []
    for metric, group, splits in _splits(content):
        cells = [metric.show(interval, seeded=group.seeded) for interval in splits]
        train, _, test = (interval.mean if interval else np.nan for interval in splits)
        if metric.unit == "%":
            cost = f"{100 * (test - train):+.2f} points"
        else:
            cost = f"x {three_digits(test / train)}" if train else ""
        rows.append([f"{metric.title} {metric.unit}".strip(), group.name, *cells, cost])
    if not rows:
        return None
    heading = ["measure", "setting", "train", "validation", "test", "test beside train"]
    body = join(figures(gap_charts(content)), table(heading, rows))
    return Section("gap", "Training, validation, test", body)


def gap_charts(content: Content) -> list[Chart]:
    """Returns a chart for each metric: test over training images, beside the line on which these are alike."""
    found: dict[str, list[Series]] = {}
    for metric, group, (train, _, test) in _splits(content):
        if train and test and np.isfinite([train.mean, test.mean]).all():
            own = found.setdefault(metric.name, [])
            x, y, half = (np.array([metric.value(value)]) for value in (train.mean, test.mean, test.half_width))
            tips = [{"setting": group.name}]
            own.append(Series(group.name, x, y, y - half, y + half, color=len(own), marked=True, tips=tips))
    charts = []
    for metric in all_metrics():
        if series := found.get(metric.name):
            ends = np.array([min(one.x[0] for one in series), max(one.x[0] for one in series)])
            series.append(plain_series("no gap", ends, ends, color=7, dashed=True))
            log = wide_metric(metric, np.concatenate([values for one in series for values in (one.x, one.y)]))
            title = f"{metric.title} {metric.unit}".strip() + ", test over training images"
            charts.append(line_chart(series, title=title, x_label="training images", log_x=log, log_y=log))
    return charts


def _splits(content: Content) -> Iterator[tuple[Metric, Setting, list[Interval | None]]]:
    """Yields each metric with each setting that is shown, and its intervals on training, validation and test images."""
    best = content.subjects()[:MAX_CURVES]
    groups = [setting for setting in content.settings if Role.SUBJECT not in setting.role or setting in best]
    for metric in all_metrics():
        for group in groups:
            splits = [group.interval(f"{split}_{metric.name}") for split in ("train", "validation", "test")]
            if splits[0] is not None and splits[2] is not None:
                yield metric, group, splits
