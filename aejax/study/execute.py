"""Executing a job: one population of one method, trained, evaluated, and written; or evaluated again."""

import contextlib
import dataclasses
import functools
import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import jax
import numpy as np

from aejax.config import config_id, load
from aejax.data.description import DataDescription
from aejax.data.preprocessing import to_arrays
from aejax.data.resident import ResidentData
from aejax.errors import ConfigError, Interrupted, UserError, is_out_of_memory
from aejax.experiment import Config
from aejax.methods.base import FitOnHost, find_method
from aejax.store import metrics
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import PICTURES, Evidence, read_evidence
from aejax.store.files import (
    InRange,
    digest_of,
    lock,
    remove_leftovers,
    set_aside,
    write_arrays,
    write_json,
)
from aejax.store.metrics import MetricsWriter, Written
from aejax.store.results import CODES
from aejax.store.results import FILE as RESULTS
from aejax.store.status import PopulationStatus, read_status, write_status
from aejax.study.foresee import compile_variables
from aejax.study.job import Execution, Job, Learnt, Options, SourceOf
from aejax.study.measure import FittedPopulation, measure
from aejax.study.track import track
from aejax.trackers.tracking import Tracking
from aejax.training.flops import training_flops
from aejax.training.loop import Cost, StartingPoint, TrainedPopulation, state_shapes, train
from aejax.training.population import Members, is_leader, wait_for_all
from aejax.training.state import Status, TrainState
from aejax.training.step import adopt, batch_size, init_variables, steps_per_epoch

Result = TypeVar("Result")
Arrays = dict[str, np.ndarray]

# How long to wait for another process that executes the same population. A file server may keep the lock of a machine
# that died for 90 seconds (NFS).
LOCK_SECONDS = 120.0


def execute(execution: Execution, parents: Sequence[Learnt] = ()) -> None:
    """Trains and evaluates one population, going on where an earlier process stopped, and writes what came of it.

    What is finished is left as it is, so it does no harm if an executor asks twice.

    `parents` are finished populations among whose members are those that the job's members begin with, or go on from.

    Raises:
      Interrupted: if a stop was asked for; what was done is saved.
      ParentMissing: if a member that another begins with was not trained.
      OSError: if something could not be written; what was saved before is still there.
    """
    job, options = execution.job, execution.options
    # Another process that was given the population may not have noticed yet that it is to stop.
    with lock(execution.path, patience=LOCK_SECONDS) if is_leader() else contextlib.nullcontext():
        evidence = read_evidence(execution.path)
        status = evidence.status or PopulationStatus(job.method.name, job.ids, "waiting")
        wait_for_all(f"{job.ids} known")  # Before the leader changes it.
        if not evidence.is_finished:
            if is_leader():
                clear(evidence, options)
            _execute(execution, status.enter("running"), parents)


def clear(evidence: Evidence, options: Options) -> None:
    """Sets aside the damaged files of a population that a run makes again; this process has locked the population."""
    for fault in evidence.faults:
        # Curves belong to a checkpoint: whoever goes on from that decides about them.
        if fault.path.name != metrics.FILE and os.path.lexists(fault.path):
            aside = set_aside(fault.path).name
            options.say(f"{fault} and was set aside as {aside}: it is made again, from the checkpoint if there is one")


def _execute(execution: Execution, status: PopulationStatus, parents: Sequence[Learnt]) -> None:
    begun = time.monotonic()
    if is_leader():
        remove_leftovers(execution.path.rglob("*"))
        write_status(execution.path, status)
    try:
        with track(execution) as tracking:
            fitted = _within_memory(execution, lambda: _fit(execution, status, parents, tracking))
            measured = _within_memory(execution, lambda: measure(execution, fitted))
            tracking.finish(measured[0]["members"])
    except Interrupted:
        if is_leader():
            write_status(execution.path, (read_status(execution.path) or status).enter("waiting"))
        raise
    if is_leader():
        write_results(execution.path, *measured)
        before = (read_status(execution.path) or status).enter("finished")
        training = fitted.cost.get("train_seconds", 0.0) * execution.members.num
        seconds = before.training + time.monotonic() - begun
        write_status(execution.path, before._replace(seconds=seconds, training=training))
        execution.checkpoints.keep(1)
    wait_for_all(f"{execution.job.ids} finished")


