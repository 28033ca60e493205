"""The flags of `aejax train`, read: an experiment, its overrides, its sweep or search, and how to execute it."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from absl import flags

from aejax import sweep as sweeps
from aejax.cli.arguments import define_features, define_number, read_flags
from aejax.cli.experiment_file import Experiment, load_experiment
from aejax.config import flatten, load, nearest_field, override, to_tree
from aejax.errors import ConfigError
from aejax.experiment import Config, make_members
from aejax.flag_values import parse_assignment, parse_value
from aejax.search.run import Search, check_search
from aejax.search.space import parse_space
from aejax.store.directory import StudyDirectory
from aejax.study.continuing import Continuation, continue_study
from aejax.study.executors.choose import NAMES, ExecutorRequest


class ProcessGroup(NamedTuple):
    """Several processes that train together, and which of them this is; None: what the cluster says."""

    coordinator: str | None
    num: int | None
    own: int | None


@dataclasses.dataclass(frozen=True)
class Request:
    """A study to train, and how, as the flags say."""

    name: str
    question: str
    cost: str
    configs: list[Config]
    labels: dict[Config, str]  # Of the configs; empty where the sweep gave none.
    workdir: str
    dry_run: bool
    trackers: tuple[str, ...]
    checkpoint_seconds: float
    executor: ExecutorRequest
    processes: ProcessGroup | None
    seeds: int
    deterministic: bool
    features: str | None  # The user's function that generated images are compared by.
    search: Search | None = None  # Of which `configs` hold but one.
    beside: pathlib.Path | None = None  # The folder of the experiment's file, if there is one of the user's.
    continuation: Continuation | None = None  # Whose configs these are, if it goes on from another study.


def parse(arguments: Sequence[str], help_text: str) -> Request | None:
    """Reads the arguments of `aejax train`; None after printing the help.

    Raises:
      ConfigError: naming the flag or field that is wrong, in one line.
    """
    values = _define_flags()
    leftover = read_flags(values, arguments, help_text, more=_fields_help(), instead=_as_field)
    if leftover is None:
        return None
    named = [*leftover, *([values.config] if values.config else [])]
    if len(leftover) > 1:
        raise ConfigError(f"leftover argument '{leftover[1]}'; after the experiment every option is a flag, see --help")
    if len(named) > 1:
        raise ConfigError(f"the experiment is given twice: as '{leftover[0]}' and by --config={values.config}")

    if values.continue_from is not None:
        return _continue(values, named)
    experiment = load_experiment(named[0]) if named else Experiment("default", "", "", Config(), [{}])
    assignments = _assignments(values)
    config = override(experiment.config, _last_of_each([(path, parse_value(value)) for path, value in assignments]))

    if values.features is not None:
        config = _with_features(config, values)

    sweep = sweeps.product(experiment.sweep, *(sweeps.parse_sweep(text) for text in values.sweep))
    both = sorted(sweeps.swept_fields(sweep) & {path for path, _ in assignments})
    if both:
        raise ConfigError(f"field '{both[0]}' is both set and swept")
    search = _parse_search(values, experiment.search, sweep)
    if search is not None:
        sweep = [{}]
    seed_is_chosen = "seed" in sweeps.swept_fields(sweep) or any(path == "seed" for path, _ in assignments)
    if values["seeds"].present and seed_is_chosen:
        raise ConfigError("--seeds goes with neither --set seed=... nor a sweep over seed")
    labels = make_members(config, sweep, range(values.seeds) if not seed_is_chosen and search is None else None)
    if search is not None:
        check_search(config, search)
    return _request(
        values,
        name=experiment.name,
        question=experiment.question,
        cost=experiment.cost,
        configs=list(labels),
        labels=labels,
        workdir=values.workdir or os.path.join("runs", experiment.name),
        search=search,
        beside=experiment.folder,
    )


def _continue(values: flags.FlagValues, named: Sequence[str]) -> Request:
    """Returns the request of a study that goes on from another."""
    others = ["sweep", "search", "space", "features"]
    given = [*named, *(f"--{name}" for name in others if values[name].present), *["--seeds"] * values["seeds"].present]
    if given:
        raise ConfigError(f"--continue_from={values.continue_from} says what is trained; leave out {given[0]}")
    changes = _last_of_each([(path, parse_value(text)) for path, text in _assignments(values)])
    original = StudyDirectory(values.continue_from)
    workdir = values.workdir or os.path.join("runs", f"{original.path.resolve().name}-continued")
    continuation = continue_study(original, StudyDirectory(workdir), changes)
    return _request(
        values,
        name=continuation.name,
        question=continuation.question,
        cost="",
        configs=continuation.configs,
        labels=dict(continuation.labels),
        workdir=workdir,
        continuation=continuation,
    )


def _assignments(values: flags.FlagValues) -> list[tuple[str, str]]:
    return [parse_assignment(text, "--set") for text in values.set]


def _request(values: flags.FlagValues, **own: Any) -> Request:
    """Returns a request with what flags say of how to execute it, whatever it is."""
    return Request(
        **own,
        dry_run=values.dry_run,
        trackers=tuple(dict.fromkeys([*values.tracker, *["tensorboard"] * values.tensorboard])),
        checkpoint_seconds=values.checkpoint_seconds,
        executor=_parse_executor(values),
        processes=_parse_processes(values),
        seeds=values.seeds,
        deterministic=values.deterministic,
        features=values.features,
    )


def _with_features(config: Config, values: flags.FlagValues) -> Config:
    if values.executor != "local":
        raise ConfigError(f"--features goes with --executor=local, and this is {values.executor}")
    generation = dataclasses.replace(config.generation, features=values.features)
    return dataclasses.replace(config, generation=generation)


def _parse_search(values: flags.FlagValues, search: Search | None, sweep: sweeps.Sweep) -> Search | None:
    """Returns the search that the experiment names, or the flags, which refine it; None: there is none."""
    space = {path: domain for text in values.space for path, domain in parse_space(text).items()}
    if not values.search and search is None:
        if space:
            raise ConfigError("--space goes with --search, which says how to look there: --search=sobol")
        return None
    search = search or Search()
    for text in values.search:
        path, _, value = text.rpartition("=") if "=" in text else ("", "", text)
        path = f"method.{path}" if path else "method"
        try:
            search = override(search, {path: parse_value(value)})
        except ConfigError as error:
            raise ConfigError(f"--search={text}: {error}") from None
    search = dataclasses.replace(search, space=search.space | space)
    if sweep != [{}]:
        search = dataclasses.replace(search, candidates=tuple(dict(sweeps.fields_of(point)) for point in sweep))
    return load(Search, to_tree(search))


def _parse_processes(values: flags.FlagValues) -> ProcessGroup | None:
    if values.coordinator is None and values.num_processes is None and values.process is None:
        return None
    if values.executor != "local":
        raise ConfigError(f"--coordinator goes with --executor=local, and this is {values.executor}")
    if values.coordinator == "auto":
        return ProcessGroup(None, values.num_processes, values.process)
    if values.coordinator is None or values.num_processes is None or values.process is None:
        raise ConfigError("--coordinator=host:port, --num_processes and --process go together (or --coordinator=auto)")
    if values.process >= values.num_processes:
        raise ConfigError(f"--process={values.process}: there are {values.num_processes}, counted from 0 on")
    return ProcessGroup(values.coordinator, values.num_processes, values.process)


def _parse_executor(values: flags.FlagValues) -> ExecutorRequest:
    request = ExecutorRequest(
        name=values.executor,
        num_workers=values.workers,
        cpus=values.cpus,
        gpus=values.gpus,
        ray_address=values.ray_address,
        slurm={path: parse_value(text) for path, text in (parse_assignment(text, "--slurm") for text in values.slurm)},
    )
    request.check()
    return request


def _last_of_each(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Returns the pairs as a mapping in the order of last mention, so that a kind set again resets what refined it."""
    changes: dict[str, Any] = {}
    for path, value in pairs:
        changes.pop(path, None)
        changes[path] = value
    return changes


