"""Executing a job: one population of one method, trained, evaluated, and written; or evaluated again."""

import functools
import io
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from aejax.config import config_id, flatten, to_tree
from aejax.data.load import DataConfig, Dataset
from aejax.data.resident import ResidentData
from aejax.errors import UserError
from aejax.evaluation.clustering import cluster_metrics
from aejax.evaluation.suite import available_measures, classify, describe, transferred
from aejax.evaluation.weights import weight_images
from aejax.experiment import Config
from aejax.study import results as results_file
from aejax.study.checkpoint import Checkpoints
from aejax.study.directory import StudyDirectory, write_atomically, write_json
from aejax.study.methods import MakeTask, Method, make_task, represent
from aejax.study.metrics import MetricsWriter, shortest
from aejax.study.status import PopulationStatus, read_status, write_status
from aejax.study.stop import StopRequest
from aejax.sweep import Population
from aejax.training.flops import training_flops
from aejax.training.loop import Cost, Start, Trained, compile_chunk, epochs_per_chunk, state_shapes, train
from aejax.training.population import Members, Program, fit_members
from aejax.training.state import Status, TrainState
from aejax.training.step import batch_size, init_variables

NUM_PICTURED_IMAGES = 16  # Test images whose reconstructions are kept for the report.
NUM_PICTURED_MEMBERS = 4

Say = Callable[[str], None]


class Job(NamedTuple):
    """One population of one method: the unit of work."""

    method: Method
    population: Population

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the members' configs."""
        return tuple(config_id(config) for config in self.population.members)

    def __str__(self) -> str:
        count = len(self.population.members)
        return f"{self.method.name} ({count} member{'s' if count > 1 else ''})"


class Source(NamedTuple):
    """A data set in host memory, and on the devices."""

    dataset: Dataset
    data: ResidentData


Place = Callable[[DataConfig], Source]


class Options(NamedTuple):
    """How to execute, none of which changes a result."""

    tensorboard: bool = False
    checkpoint_seconds: float = 60.0  # Between checkpoints, at least; less often where saving takes long.
    stop: StopRequest = StopRequest()
    say: Say = print


class _Job:
    """A job with everything that stays the same while it is executed."""

    def __init__(self, job: Job, place: Place, directory: StudyDirectory, options: Options):
        self.job, self.options = job, options
        self.configs = job.population.members
        config = self.configs[0]
        others = config.evaluation.other_data()
        self.sources = {name: place(data) for name, data in ({"own": config.data} | others).items()}
        self.dataset, self.data = self.sources["own"]
        self.path = directory.population(job.method.name, job.ids)
        image_shape = self.dataset.train.image.shape[1:]
        self.task: MakeTask = make_task(job.method.name, image_shape, self.dataset.num_classes)
        self.members = self._fit_members()
        self.checkpoints = Checkpoints(self.path)

    def _fit_members(self) -> Members:
        at_once = self.configs[0].training.members_at_once
        if not self.job.method.trains:
            return Members(self.configs, at_once)
        num_epochs = epochs_per_chunk(self.task(self.configs[0]), self.data)
        program = lambda members: compile_chunk(members, self.task, self.data, num_epochs)  # noqa: E731
        return fit_members(self.configs, at_once, lambda members: program(members).memory_bytes)


def execute(job: Job, place: Place, directory: StudyDirectory, options: Options) -> None:
    """Trains and evaluates one population, going on where an earlier process stopped, and writes what came of it.

    `place` gives the data of a data config.

    Raises:
      Interrupted: if a stop was asked for; what was done is saved.
      OSError: if something could not be written; what was saved before is still there.
    """
    work = _Job(job, place, directory, options)
    work.path.mkdir(parents=True, exist_ok=True)
    known = read_status(work.path)
    status = PopulationStatus(job.method.name, job.ids, "training", None if known is None else known.checkpoint)
    write_status(work.path, status)
    results, pictures = _evaluate(work, _fit(work, status))
    if pictures:
        content = io.BytesIO()
        np.savez_compressed(content, allow_pickle=False, **pictures)
        write_atomically(work.path / "pictures.npz", content.getvalue())
    write_json(work.path / results_file.FILE, results)
    status = read_status(work.path) or status
    write_status(work.path, status._replace(state="finished"))
    work.checkpoints.keep(1)