def write_results(path: pathlib.Path, results: dict[str, Any], pictures: Arrays, codes: Arrays) -> None:
    """Writes pictures.npz and codes.npz, if there are any, and results.json with the digests of what belongs to it."""
    files = {}
    if (path / metrics.FILE).exists():
        files[metrics.FILE] = digest_of(path / metrics.FILE)
    for name, arrays in {PICTURES: pictures, CODES: codes}.items():
        if arrays:
            files[name] = write_arrays(path / name, arrays, compressed=True)
    write_json(path / RESULTS, results | {"files": files})


def _within_memory(execution: Execution, function: Callable[[], Result]) -> Result:
    """Calls a function; where the devices' memory is exhausted, again with half as many members at once."""
    while True:
        try:
            return function()
        except jax.errors.JaxRuntimeError as error:
            if not is_out_of_memory(error) or execution.members.at_once == 1:
                raise
        # Here nothing holds what was in memory any more.
        execution.halve_members()
        execution.options.say(
            f"{execution.job}: the memory does not hold so many members at once; going on with "
            f"{execution.members.at_once} on each device (training.members_at_once)"
        )


def evaluate(
    job: Job, source_of: SourceOf, directory: StudyDirectory, options: Options
) -> tuple[dict[str, Any], Arrays, Arrays]:
    """Returns the results, pictures and codes of a finished population, evaluated again from its checkpoint.

    Raises:
      UserError: if there is no whole checkpoint of the trained population.
    """
    execution = Execution(job, source_of, directory, options)
    trained = None
    if job.method.trains:
        start = restore_trained(execution)
        trained = TrainedPopulation(list(execution.members.deal(start.state)), start.cost)
    return measure(execution, _fitted(execution, trained))


def restore_trained(execution: Execution) -> StartingPoint:
    """Returns the state of a population's trained members.

    Raises:
      UserError: if there is no whole checkpoint of it, or they are not trained yet.
    """
    status = read_status(execution.path)
    start, _ = _restore(execution, None if status is None else status.checkpoint, writes=False)
    if start is None:
        raise NotTrained(execution.path)
    check_trained(execution.path, start.state)
    return start


class NotTrained(UserError):
    """There is no whole checkpoint of a population's trained members."""

    def __init__(self, path: pathlib.Path):
        super().__init__(
            f"{path} holds no whole checkpoint of the trained members; remove it, and the study's command, run again, "
            "trains them again (of a published study: aejax reproduce)"
        )


def check_trained(path: pathlib.Path, state: TrainState) -> None:
    """Checks that the members of a population are trained, by their state.

    Raises:
      Untrained: if one is not.
    """
    if np.any(state.status == Status.RUNNING):
        raise NotTrained(path)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Resume:
    """The facts of a checkpoint that training goes on from: its cost so far, and how much of the curves is its own."""

    cost: Annotated[Cost, InRange]
    metrics_bytes: int
    metrics_digest: str | None = None


def _restore(execution: Execution, newest: int | None, *, writes: bool) -> tuple[StartingPoint | None, Written]:
    """Returns where to go on from, if there is a checkpoint, and how much of the curves belongs to it.

    `writes` is whether the leader has locked the population and goes on with it: it sets damaged checkpoints aside.
    """
    if not execution.checkpoints.exist() and newest is None:
        return None, Written()
    if not is_leader():
        wait_for_all("damaged checkpoints are set aside")
    checkpoint = execution.checkpoints.newest(newest, execution.options.say, writes=writes and is_leader())
    if is_leader():
        wait_for_all("damaged checkpoints are set aside")
    if checkpoint is None:
        if writes:
            execution.options.say(f"{execution.path}: no whole checkpoint, so it is trained from the beginning")
        return None, Written()
    state = checkpoint.read(state_shapes(Members(execution.configs, 1), execution.task, execution.data))
    try:
        resume = load(_Resume, checkpoint.facts.facts)
    except ConfigError as error:
        raise UserError(
            f"{execution.checkpoints.path}: the newest checkpoint is of another version ({error}); use the version "
            f"that study.json names, or remove {execution.path} and train again"
        ) from None
    return StartingPoint(state, resume.cost), Written(resume.metrics_bytes, resume.metrics_digest)


