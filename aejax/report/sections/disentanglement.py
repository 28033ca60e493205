"""Whether units of codes are the factors that images were made from, and whether any method beats the plain VAE."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aejax.measures.base import Metric
from aejax.measures.disentanglement import DISENTANGLEMENT, UNSUPERVISED_RANKING
from aejax.methods.roles import Role
from aejax.report.content import Content, Section
from aejax.report.drawing import NUM_COLORS, Chart, Series, line_chart, plain_series
from aejax.report.embed import figures
from aejax.report.escape import markdown_line
from aejax.report.fields import logarithmic, numeric, varied
from aejax.report.findings import Comparison, choose, compare, rank, signed, tested_on
from aejax.report.html import Html, join, note, paragraph, table
from aejax.statistics import IntervalEstimate, probability_of_improvement
from aejax.store.results import Setting

_METRICS = (*DISENTANGLEMENT.metrics, *UNSUPERVISED_RANKING.metrics)
MIG, UDR = _METRICS[0], _METRICS[-1]
KIND = "autoencoder.kind"
_TEXT = (
    "Test images, by their true factors; whatever is fitted is fitted on training images. UDR alone needs no factors: "
    "it compares the seeds of a setting with each other. A setting is shown to be better or worse in MIG than the "
    "plain VAE where the interval of the difference, paired over seeds, excludes zero; the probability of improvement "
    "is that a seed of it has more MIG than one of the plain VAE (in brackets its interval: Newcombe, 2006, and from "
    "20 seeds on the bootstrap). All intervals of a comparison hold together for all settings (Bonferroni)."
)


class PlainComparison(NamedTuple):
    """A setting beside the plain VAE: the difference of their MIG, and the probability that it has more."""

    comparison: Comparison
    chance: IntervalEstimate | None


def disentanglement(content: Content) -> Section | None:
    """Returns all metrics by setting, who beats the plain VAE, MIG by strength, and beside it UDR."""
    own = _measured(content)
    if not own:
        return None
    plain = plain_vae(own)
    beside = {} if plain is None else beat(own, plain)
    parts: list[Html] = []
    said = sentence(own, plain) if plain is not None and beside else ""
    if said:
        parts.append(paragraph(said))
    parts += [note(_TEXT), _table(own, beside)]
    parts.append(figures(disentanglement_charts(content)))
    return Section("disentanglement", "Disentanglement", join(*parts), said and f"{markdown_line(said)}\n\n{_TEXT}")


def disentanglement_charts(content: Content) -> list[Chart]:
    """Returns the MIG of each family along its strengths, and beside the UDR."""
    own = _measured(content)
    plain = plain_vae(own)
    charts = [chart for group in _families(own).values() for chart in _by_strength(group, plain)]
    return [*charts, *_beside_unsupervised(own)]


def _measured(content: Content) -> list[Setting]:
    return [setting for setting in content.settings if Role.SUBJECT in setting.role and setting.interval(MIG.test)]


def plain_vae(settings: Sequence[Setting]) -> Setting | None:
    """Returns the VAE whose KL has no weight, of several the one that validation chooses; None if there is none."""

    def is_plain(setting: Setting) -> bool:
        config = setting.rows[0]["config"]
        return config.get(KIND) == "vae" or (config.get(KIND) == "beta_vae" and config.get("autoencoder.beta") == 1)

    own = [setting for setting in settings if is_plain(setting) and setting.mean(MIG.validation) is not None]
    return choose(MIG, own) if own else None


def beat(settings: Sequence[Setting], plain: Setting) -> dict[int, PlainComparison]:
    """Returns every other setting, by its identity, beside the plain VAE."""
    alike = [s for s in settings if s.mean(MIG.validation) is not None and tested_on(s) == tested_on(plain)]
    others = [setting for setting in alike if setting is not plain]
    base = list(plain.values(MIG.test).values())
    found = {}
    for setting in others:
        comparison = compare(MIG, setting, plain, len(others))
        if comparison is not None:
            chance = probability_of_improvement(list(setting.values(MIG.test).values()), base, len(others))
            found[id(setting)] = PlainComparison(comparison, chance)
    return found


def sentence(settings: Sequence[Setting], plain: Setting) -> str:
    """Returns whether any family beats the plain VAE in MIG, either way: each where validation finds it best."""
    families = _families([setting for setting in settings if setting is not plain])
    chosen = [choose(MIG, family) for family in families.values()]
    beside = beat([plain, *chosen], plain)
    compared = rank(MIG, [setting for setting in chosen if id(setting) in beside])

    def describe(setting: Setting) -> str:
        comparison, chance = beside[id(setting)]
        more = f", probability of improvement {chance.show()}" if chance else ""
        return f"{_name(setting)} {comparison.verdict} ({signed(MIG, comparison.difference)}{more})"

    num = sum(beside[id(setting)].comparison.verdict == "better" for setting in compared)
    lead = f"{num or 'none'} of {len(compared)} families {'are' if num > 1 else 'is'} shown to beat the plain VAE"
    interval = plain.interval(MIG.test)
    shown = f"{MIG.show(interval)}, n = {interval.num if interval else 0}"
    return f"MIG: {lead} ({shown}), each at the strength that validation chooses: {'; '.join(map(describe, compared))}."


def _family(setting: Setting) -> str:
    return str(setting.rows[0]["config"].get(KIND))


def _strength(setting: Setting) -> str:
    """The fields in which a setting differs from others of its family."""
    return setting.label.removeprefix(_family(setting)).removeprefix(" · ")


def _name(setting: Setting) -> str:
    return " · ".join(filter(None, [_family(setting), _strength(setting)]))


def _table(settings: Sequence[Setting], beside: dict[int, PlainComparison]) -> Html:
    shown = [metric for metric in _METRICS[1:] if any(_show(metric, setting) for setting in settings)]
    rows = []
    for setting in settings:
        cells = [_family(setting), " · ".join(filter(None, [setting.study, _strength(setting)])), _show(MIG, setting)]
        if beside:
            cells += _comparison_cells(beside.get(id(setting)))
        rows.append([*cells, *(_show(metric, setting) for metric in shown)])
    heading = ["family", "setting", MIG.title]
    heading += ["beside the plain VAE", "difference", "probability of improvement"] if beside else []
    heading += [metric.title for metric in shown]
    return table(heading, rows, class_="sortable", choices=("family", "beside the plain VAE"))


def _comparison_cells(beside: PlainComparison | None) -> list[str]:
    """The cells that compare a setting with the plain VAE; empty for that itself."""
    if beside is None:
        return ["", "", ""]
    chance = beside.chance.show() if beside.chance else ""
    return [beside.comparison.verdict, signed(MIG, beside.comparison.difference), chance]


def _show(metric: Metric, setting: Setting) -> str:
    """Returns a setting's mean and interval; nothing of what is unknown, as the UDR of a single seed."""
    interval = setting.interval(metric.test)
    return "" if interval is None or np.isnan(interval.mean) else metric.show(interval)


