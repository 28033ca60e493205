"""Measuring a population that was fitted: its metrics, and pictures of what it makes of some images."""

import functools
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aejax.config import flatten, to_tree
from aejax.data.balance import majority
from aejax.data.load import Dataset
from aejax.data.pixels import to_bytes
from aejax.data.resident import ResidentData
from aejax.evaluation.suite import classify, describe, host_measures, measure_on_host, of_origin
from aejax.evaluation.weights import weight_images
from aejax.experiment import Config
from aejax.measures.base import Compared
from aejax.store.metrics import shortest
from aejax.study.generation import evaluation_cost, measure_generators
from aejax.study.job import Execution
from aejax.training.compilation import LESS_EFFORT, wait_for_compilations
from aejax.training.population import Members, Program, fit_members, shapes_of_member, to_host

NUM_PICTURED_IMAGES = 16  # Test images whose reconstructions are kept for the report.
NUM_PICTURED_MEMBERS = 4


class FittedPopulation(NamedTuple):
    """What evaluation wants to know of a population that was trained, or that needs no training."""

    variables: list[Any]  # By round.
    statuses: list[str]  # Of each member.
    metrics: dict[str, np.ndarray]  # What training itself can say of each member, [members].
    cost: dict[str, float]


def measure(
    execution: Execution, fitted: FittedPopulation
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns the content of results.json, pictures.npz and codes.npz."""
    variables = fitted.variables
    if len(variables) != execution.members.num_rounds:  # Fewer at once than when they were trained.
        variables = list(execution.members.deal(execution.members.fetch(variables)))
    makes_images = execution.job.method.makes_images
    metrics, pictures, evaluation_cost, codes = (
        PopulationMetrics(*measure_generators(execution, variables)) if makes_images else _measure(execution, variables)
    )
    metrics |= fitted.metrics
    if not execution.evaluation.tell_test:
        metrics = {name: value for name, value in metrics.items() if not name.startswith("test_")}
        codes = {split: code for split, code in codes.items() if split != "test"}
        pictures = {}  # They are of test images.
    if execution.dataset.vectors:
        pictures = {}  # Nobody could see anything in them.
    trees = [dict(flatten(to_tree(config))) for config in execution.configs]
    trees = [{name: tree[name] for name in tree if execution.job.method.depends_on(name)} for tree in trees]
    common = {name: value for name, value in trees[0].items() if all(tree[name] == value for tree in trees)}
    others = {name: _describe(source.dataset) for name, source in execution.sources.items() if name != "own"}
    results = {
        "method": execution.job.method.name,
        "data": _describe(execution.dataset) | ({"others": others} if others else {}),
        "config": common,
        "cost": fitted.cost | evaluation_cost,
        "members": [
            {
                "id": name,
                "config": {path: value for path, value in tree.items() if path not in common},
                "metrics": {metric: shortest(value[index]) for metric, value in metrics.items()},
                "status": status,
            }
            for index, (name, tree, status) in enumerate(zip(execution.job.ids, trees, fitted.statuses, strict=True))
        ],
    }
    return results, _pictures(execution, variables, pictures, metrics) if pictures else {}, codes


def _describe(dataset: Dataset) -> dict[str, Any]:
    """The entry of results.json for a data set that a number used."""
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "num_classes": dataset.num_classes,
        "pixels": dataset.pixels,
        **{name: len(split.image) for name, split in dataset.splits.items()},
        **({"labelled": dataset.num_labelled} if dataset.num_labelled else {}),
        **({"majority": majority(dataset)} if dataset.num_classes is not None else {}),
    }


class PopulationMetrics(NamedTuple):
    """The metrics of a population, what members make of some test images, if that is an image, and the cost."""

    metrics: dict[str, np.ndarray]  # [members]
    pictures: dict[str, np.ndarray]  # [members, ...]
    cost: dict[str, float]
    # Of validation and test images by split, [members, n, d], where members are measured beside each other.
    codes: dict[str, np.ndarray] = {}  # noqa: RUF012


def _measure(execution: Execution, variables: list[Any]) -> PopulationMetrics:
    one = shapes_of_member(variables[0])

    def trained_if_alike(members: Members) -> Members:
        """Returns the members that were trained, which may know the programs, if these are dealt out alike."""
        return execution.members if members.round_size == execution.members.round_size else members

    def evaluation_bytes(members: Members) -> int:
        members = trained_if_alike(members)
        programs = evaluation_programs(execution, members, one)
        return max(program.memory_bytes for program in [programs.describing, *programs.classifying.values()])

    members = trained_if_alike(fit_members(execution.configs, execution.members.at_once, evaluation_bytes))
    if members is not execution.members:
        variables = list(members.deal(execution.members.fetch(variables)))
    describing, classifying = evaluation_programs(execution, members, one)
    wait_for_compilations()
    compile_seconds = sum(program.compile_seconds for program in [describing, *classifying.values()])
    shared = {name: source.data for name, source in execution.sources.items()}
    results, samples, codes = [], [], []
    beside = any(measure.members is not None for measure in execution.evaluation.wanted())
    started = time.perf_counter()
    for index in execution.rounds(members):
        (metrics, features, code, outlying), sample = describing(index, variables[index], shared)
        for name, program in classifying.items():
            classified = program(index, features[name], execution.source(name).data.known_label)
            compared = ComparedWith("labels", *_labels(execution, name))
            classified |= _measure_round(execution, members, index, features[name], compared)
            metrics |= {of_origin(metric, name): value for metric, value in classified.items()}
        if beside:
            codes.append(to_host({split: code[split] for split in code if split != "train"}))
        metrics |= _measure_round(execution, members, index, code, ComparedWith("factors", _factors(execution)))
        metrics |= _measure_round(execution, members, index, outlying, ComparedWith("outliers", {}))
        results.append(to_host(metrics))
        samples.append(to_host(sample))
    results = members.fetch(results)
    cost = evaluation_cost(members, time.perf_counter() - started, compile_seconds)
    pictures = {} if samples[0] is None else {"reconstruction": members.fetch(samples)}
    return PopulationMetrics(results, pictures, cost, members.fetch(codes) if codes else {})


class EvaluationPrograms(NamedTuple):
    """The program that describes the members of a round, and those that classify features, by the features' origin."""

    describing: Program
    classifying: dict[str, Program]


def evaluation_programs(execution: Execution, members: Members, variables: Any) -> EvaluationPrograms:
    """Returns the programs that evaluate members; `variables` are the shapes and types of one member's."""
    shared = {name: source.data for name, source in execution.sources.items()}

    def describe_member(config: Config, variables: Any, shared: dict[str, ResidentData]) -> Any:
        data, others = shared["own"], {name: data for name, data in shared.items() if name != "own"}
        representation, task = execution.represent(config, variables, data), execution.task_or_none(config)
        description = describe(
            representation, data if task is None else task.measured_on(data), execution.evaluation, others
        )
        if representation.reconstruct is None or not data.size("test"):
            return description, None
        stored = jnp.asarray(data.image["test"][:NUM_PICTURED_IMAGES])
        label = jnp.asarray(data.label["test"][:NUM_PICTURED_IMAGES]) if data.label else None
        return description, representation.reconstruct(stored, label)

    def classify_member(name: str, _: Config, features: Any, label: Any) -> Any:
        source = execution.source(name)
        num_classes, unbalanced = source.dataset.num_classes, source.data.unbalanced
        assert num_classes is not None, "data without labels ask for no features"
        return _classify(features, label, execution.evaluation, num_classes, unbalanced)

    describing = members.compile(describe_member, members.abstract(variables), shared, name="describe")
    features = describing.result_shapes[0].features
    # Features of one size are classified by one program, whatever method they come from.
    classifying = {
        name: members.compile(
            functools.partial(classify_member, name),
            features[name],
            execution.source(name).data.known_label,
            name=f"classify {name}",
            options=LESS_EFFORT,
        )
        for name in features
        if features[name]
    }
    return EvaluationPrograms(describing, classifying)


# Traced once for features of one size.
_classify = jax.jit(classify, static_argnums=(2, 3, 4))


def _each_member(members: Members, index: int, tree: Any, function: Callable[[Any], Any]) -> list[Any]:
    """Maps a function over the members of a round, of arrays [members of the round, ...] on the host."""
    on_host = members.fetch_round(index, tree)
    first, after = members.span(index)
    return [function(jax.tree.map(lambda leaf: leaf[member], on_host)) for member in range(after - first)]  # noqa: B023


def _labels(execution: Execution, name: str) -> tuple[dict[str, np.ndarray], int]:
    """Returns the labels of one source's images by split, and the number of classes."""
    source = execution.source(name)
    assert source.dataset.num_classes is not None, "data without labels ask for no features"
    return {split: np.asarray(label) for split, label in source.data.known_label.items()}, source.dataset.num_classes


def _factors(execution: Execution) -> dict[str, np.ndarray]:
    return {name: split.factor for name, split in execution.dataset.splits.items() if split.factor is not None}


class ComparedWith(NamedTuple):
    """What features are compared with on the host."""

    kind: Compared
    target: dict[str, np.ndarray]  # Labels or factors by split; of outliers nothing.
    num_classes: int | None = None  # Of labels.


def _measure_round(
    execution: Execution, members: Members, index: int, features: Any, compared: ComparedWith
) -> dict[str, np.ndarray]:
    """Returns the metrics of a round that are made on the host, a member at a time, arrays [round_size].

    There are none if none are wanted.
    """
    kind, target, num_classes = compared
    if not features or not host_measures(execution.evaluation, kind):
        return {}

    def measure_member(own: Any) -> dict[str, float]:
        known = {split: target[split] for split in own if split in target}
        metrics = measure_on_host(own, known, execution.evaluation, num_classes, kind)
        execution.options.obey_stop()
        return metrics

    read = {split: features[split] for split in features if split in target or not target}
    of_members = _each_member(members, index, read, measure_member)
    of_members += [of_members[0]] * (members.round_size - len(of_members))  # These fill up the last round.
    return {metric: np.array([of[metric] for of in of_members], np.float32) for metric in of_members[0]}


def _pictures(
    execution: Execution, variables: list[Any], of_members: dict[str, np.ndarray], metrics: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The content of pictures.npz: some test images, and their reconstructions by the best few settings.

    `id` names the members, the first seed of a setting each; `image`, and the images `of_members`
    (`reconstruction`, or `sample` and `nearest`, the training images nearest to the first of these), are uint8, the
    weights of layers that touch the pixels (`encoder_weights`, `decoder_weights`) float16.
    """
    error = metrics.get(execution.job.method.chosen_by, np.zeros(execution.members.num))
    settings: dict[str, int] = {}
    for index in np.argsort(np.nan_to_num(error, nan=np.inf), kind="stable"):
        tree = to_tree(execution.configs[index])
        settings.setdefault(json.dumps({name: tree[name] for name in tree if name != "seed"}), int(index))
    chosen = list(settings.values())[:NUM_PICTURED_MEMBERS]
    image = execution.dataset.test.image[:NUM_PICTURED_IMAGES]
    pictures = {
        "id": np.array([execution.job.ids[index] for index in chosen]),
        "image": to_bytes(image),
        **{name: to_bytes(images[chosen]) for name, images in of_members.items()},
    }
    if not execution.job.method.trains or execution.job.method.makes_images:
        return pictures
    weights = []
    for index in chosen:
        of_round = index // execution.members.round_size
        fetched = execution.members.fetch_round(of_round, variables[of_round])
        member = jax.tree.map(lambda leaf: leaf[index % execution.members.round_size], fetched)  # noqa: B023
        patches = execution.configs[index].autoencoder.patches
        shape = image.shape[1:] if patches is None else patches.patch_shape(image.shape[1:])
        weights.append(weight_images(member, shape))
    for name in weights[0]:
        pictures[f"{name}_weights"] = np.stack([images[name] for images in weights]).astype(np.float16)
    return pictures