def _lost_where(status: np.ndarray, leaf: np.ndarray) -> np.ndarray:
    """Returns values [members, ...] with NaN for members that diverged: what begins with these diverges at once."""
    lost = (status == Status.DIVERGED).reshape(-1, *[1] * (leaf.ndim - 1))
    return np.where(lost, np.nan, leaf).astype(leaf.dtype) if np.issubdtype(leaf.dtype, np.floating) else leaf


class ParentMissing(UserError):
    """A member begins with what another has learnt, and there is no such."""


class _Saver:
    """Saves when it is time, or when the process was asked to stop, and then lets it stop."""

    def __init__(self, execution: Execution, status: PopulationStatus, write: MetricsWriter):
        self._execution, self._status, self._write = execution, status, write
        self._data, self._preprocessing = DataDescription.of(execution.dataset), to_arrays(execution.data.preprocessing)
        self._interval = execution.options.checkpoint_seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        return bool(self._execution.options.stop) or time.monotonic() - self._last >= self._interval

    def save(self, state: TrainState, cost: Cost) -> None:
        started = time.monotonic()
        if is_leader():
            # The curves first: a checkpoint says how much of them belongs to it.
            written = self._write.sync()
            facts = {
                "cost": cost._asdict(),
                "metrics_bytes": written.num_bytes,
                "metrics_digest": written.digest,
            }
            number = self._execution.checkpoints.save(state, facts, self._data, self._preprocessing)
            self._status = self._status._replace(checkpoint=number)
            write_status(self._execution.path, self._status)
        self._execution.options.obey_stop()
        self._last = time.monotonic()
        # Never more than a twentieth of the time for saving, unless every chunk is to be saved.
        asked = self._execution.options.checkpoint_seconds
        self._interval = max(asked, 20 * (self._last - started)) if asked else 0.0


def _learnt(
    execution: Execution, parents: Sequence[Learnt], wanted: Sequence[str], part: Callable[[TrainState], Any]
) -> Any:
    """Returns a part of the states of members with these ids, stacked in their order: arrays [members, ...]."""
    by_id: dict[str, Any] = {}
    for job, directory in parents:
        if set(job.ids) & set(wanted):
            learnt = part(restore_trained(Execution(job, execution.source_of, directory, execution.options)).state)
            by_id |= {name: jax.tree.map(lambda leaf: leaf[i], learnt) for i, name in enumerate(job.ids)}  # noqa: B023
    missing = [name for name in wanted if name not in by_id]
    if missing:
        raise ParentMissing(f"{execution.job} goes on from the autoencoder {missing[0]}, which was not trained")
    return jax.tree.map(lambda *leaves: np.stack(leaves), *(by_id[name] for name in wanted))


def _warm_start(execution: Execution, parents: Sequence[Learnt]) -> tuple[list[Any], float]:
    """Returns the variables that the members begin with, by round: those that others have learnt, and what is fitted to
    these in host memory; and the seconds that the latter took.
    """
    method = execution.job.method
    assert method.warm_start_from is not None, "others begin with random variables"
    wanted = [config_id(find_method(method.warm_start_from).reduce(config)) for config in execution.configs]

    def variables(state: TrainState) -> Any:
        return jax.tree.map(functools.partial(_lost_where, np.asarray(state.status)), state.evaluated_variables())

    initial = method.warm_start(_learnt(execution, parents, wanted, variables))
    seconds = 0.0
    fit = method.fit_on_host(execution.task(execution.configs[0]))
    if fit is not None:
        fitted, seconds = _fit_on_host(execution, fit, initial)
        initial |= fitted
    return list(execution.members.deal(initial)), seconds