def evaluate(job: Job, place: Place, directory: StudyDirectory, options: Options) -> dict[str, Any]:
    """Returns what results.json of a finished population would hold, evaluated again from its checkpoint.

    Raises:
      UserError: if there is no whole checkpoint of the trained population.
    """
    work = _Job(job, place, directory, options)
    start = None
    if job.method.trains:
        status = read_status(work.path)
        start, _ = _restore(work, None if status is None else status.checkpoint)
        if start is None or np.any(start.state.status == Status.RUNNING):
            raise UserError(f"{work.path} holds no checkpoint of the trained members; delete it and train again")
    trained = None if start is None else Trained(list(work.members.deal(start.state)), start.cost)
    return _evaluate(work, _fitted(work, trained))[0]


def _restore(work: _Job, newest: int | None) -> tuple[Start | None, int]:
    """Returns where to go on from, if there is a checkpoint, and how much of the curves belongs to it."""
    if not work.checkpoints.exist() and newest is None:
        return None, 0
    shapes = state_shapes(work.members, work.task, work.data)
    restored = work.checkpoints.restore(shapes, newest, work.options.say)
    if restored is None:
        work.options.say(f"{work.path}: no whole checkpoint, so it is trained from the beginning")
        return None, 0
    state, facts = restored
    return Start(state, Cost(**facts["cost"])), facts["metrics_bytes"]


class _Saver:
    """Saves when it is time, or when the process was asked to stop, and then lets it stop."""

    def __init__(self, work: _Job, status: PopulationStatus, write: MetricsWriter):
        self._work, self._status, self._write = work, status, write
        self._interval = work.options.checkpoint_seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        return bool(self._work.options.stop) or time.monotonic() - self._last >= self._interval

    def save(self, state: TrainState, cost: Cost) -> None:
        started = time.monotonic()
        # The curves first: a checkpoint says how much of them belongs to it.
        facts = {"cost": cost._asdict(), "metrics_bytes": self._write.sync()}
        number = self._work.checkpoints.save(state, facts)
        self._status = self._status._replace(checkpoint=number)
        write_status(self._work.path, self._status)
        self._work.options.stop.obey()
        self._last = time.monotonic()
        # Never more than a twentieth of the time for saving, unless every chunk is to be saved.
        asked = self._work.options.checkpoint_seconds
        self._interval = max(asked, 20 * (self._last - started)) if asked else 0.0


class Fitted(NamedTuple):
    """What evaluation wants to know of a population that was trained, or that needs no training."""

    variables: list[Any]  # By round.
    statuses: list[str]  # Of each member.
    metrics: dict[str, np.ndarray]  # What training itself can say of each member, [members].
    cost: dict[str, float]


def _fit(work: _Job, status: PopulationStatus) -> Fitted:
    if not work.job.method.trains:
        return _fitted(work, None)
    start, keep_bytes = _restore(work, status.checkpoint)
    with MetricsWriter(work.path, work.configs, tensorboard=work.options.tensorboard, keep_bytes=keep_bytes) as write:
        trained = train(
            work.members,
            work.task,
            work.data,
            write=write,
            description=str(work.job),
            saver=_Saver(work, status, write),
            start=start,
        )
    return _fitted(work, trained)