def _define_flags() -> flags.FlagValues:
    values = flags.FlagValues()
    _define_experiment(values)
    _define_execution(values)
    _define_processes(values)
    define_features(values)
    flags.DEFINE_multi_string(
        "tracker",
        [],
        "Also show each member as a run at tensorboard, wandb or mlflow, while it trains; Repeatable.",
        flag_values=values,
    )
    flags.DEFINE_bool("tensorboard", False, "The same as --tracker=tensorboard.", flag_values=values)
    define_number(
        "checkpoint_seconds",
        60.0,
        "Seconds of training between checkpoints: what a killed process loses at most; 0: after every chunk of epochs. "
        "Changes no result.",
        at_least=0,
        values=values,
    )
    return values


def _define_experiment(values: flags.FlagValues) -> None:
    """Defines the flags that say which study is meant, and where it lies."""
    flags.DEFINE_string(
        "config",
        None,
        "The experiment, which may also be the first argument: the name of one that comes with aejax, or the path of a "
        "file of yours; with a variant if it has any: article:fashion, my/own.py:wide.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "continue_from",
        None,
        "Instead of an experiment: a finished study whose autoencoders are trained for more epochs: "
        "--continue_from=runs/a --set training.epochs=100 --workdir=runs/b.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "set", [], "Sets one field: --set optimizer.learning_rate=3e-4. Repeatable.", flag_values=values
    )
    flags.DEFINE_multi_string(
        "sweep",
        [],
        "Sweeps one field: --sweep optimizer.learning_rate=1e-4,1e-3. Repeatable (all combinations).",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "search",
        [],
        "Searches instead of sweeping: random, sobol, tpe, halving, population_based; then its fields: --search=tpe "
        "--search trials=64. The winner is trained on fresh seeds.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "space",
        [],
        "Where to search: --space=optimizer.learning_rate=log:1e-4:1e-1, =8:64 (whole numbers), =adam,sgd. Repeatable.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "seeds", 5, "Number of seeds, from 0 on.", lower_bound=1, upper_bound=sweeps.MOST, flag_values=values
    )
    flags.DEFINE_string("workdir", None, "Where the study lies; default: runs/<experiment>.", flag_values=values)
    flags.DEFINE_bool(
        "dry_run", False, "Print what would be trained and what it would cost; train nothing.", flag_values=values
    )