def _families(settings: Sequence[Setting]) -> dict[str, list[Setting]]:
    families: dict[str, list[Setting]] = {}
    for setting in settings:
        families.setdefault(_family(setting), []).append(setting)
    return families


def _by_strength(family: Sequence[Setting], plain: Setting | None) -> list[Chart]:
    """Returns the MIG of a family's settings over each number of its loss that varies, beside that of the plain VAE."""
    charts = []
    for field in varied(family):
        known = [setting for setting in family if setting.fields.get(field) is not None]
        if not field.startswith("autoencoder.") or not numeric(field, known):
            continue
        kind = _family(known[0])
        known = sorted(known, key=lambda setting: setting.fields[field])
        x = np.array([setting.fields[field] for setting in known], float)
        mean, low, high = _bounds(known, MIG).T
        curve = Series(kind, x, mean, low, high, 1)
        series = [curve] if len(set(x)) == len(x) else []
        series.append(curve._replace(marked=True, tips=[{"setting": _name(setting)} for setting in known]))
        if plain is not None:
            ends = np.array([x[0], x[-1]])
            level, low, high = np.repeat(_bounds([plain], MIG), 2, axis=0).T
            series.insert(0, Series("plain VAE", ends, level, low, high, dashed=True))
        title = f"MIG of {kind} over {field.removeprefix('autoencoder.')}"
        charts.append(line_chart(series, title=title, x_label=field, log_x=logarithmic(x)))
    return charts


def _bounds(settings: Sequence[Setting], metric: Metric) -> np.ndarray:
    """Returns the mean and the ends of the interval of every setting's metric, [settings, 3]."""
    intervals = [interval for setting in settings if (interval := setting.interval(metric.test)) is not None]
    return np.array([(i.mean, i.mean - i.half_width, i.mean + i.half_width) for i in intervals])


def _beside_unsupervised(settings: Sequence[Setting]) -> list[Chart]:
    """Returns a point for each member: what is measured by true factors over what is measured without any."""
    import scipy.stats

    series, everything = [], []
    for index, (kind, family) in enumerate(_families(settings).items()):
        found = [
            (udr, setting.values(MIG.test)[seed], {"setting": _name(setting), "seed": seed})
            for setting in family
            for seed, udr in setting.values(UDR.test).items()
            if seed in setting.values(MIG.test) and np.isfinite(udr)  # A seed alone has none to be compared with.
        ]
        if found:
            pairs = [(udr, mig) for udr, mig, _ in found]
            x, y = np.array(pairs, float).T
            tips = [tip for *_, tip in found]
            series.append(plain_series(kind, x, y, marked=True, color=index % NUM_COLORS, tips=tips))
            everything += pairs
    if len(everything) < 3:
        return []
    x, y = np.array(everything, float).T
    agree = float(scipy.stats.spearmanr(x, y).statistic) if np.ptp(x) and np.ptp(y) else np.nan
    title = f"MIG over UDR, a point for each of {len(x)} members; rank correlation {agree:.2f}"
    return [line_chart(series, title=title, x_label="UDR, which knows no factors")]