def _fit_on_host(execution: Execution, fit: FitOnHost, initial: Any) -> tuple[dict[str, Any], float]:
    """Fits a part in host memory to the codes of training images; returns it as variables, and the seconds it took."""
    members = execution.members

    def codes(config: Config, given: Any, data: ResidentData) -> jax.Array:
        task = execution.task(config)
        code = task.see(adopt(init_variables(task, data), given), data).code
        assert code is not None
        return code["train"]

    rounds = list(members.deal(initial))
    program = members.compile(codes, rounds[0], execution.data)
    training_codes = members.fetch([program(index, given, execution.data) for index, given in enumerate(rounds)])
    started = time.perf_counter()
    fitted = fit(training_codes, [config.seed for config in execution.configs])
    return fitted, time.perf_counter() - started


def _continue(execution: Execution, parents: Sequence[Learnt]) -> StartingPoint:
    """Returns the states from which the members go on: those in which others have paused, or ended all their epochs."""
    state = _learnt(execution, parents, [config_id(config) for config in execution.job.continues], lambda state: state)
    goes_on = np.isin(state.status, (Status.PAUSED, Status.FINISHED))  # Others stopped for a reason that still holds.
    status = np.where(goes_on, Status.RUNNING, state.status).astype(np.int32)
    return StartingPoint(state.replace(status=status), Cost())


def _fit(
    execution: Execution, status: PopulationStatus, parents: Sequence[Learnt], tracking: Tracking
) -> FittedPopulation:
    if not execution.job.method.trains:
        return _fitted(execution, None)
    start, keep = _restore(execution, status.checkpoint, writes=True)
    status = status._replace(training=start.cost.train_seconds if start else 0.0)
    if is_leader():
        write_status(execution.path, status)
    initial, initial_seconds, begins = None, 0.0, start is None
    if start is None and execution.job.continues:
        start = _continue(execution, parents)
    elif start is None and execution.job.method.warm_start_from:
        initial, initial_seconds = _warm_start(execution, parents)
    path = execution.path if is_leader() else None
    say, tell = execution.options.say, tracking.log if execution.options.trackers else None
    with MetricsWriter(path, execution.configs, keep=keep, say=say, tell=tell) as write:
        saver = _Saver(execution, status, write)
        if begins and start is not None and np.all(start.state.status != Status.RUNNING):
            saver.save(start.state, start.cost)  # There is nothing to train, and the state is this member's too.
        trained = train(
            execution.members,
            execution.task,
            execution.data,
            write=write,
            description=str(execution.job),
            saver=saver,
            start=start,
            initial=initial,
            initial_seconds=initial_seconds,
            chunk_epochs=execution.chunk_epochs(execution.members),
        )
    return _fitted(execution, trained)


def _fitted(execution: Execution, trained: TrainedPopulation | None) -> FittedPopulation:
    members, method = execution.members, execution.job.method
    untrained = ["finished"] * members.num
    if not method.has_parameters:
        return FittedPopulation([()] * members.num_rounds, untrained, {}, {})
    if trained is None:
        init = compile_variables(execution)
        variables = [init(index, (), execution.data) for index in range(members.num_rounds)]
        return FittedPopulation(variables, untrained, {}, {"parameters": _num_parameters(variables[0], members)})
    variables = [state.evaluated_variables() for state in trained.states]
    status, step, past_minimum = members.fetch(
        [(state.status, state.step, state.past_minimum) for state in trained.states]
    )
    task = execution.task(execution.configs[0])
    own_data = jax.eval_shape(task.select, execution.data)
    # Those from whose states they went on have paid for these.
    step = np.maximum(step - np.array(execution.begun) * steps_per_epoch(task.training, own_data), 0)
    num_images = int(step.sum()) * batch_size(task.training, own_data)
    seconds = trained.cost.train_seconds
    cost = {
        "parameters": _num_parameters(variables[0], members),
        "train_seconds": seconds / members.num,
        "train_tflop": training_flops(task, execution.data, float(step.mean())) / 1e12,
        "images_per_second": num_images / seconds if seconds else 0.0,
        "train_compile_seconds": trained.cost.compile_seconds,
        "memory_mb": trained.cost.memory_bytes / 1e6,
    }
    statuses = [Status(value).name.lower() for value in status]
    metrics = {"past_minimum": past_minimum} if own_data.size("validation") else {}
    return FittedPopulation(variables, statuses, metrics, cost)


def _num_parameters(variables: Any, members: Members) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) // members.round_size
