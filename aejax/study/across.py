"""Metrics of members beside each other: of all seeds of a setting, whichever populations they ran in."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from aejax.cache import read_arrays
from aejax.experiment import Config
from aejax.measures.base import Measure
from aejax.methods.base import find_method
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_all
from aejax.store.files import lock, read_json, write_json
from aejax.store.metrics import shortest
from aejax.store.results import CODES, FILE
from aejax.study.job import Job
from aejax.study.plan import Roster

Codes = Mapping[str, np.ndarray]  # By split, [members, n, d], in the order of the results.


class Replicate(NamedTuple):
    """A finished member, to be measured beside those that differ from it in their seed alone."""

    method: str
    config: Config
    metrics: Mapping[str, float]
    codes: Callable[[], Codes] | None  # Reads its population's; None where an earlier version kept none.
    number: int  # Of the member in them.
    path: pathlib.Path  # Of its population.


def replicates_of(job: Job, results: Mapping[str, Any], codes: Any, path: pathlib.Path) -> list[Replicate]:
    """Returns the members of a population; `results` are as results.json holds them."""
    pairs = enumerate(zip(job.population.members, results["members"], strict=True))
    return [Replicate(job.method.name, config, of["metrics"], codes, number, path) for number, (config, of) in pairs]


def measure_across(
    members: Sequence[Replicate], say: Callable[[str], None]
) -> dict[pathlib.Path, dict[int, dict[str, float]]]:
    """Returns further metrics of members, by population and index: those of groups in which a member lacks some."""
    groups: dict[tuple[str, Config], list[Replicate]] = {}
    for member in members:
        groups.setdefault((member.method, dataclasses.replace(member.config, seed=0)), []).append(member)
    of_populations: dict[pathlib.Path, dict[int, dict[str, float]]] = {}
    for group in groups.values():
        group.sort(key=lambda member: member.config.seed)
        for measure in find_method(group[0].method).evaluation(group[0].config).wanted():
            if measure.members is None or len(group) == 1 or all(_has(member, measure) for member in group):
                continue
            for member, metrics in zip(group, _measure(measure, group, say), strict=True):
                of_populations.setdefault(member.path, {}).setdefault(member.number, {}).update(metrics)
    return of_populations


def _has(member: Replicate, measure: Measure) -> bool:
    return any({metric.validation, metric.test} & set(member.metrics) for metric in measure.metrics)


def _measure(measure: Measure, group: Sequence[Replicate], say: Callable[[str], None]) -> list[dict[str, float]]:
    """Returns the metrics of a group's members; none of those whose codes are not finite, or of all if one has none."""
    metrics: list[dict[str, float]] = [{} for _ in group]
    codes_of: dict[pathlib.Path, Codes] = {}  # By population.
    codes = []
    for member in group:
        if member.codes is None:
            say(f"{member.path}: '{measure.name}' needs codes that it lacks; aejax evaluate --update keeps them")
            return metrics
        if member.path not in codes_of:
            codes_of[member.path] = member.codes()
        codes.append({split: code[member.number] for split, code in codes_of[member.path].items()})
    finite = [index for index, own in enumerate(codes) if own and all(np.isfinite(code).all() for code in own.values())]
    if len(finite) > 1 and measure.members is not None:
        for name, values in measure.members([codes[index] for index in finite]).items():
            for index, value in zip(finite, np.asarray(values, np.float32), strict=True):
                metrics[index][name] = shortest(value)
    return metrics


def renew_across(directory: StudyDirectory, roster: Roster, say: Callable[[str], None]) -> None:
    """Writes metrics of members beside each other to the results of a study's finished populations, where some lack.

    Raises:
      OSError: if a file cannot be read or written now.
    """
    evaluations = {find_method(method).evaluation(config) for method, config in roster.configs}
    if not any(measure.members for evaluation in evaluations for measure in evaluation.wanted()):
        return
    members: list[Replicate] = []
    for one in read_all(directory):
        if one.is_finished and one.results is not None and one.status is not None and roster.has(one.status):
            results = dataclasses.asdict(one.results)
            job = roster.job(one.results.method, [member.id for member in one.results.members])
            codes = functools.partial(read_arrays, one.path / CODES) if CODES in one.results.files else None
            members += replicates_of(job, results, codes, one.path)
    for path, metrics in measure_across(members, say).items():
        if any(metrics.values()):
            with lock(path):
                write_metrics(path, metrics)


def write_metrics(path: Any, metrics: Mapping[int, Mapping[str, float]]) -> None:
    """Writes further metrics of a population's members, by index, to its results.json."""
    tree = read_json(path / FILE)
    add_metrics(tree, metrics)
    write_json(path / FILE, tree)


def add_metrics(results: Mapping[str, Any], metrics: Mapping[int, Mapping[str, float]]) -> None:
    """Adds further metrics of members, by index, to results as results.json holds them."""
    for index, further in metrics.items():
        results["members"][index]["metrics"] |= further