def _fitted(work: _Job, trained: Trained | None) -> Fitted:
    members, method = work.members, work.job.method
    untrained = ["finished"] * members.num
    if not method.has_parameters:
        return Fitted([()] * members.num_rounds, untrained, {}, {})
    if trained is None:
        init = members.compile(lambda config, _, data: init_variables(work.task(config), data), (), work.data)
        variables = [init(index, (), work.data) for index in range(members.num_rounds)]
        return Fitted(variables, untrained, {}, {"parameters": _num_parameters(variables[0], members)})
    variables = [state.evaluated_variables() for state in trained.states]
    status, step, past_minimum = members.fetch(
        [(state.status, state.step, state.past_minimum) for state in trained.states]
    )
    num_images = int(step.sum()) * batch_size(work.configs[0].training, work.data)
    seconds = trained.cost.train_seconds
    cost = {
        "parameters": _num_parameters(variables[0], members),
        "train_seconds": seconds / members.num,
        "train_tflop": training_flops(work.task(work.configs[0]), work.data, float(step.mean())) / 1e12,
        "images_per_second": num_images / seconds if num_images else 0.0,
        "train_compile_seconds": trained.cost.compile_seconds,
        "memory_mb": trained.cost.memory_bytes / 1e6,
    }
    statuses = [Status(value).name.lower() for value in status]
    metrics = {"past_minimum": past_minimum} if work.data.size("validation") else {}
    return Fitted(variables, statuses, metrics, cost)


def _num_parameters(variables: Any, members: Members) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) // members.round_size


def _evaluate(work: _Job, fitted: Fitted) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Returns what results.json and pictures.npz hold."""
    metrics, reconstructions, evaluation_cost = _measure(work, fitted.variables)
    metrics |= fitted.metrics
    trees = [dict(flatten(to_tree(config))) for config in work.configs]
    trees = [{name: tree[name] for name in tree if work.job.method.depends_on(name)} for tree in trees]
    common = {name: value for name, value in trees[0].items() if all(tree[name] == value for tree in trees)}
    dataset = work.dataset
    results = {
        "method": work.job.method.name,
        "data": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "num_classes": dataset.num_classes,
            "train": len(dataset.train.image),
            "validation": len(dataset.validation.image),
            "test": len(dataset.test.image),
        },
        "config": common,
        "cost": fitted.cost | evaluation_cost,
        "members": [
            {
                "id": name,
                "config": {path: value for path, value in tree.items() if path not in common},
                "metrics": {metric: shortest(value[index]) for metric, value in metrics.items()},
                "status": status,
            }
            for index, (name, tree, status) in enumerate(zip(work.job.ids, trees, fitted.statuses, strict=True))
        ],
    }
    if reconstructions is None:
        return results, {}
    return results, _pictures(work, fitted.variables, reconstructions, metrics)


def _measure(work: _Job, variables: list[Any]) -> tuple[dict[str, np.ndarray], np.ndarray | None, dict[str, float]]:
    """Returns metrics, arrays [members]; reconstructions of some test images, [members, ...], or None; and the cost."""
    job, task = work.job, work.task
    shared = {name: source.data for name, source in work.sources.items()}

    def describe_member(config: Config, variables: Any, shared: dict[str, ResidentData]) -> Any:
        data, others = shared["own"], {name: data for name, data in shared.items() if name != "own"}
        representation = represent(job.method.name, task(config), variables, config, data)
        metrics, features = describe(representation, data, config.evaluation, others)
        if representation.reconstruct is None:
            return metrics, features, None
        return metrics, features, representation.reconstruct(jnp.asarray(data.image["test"][:NUM_PICTURED_IMAGES]))

    def classify_member(name: str, config: Config, features: Any, label: Any) -> Any:
        num_classes = work.sources[name].dataset.num_classes
        assert num_classes is not None, "data without labels ask for no features"
        return classify(features, label, config.evaluation, num_classes)

    def compile_classifiers(members: Members, features: Any) -> dict[str, Program]:
        # Features of one size are classified by one program, whatever method they come from.
        return {
            name: members.compile(functools.partial(classify_member, name), features[name], shared[name].label)
            for name in features
            if features[name]
        }

    def evaluation_bytes(members: Members) -> int:
        one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), variables[0])
        member = members.abstract(one)
        describing = members.compile(describe_member, member, shared)
        _, features, _ = describing.result_shapes
        programs = [describing, *compile_classifiers(members, features).values()]
        return max(program.memory_bytes for program in programs)

    members = fit_members(work.configs, work.members.at_once, evaluation_bytes)
    if members.round_size != work.members.round_size:
        variables = list(members.deal(work.members.fetch(variables)))
    describing = members.compile(describe_member, variables[0], shared)
    classifying: dict[str, Program] | None = None
    compile_seconds = describing.compile_seconds
    results, samples = [], []
    started = time.perf_counter()
    with tqdm.tqdm(total=members.num, desc=f"{job}, evaluation", unit="member", disable=None) as bar:
        for index in range(members.num_rounds):
            metrics, features, sample = describing(index, variables[index], shared)
            if classifying is None:
                classifying = compile_classifiers(members, features)
                seconds = sum(program.compile_seconds for program in classifying.values())
                compile_seconds += seconds
                started += seconds
            for name, program in classifying.items():
                classified = program(index, features[name], shared[name].label)
                classified |= _cluster_round(work, name, members, index, features[name])
                metrics |= {
                    metric if name == "own" else transferred(metric): classified[metric] for metric in classified
                }
            results.append(jax.device_get(metrics))
            samples.append(jax.device_get(sample))
            first, after = members.span(index)
            bar.update(after - first)
            work.options.stop.obey()
    cost = {
        "evaluation_seconds": (time.perf_counter() - started) / members.num,
        "evaluation_compile_seconds": compile_seconds,
    }
    return members.fetch(results), None if samples[0] is None else members.fetch(samples), cost


def _cluster_round(
    work: _Job, name: str, members: Members, index: int, features: dict[str, jax.Array]
) -> dict[str, np.ndarray]:
    """Returns the metrics of clusters, arrays [round_size], of one source's features; none if they are not wanted."""
    if "clustering" not in available_measures(work.configs[0].evaluation, labelled=True):
        return {}
    source = work.sources[name]
    assert source.dataset.num_classes is not None, "data without labels ask for no features"
    label = {split: np.asarray(label) for split, label in source.data.label.items()}
    found = []
    for member in range(members.round_size):
        if member < members.span(index)[1] - members.span(index)[0]:  # The others fill up the last round.
            own = {split: np.asarray(features[split][member]) for split in label}
            found.append(cluster_metrics(own, label, num_classes=source.dataset.num_classes))
        else:
            found.append(found[0])
        work.options.stop.obey()
    return {metric: np.array([of[metric] for of in found], np.float32) for metric in found[0]}


