"""What autoencoders generate, by which distribution of their codes, and how good that is."""

import itertools

import numpy as np

from aejax.measures.base import Metric
from aejax.measures.generation import GENERATION
from aejax.methods.roles import Role
from aejax.methods.zoo import METHODS, named
from aejax.report.content import Content, Section
from aejax.report.findings import compare, rank, signed
from aejax.report.html import Html, figure, join, note, picture, table
from aejax.statistics import student_interval
from aejax.store.results import Setting

REFERENCES = named(Role.REFERENCE)
COLLAPSED = "test_modes_collapsed"
SAMPLER = "generation.sampler.kind"
MAX_PICTURED = 6
DISTANCE = GENERATION.metrics[0]


def generation(content: Content) -> Section | None:
    """Returns the ranking of generators, samplers beside a Gaussian of the same codes, and what some of them draw."""
    own = [setting for setting in content.settings if Role.GENERATOR in setting.role]
    if not own:
        return None
    ranked = rank(DISTANCE, own)
    parts = [note(_note(content.settings)), _ranking(content.settings, ranked)]
    beside = _beside_gaussian(own)
    if beside:
        text = (
            "The Fréchet distance of each sampler divided by that of the Gaussian with a full covariance that was "
            "fitted to the same codes, and their difference, paired over seeds."
        )
        heading = ["setting", "times the Gaussian's", "difference", "verdict"]
        parts += [note(text), table(heading, beside)]
    parts += _drawings(content, ranked)
    return Section("generation", "Generated images", join(*parts))


def _note(settings: list[Setting]) -> str:
    accuracy = next((mean for s in settings if (mean := s.mean("feature_accuracy")) is not None), None)
    by = (
        "features of the user's own"
        if accuracy is None
        else "features of a small classifier that is trained here by a fixed recipe (right on "
        f"{100 * accuracy:.1f} % of the test images), so distances are comparable within one data set alone, and no FID"
    )
    references = "; ".join(f"'{name}' {METHODS[name].note}" for name in REFERENCES)
    return (
        f"Test images; as many drawn as real ones, compared by {by}. {references}. Ranked by the Fréchet distance of "
        "validation images. 'classes drawn' is the exponential of the entropy of the classes seen by the classifier; "
        "'memorized' the share of images less than a third as far from their nearest training image as from the next. "
        "A generator has collapsed if it draws fewer than half of the classes, or if its recall is below 10 %."
    )


def _ranking(settings: list[Setting], ranked: list[Setting]) -> Html:
    beside = [setting for name in REFERENCES for setting in settings if setting.method == name]
    names = _names([*ranked, *beside])
    shown = [m for m in GENERATION.metrics if any(setting.interval(m.test) for setting in ranked)]
    rows = []
    for setting in [*ranked, *beside]:
        cells = [metric.show(setting.interval(metric.test), seeded=setting.seeded) for metric in shown]
        collapsed = setting.values(COLLAPSED).values()
        cells.append(f"{sum(map(bool, collapsed))} of {len(collapsed)}")
        rows.append([names[id(setting)], *cells, _verdict(DISTANCE, setting, ranked)])
    titles = [f"{metric.title} {metric.unit}".strip() for metric in shown]
    return table(["setting", *titles, "collapsed", "beside the first"], rows)


def _names(settings: list[Setting]) -> dict[int, str]:
    """The name of each setting, by its identity: family and sampler, where these tell them apart."""
    kinds = {id(s): [s.study, s.rows[0]["config"].get("autoencoder.kind"), s.fields.get(SAMPLER)] for s in settings}
    short = {key: " · ".join(filter(None, parts)) for key, parts in kinds.items()}
    told = list(short.values())
    alone = [key for key, name in short.items() if told.count(name) == 1]
    return {id(s): short[id(s)] if Role.GENERATOR in s.role and id(s) in alone else s.name for s in settings}


def _verdict(metric: Metric, setting: Setting, ranked: list[Setting]) -> str:
    """Returns whether a setting is shown to be worse than the first: all others are looked at together."""
    if setting is ranked[0] or Role.GENERATOR not in setting.role:
        return ""
    comparison = compare(metric, setting, ranked[0], len(ranked) - 1)
    return "" if comparison is None else f"{comparison.verdict} ({signed(metric, comparison.difference)})"


def _beside_gaussian(own: list[Setting]) -> list[list[str]]:
    """Returns a row for each setting whose Gaussian, of the same codes, is among the settings."""
    others = [setting for setting in own if setting.fields.get(SAMPLER) != "gaussian"]
    pairs = [(setting, gaussian) for setting in others if (gaussian := _gaussian_of(setting, own)) is not None]
    names = _names(own)
    rows = []
    for setting, gaussian in pairs:
        values, base = setting.values(DISTANCE.test), gaussian.values(DISTANCE.test)
        comparison = compare(DISTANCE, setting, gaussian, len(pairs))
        if comparison is None:
            continue
        ratio = student_interval([values[seed] / base[seed] for seed in values if base.get(seed)])
        shown = signed(DISTANCE, comparison.difference)
        rows.append([names[id(setting)], DISTANCE.show(ratio), shown, comparison.verdict])
    return rows


def _gaussian_of(setting: Setting, own: list[Setting]) -> Setting | None:
    def of_autoencoder(other: Setting) -> dict[str, object]:
        return {path: value for path, value in other.fields.items() if not path.startswith("generation.")}

    for other in own:
        same = other.study == setting.study and of_autoencoder(other) == of_autoencoder(setting)
        if same and other.fields.get(SAMPLER) == "gaussian":
            return other
    return None


def _drawings(content: Content, ranked: list[Setting]) -> list[Html]:
    """Images drawn by the first few settings, and the training images nearest to the first of these."""
    names = _names(ranked)
    figures: list[Html] = []
    each = ((setting, content.pictures(setting)) for setting in ranked)
    drawn = (pair for pair in each if "sample" in pair[1])
    for setting, pictures in itertools.islice(drawn, MAX_PICTURED):
        title = f"{names[id(setting)]}: drawn at random, none chosen"
        figures.append(figure(title, picture(pictures["sample"], 16, title)))
        if "of_classes" in pictures:
            by_class = pictures["of_classes"]
            title = f"{names[id(setting)]}: each row is one code, decoded as each class"
            figures.append(figure(title, picture(by_class.reshape(-1, *by_class.shape[2:]), by_class.shape[1], title)))
        if "nearest" in pictures:
            num = len(pictures["nearest"])
            title = f"{names[id(setting)]}: the first {num}, and below each the training image nearest to it"
            pairs = np.concatenate([pictures["sample"][:num], pictures["nearest"]])
            figures.append(figure(title, picture(pairs, num, title)))
    return figures