def _define_execution(values: flags.FlagValues) -> None:
    """Defines the flags that say who executes populations, and with what."""
    flags.DEFINE_enum(
        "executor", "local", NAMES, "Who executes populations: this process, a Ray cluster, Slurm.", flag_values=values
    )
    flags.DEFINE_integer(
        "workers", None, "Populations at a time; default: what the engine allows.", lower_bound=1, flag_values=values
    )
    define_number("cpus", None, "CPU cores of a population; Ray's default: 1.", at_least=0, values=values)
    define_number("gpus", None, "GPUs of a population; default: none.", at_least=0, values=values)
    flags.DEFINE_string(
        "ray_address",
        None,
        "Of a running Ray cluster: auto, or host:port; default: one of this machine.",
        flag_values=values,
    )
    flags.DEFINE_multi_string(
        "slurm",
        [],
        "What Slurm jobs ask for, by submitit's names: --slurm timeout_min=60 (its default is 5) --slurm "
        "slurm_partition=gpu. Repeatable.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "deterministic",
        False,
        "Makes a GPU give the same bits again, as CPUs do anyway. It may cost time: aejax accelerator "
        "--suite=deterministic.",
        flag_values=values,
    )


def _define_processes(values: flags.FlagValues) -> None:
    """Defines the flags of several processes that train together."""
    flags.DEFINE_string(
        "coordinator",
        None,
        "Of several processes that train together, each with this command: host:port of the first; auto: what the "
        "cluster says.",
        flag_values=values,
    )
    flags.DEFINE_integer("num_processes", None, "How many these are.", lower_bound=1, flag_values=values)
    flags.DEFINE_integer("process", None, "Which of them this is, from 0 on.", lower_bound=0, flag_values=values)


def _as_field(name: str) -> str | None:
    """Returns how a field is set that somebody takes for a flag; None: there is none of such a name."""
    field = nearest_field(name, to_tree(Config()))
    return None if field is None else f"--set {field}=..."


def _fields_help() -> str:
    """Returns every field that --set and --sweep take, with its default."""
    lines = [f"  {path}={json.dumps(value)}" for path, value in flatten(to_tree(Config()))]
    return "\n".join(["Fields for --set and --sweep, with their defaults (a part's other kinds have others):", *lines])