def _pictures(
    work: _Job, variables: list[Any], reconstructions: np.ndarray, metrics: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns what pictures.npz holds: some test images, and what the best few settings make of them.

    `id` names the members, the first seed of a setting each; `image` and `reconstruction` are uint8, the weights of
    layers that touch the pixels (`encoder_weights`, `decoder_weights`) float16.
    """
    error = metrics.get("validation_mse", np.zeros(work.members.num))
    settings: dict[str, int] = {}
    for index in np.argsort(np.nan_to_num(error, nan=np.inf), kind="stable"):
        tree = to_tree(work.configs[index])
        settings.setdefault(json.dumps({name: tree[name] for name in tree if name != "seed"}), int(index))
    chosen = list(settings.values())[:NUM_PICTURED_MEMBERS]
    image = work.dataset.test.image[:NUM_PICTURED_IMAGES]
    pictures = {
        "id": np.array([work.job.ids[index] for index in chosen]),
        "image": image if image.dtype == np.uint8 else _to_bytes(image),
        "reconstruction": _to_bytes(reconstructions[chosen]),
    }
    if not work.job.method.trains:
        return pictures
    weights = []
    for index in chosen:
        of_round = index // work.members.round_size
        params = work.members.fetch_round(of_round, variables[of_round]["params"])
        member = jax.tree.map(lambda leaf: leaf[index % work.members.round_size], params)  # noqa: B023
        weights.append(weight_images(member, image.shape[1:]))
    for name in weights[0]:
        pictures[f"{name}_weights"] = np.stack([images[name] for images in weights]).astype(np.float16)
    return pictures


def _to_bytes(image: np.ndarray) -> np.ndarray:
    return np.round(np.clip(np.nan_to_num(image), 0, 1) * 255).astype(np.uint8)
