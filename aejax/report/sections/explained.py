"""What was measured of explained members over seeds: the units of codes, and sparse dictionaries beside them."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from aejax.measures.base import Metric
from aejax.report.content import Content, Section
from aejax.report.findings import UNDECIDED
from aejax.report.html import Html, join, note, table, titled
from aejax.report.tables import Table, to_aligned
from aejax.statistics import paired_difference, student_interval

_CODE = (
    Metric("num_units", "units", "", True),
    Metric("dead_units", "dead units", "", False),
    Metric("duplicate_units", "duplicate units", "", False),
    Metric("unit_purity", "purity", "%", True),
    Metric("unit_information", "information", "nats", True),
)
_DICTIONARY = (
    Metric("dictionary_num_units", "units", "", True),
    Metric("dictionary_dead", "dead units", "%", False),
    Metric("dictionary_dead_without_auxiliary", "dead without AuxK", "%", False),
    Metric("dictionary_unexplained", "unexplained variance", "%", False),
    Metric("dictionary_purity", "purity", "%", True),
    Metric("dictionary_information", "information", "nats", True),
    Metric("dictionary_probe_accuracy", "linear probe", "%", True),
)
_DENSE = (
    Metric("dense_purity", "purity", "%", True),
    Metric("dense_information", "information", "nats", True),
    Metric("dense_probe_accuracy", "linear probe", "%", True),
)
_PAIRS = {f"dictionary_{name}": f"dense_{name}" for name in ("purity", "information", "probe_accuracy")}
_METRICS = {metric.name: metric for metric in (*_CODE, *_DICTIONARY, *_DENSE)}
_TEXT = (
    "Means over the explained seeds of each setting; ± is half the 95 % confidence interval (Student t). Test images. "
    "Dead units, and those that repeat an earlier one, are counted; purity is the share of the most frequent class "
    "among the 20 images that drive a unit most, and information what one tells of the labels, means over live units."
)
_BESIDE = (
    "A sparse dictionary (top-k autoencoder, overcomplete) of each member's code, or of a layer's features, beside the "
    "dense features that it is made of. 'Dead "
    "without AuxK' is the same dictionary without the loss that revives units; unexplained variance is that of the "
    "features. 'Impurity' is 1 − purity of the dictionary's units over that of these. Differences are dictionary "
    "minus dense, paired over seeds, with intervals that hold together for all settings (Bonferroni)."
)

Values = dict[int, float]  # By seed.


class _Setting(NamedTuple):
    """The numbers of explained members that differ in their seed only: by name and seed."""

    name: str
    numbers: dict[str, Values]

    def show(self, metric: Metric) -> str:
        values = self.numbers.get(metric.name)
        return metric.show(student_interval([*values.values()])) if values else ""


def explained(content: Content) -> Section | None:
    """Returns a table of the numbers of explained members, and one of dictionaries beside dense codes."""
    settings = _settings(content)
    if not settings:
        return None
    codes = _of_codes(settings)
    parts: list[Html] = [note(_TEXT), _to_html(codes)]
    texts = [_TEXT, to_aligned(codes)]
    with_dictionary = [setting for setting in settings if "dictionary_unexplained" in setting.numbers]
    if with_dictionary:
        dictionaries = _dictionaries(with_dictionary)
        text = f"{_BESIDE} Here they are of {_made_of(content)}."
        parts.append(titled("Sparse dictionaries beside dense features", join(note(text), _to_html(dictionaries))))
        texts += [text, to_aligned(dictionaries)]
    return Section("explained", "What was explained, in numbers", join(*parts), "\n\n".join(texts))


def _settings(content: Content) -> list[_Setting]:
    found: dict[str, _Setting] = {}
    for title, one in content.explanations():
        study = title.removesuffix(one.title)
        name = f"{study}{one.facts['setting']}"
        setting = found.setdefault(name, _Setting(name, {}))
        for key, value in one.facts["numbers"].items():
            if value is not None:
                setting.numbers.setdefault(key, {})[one.facts["seed"]] = float(value)
    return [setting for setting in found.values() if setting.numbers]


def _made_of(content: Content) -> str:
    """The layer that the dictionaries were fitted to: one for all members, unless these were asked for apart."""
    made = [
        one.facts.get("layer") for _, one in content.explanations() if "dictionary_unexplained" in one.facts["numbers"]
    ]
    return ", ".join("the codes" if layer is None else layer for layer in dict.fromkeys(made))


def _of_codes(settings: Sequence[_Setting]) -> Table:
    others = dict.fromkeys(name for setting in settings for name in setting.numbers if name not in _METRICS)
    metrics = [*_CODE, *(Metric(name, name.replace("_", " "), "", True) for name in others)]
    metrics = [metric for metric in metrics if any(metric.name in setting.numbers for setting in settings)]
    return _table(settings, [(_heading(metric), functools.partial(_Setting.show, metric=metric)) for metric in metrics])


def _dictionaries(settings: Sequence[_Setting]) -> Table:
    columns: list[tuple[str, Callable[[_Setting], str]]] = []
    for metric in _DICTIONARY:
        columns.append((_heading(metric), functools.partial(_Setting.show, metric=metric)))
        dense = _METRICS.get(_PAIRS.get(metric.name, ""))
        if dense is not None:
            columns.append((f"dense {_heading(dense)}", functools.partial(_Setting.show, metric=dense)))
            columns.append(("difference", functools.partial(_difference, metric, dense.name, len(settings))))
    columns.insert([title for title, _ in columns].index("linear probe %"), ("impurity", _impurity))
    return _table(settings, columns)


def _table(settings: Sequence[_Setting], columns: Sequence[tuple[str, Callable[[_Setting], str]]]) -> Table:
    def num_seeds(setting: _Setting) -> str:
        return str(max(map(len, setting.numbers.values())))

    columns = [("setting", lambda setting: setting.name), *columns, ("n", num_seeds)]
    rows = [[show(setting) for _, show in columns] for setting in settings]
    return Table([title for title, _ in columns], rows)


def _to_html(known: Table) -> Html:
    return table(known.heading, known.rows, class_="sortable")


def _heading(metric: Metric) -> str:
    return f"{metric.title} {metric.unit}".strip()


def _difference(metric: Metric, dense: str, num_comparisons: int, setting: _Setting) -> str:
    """Returns how much the dictionary's metric exceeds the dense code's, and whether that is shown."""
    difference = paired_difference(
        setting.numbers.get(metric.name, {}), setting.numbers.get(dense, {}), num_comparisons
    )
    if difference is None:
        return ""
    better = "better" if metric.better(difference.mean, 0) else "worse"
    return f"{metric.show(difference)} {better if difference.excludes_zero else UNDECIDED}"


def _impurity(setting: _Setting) -> str:
    """Returns 1 − purity of the dictionary's units over that of the code's: at most a half is what one hopes for."""
    own, dense = (setting.numbers.get(name, {}) for name in ("dictionary_purity", "dense_purity"))
    ratios = [(1 - own[seed]) / (1 - dense[seed]) for seed in own if dense.get(seed, 1) < 1]
    return Metric("impurity", "impurity", "", False).show(student_interval(ratios)) if ratios else ""
