"""Running a search: a study of trials, which grows as its method says, and then the study of what won.

The trials lie in `<workdir>/search`, a study like any other, whose record says that it is a search: no metric of test
images is kept. The winner is trained again, from the beginning and on seeds that no trial had, in `<workdir>` itself.
"""

import dataclasses
import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aejax.config import config_id, flatten, override, partition, to_tree
from aejax.data.load import DataConfig, Dataset
from aejax.errors import ConfigError, UserError
from aejax.experiment import Config, check
from aejax.measures.base import Metric
from aejax.measures.zoo import all_metrics, measure_of
from aejax.methods.base import find_method
from aejax.methods.zoo import SUBJECT
from aejax.search.methods import AnySearchMethod, Proposal, Proposals, SearchMethod, Sobol
from aejax.search.space import Range, Space, ends
from aejax.store.directory import SEARCH, StudyDirectory
from aejax.store.record import read_record
from aejax.store.results import Row
from aejax.study.dry_run import describe
from aejax.study.executors.base import Executor
from aejax.study.job import Options
from aejax.study.run import Growth, run
from aejax.sweep import MOST
from aejax.training.fine_tuning import FineTuningConfig
from aejax.training.semi_supervised import SemiSupervisedConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """A method, and where it looks: in a space, or among candidates (points of a sweep)."""

    method: AnySearchMethod = Sobol()
    space: Space = dataclasses.field(default_factory=dict)
    candidates: tuple[dict[str, Any], ...] = ()


class SearchResult(NamedTuple):
    """What won: its configs (several, one after another, where it was changed while training), and its trial."""

    configs: list[Config]
    trial: int
    value: float
    fresh_seed: int  # The first that no trial had.


def check_search(config: Config, search: Search) -> None:
    """Checks that a search over a config can be run.

    Raises:
      ConfigError: naming what is wrong: an unknown field or objective, a value that its field does not take, ...
    """
    method = search.method
    if search.candidates and not method.TAKES_CANDIDATES:
        raise ConfigError(f"search {method.kind} finds its points in a space; give a space, not a sweep")
    if search.candidates and search.space:
        raise ConfigError(f"search {method.kind} takes its candidates from a sweep or from a space, not from both")
    if not search.candidates and not search.space:
        raise ConfigError(
            f"search {method.kind} needs a space, such as --space=optimizer.learning_rate=log:1e-4:1, in Python "
            "space={'optimizer.learning_rate': aejax.Range(low=1e-4, high=1, log=True)}"
        )
    if "seed" in search.space:
        raise ConfigError("space over seed: a seed is no setting; the winner is trained on fresh ones")
    if config.seed >= 2**31 - 2 * MOST:
        raise ConfigError(f"seed={config.seed}: the winner is trained on seeds after it; choose a smaller one")
    for path, domain in search.space.items():
        if isinstance(domain, Range) and (problem := domain.problem()) is not None:
            raise ConfigError(f"space over {path} from {domain.low} to {domain.high}: {problem}")
    if config.data.validation_size == 0:
        raise ConfigError("data.validation_size is 0, and a search chooses by validation images; keep some")
    _metric(method.objective)
    for point in [*ends(search.space), *search.candidates]:
        member = override(config, point)
        check(member)
        if method.CHANGES_WHILE_TRAINING and partition(member)[0] != partition(config)[0]:
            path = next(iter(point))
            raise ConfigError(
                f"space over {path}: a network that is being trained cannot change it, and search {method.kind} "
                "changes fields while training; leave it out, or use another method"
            )
    # A method that is never asked says nothing of the epochs.
    next(method.propose(search.space, config.training.epochs, search.candidates))


def _metric(objective: str) -> Metric:
    by_name = {metric.validation: metric for metric in all_metrics()}
    if objective not in by_name:
        near = difflib.get_close_matches(objective, by_name, n=3) or list(by_name)[-3:]
        raise ConfigError(f"objective={objective}: nothing to choose by; did you mean {' or '.join(near)}?")
    return by_name[objective]


class _PreparedSearch(NamedTuple):
    """A search that may be begun, or gone on with."""

    directory: StudyDirectory  # Of the trials.
    history: "_History"
    first: Growth
    how: dict[str, Any]  # It is prepared by: arguments of `prepare`.


def _prepare(config: Config, search: Search, directory: StudyDirectory) -> _PreparedSearch:
    """Returns a search in the directory of the study that its winner will be.

    Raises:
      ConfigError: if the directory holds another search, or if the objective is not measured of trials.
    """
    trials, tree = StudyDirectory(directory.path / SEARCH), to_tree(search)
    directory.check()
    before = read_record(trials)
    if before is not None and _but_for_its_length(before.search or {}) != _but_for_its_length(tree):
        raise ConfigError(f"{trials.path} holds another search; choose another workdir")
    trial = _trial_config(config, search.method)
    history = _History(trial, search)
    first = history.more([])
    assert first is not None, "a search asks for something"
    # What wins is evaluated as a whole, which no trial is.
    points = [*ends(search.space), *search.candidates]
    later = [override(whole, point) for point in points for whole in (trial, config)]

    def check_objective(datasets: Mapping[DataConfig, Dataset]) -> None:
        wanted = trial.evaluation.wanted(labelled=datasets[trial.data].num_classes is not None)
        named = [measure.name for measure in wanted if measure.asked is None]
        if measure_of(_metric(search.method.objective)).name not in named:
            raise ConfigError(
                f"objective={search.method.objective}: it is not measured of trials on {trial.data.name}, of "
                f"which {', '.join(named)} are (evaluation.measures, and what the data allow); name another"
            )

    return _PreparedSearch(trials, history, first, {"lineage": first.lineage, "later": later, "check": check_objective})


def describe_search(
    config: Config,
    search: Search,
    directory: StudyDirectory,
    *,
    seeds: int,
    **how: Any,
) -> str:
    """Describes the first trials of a search; the arguments are those of `search_and_train` and `dry_run.describe`."""
    prepared = _prepare(config, search, directory)
    trials = describe(prepared.first.configs, prepared.directory, **how, **prepared.how)
    return f"the first trials of the search; then the rest, and the winner on {seeds} fresh seeds:\n{trials}"


def search_and_train(
    config: Config,
    search: Search,
    directory: StudyDirectory,
    *,
    seeds: int,
    name: str,
    question: str,
    executor: Executor,
    options: Options,
) -> None:
    """Searches, and trains what won on fresh seeds; goes on where an earlier process stopped.

    Args:
      config: what all trials have but for their points; its seed is theirs.
      search: how.
      directory: where the study of the winner lies, or will, and in it that of the trials.
      seeds: on how many seeds the winner is trained.
      name: of the study.
      question: what it is to answer.
      executor: what executes populations.
      options: how to execute.

    Raises:
      As `aejax.study.run.run`, and UserError if all trials diverged, or if they have no such metric.
    """
    result = find(config, search, directory, name=name, question=question, executor=executor, options=options)
    shown = ", ".join(f"{path}={value}" for path, value in _departures(config, result.configs[-1]).items())
    options.say(
        f"{search.method.kind}: trial {result.trial} won, with {search.method.objective} {result.value:.6g} ({shown}); "
        f"it is trained again on {seeds} fresh seeds"
    )
    configs: list[Config] = []
    lineage: dict[str, str] = {}
    for seed in range(result.fresh_seed, result.fresh_seed + seeds):
        own = [dataclasses.replace(one, seed=seed) for one in result.configs]
        configs += own
        ids = [member_id(one) for one in own]
        lineage |= dict(zip(ids[1:], ids[:-1], strict=True))

    def winner(rows: Sequence[Row]) -> Growth | None:
        ids_of_rows = {row["id"] for row in rows}
        return Growth(configs, lineage) if any(member_id(config) not in ids_of_rows for config in configs) else None

    # Where more trials have brought another winner, the study of the first one grows.
    run([], directory, name=name, question=question, executor=executor, options=options, grow=winner)


def find(
    config: Config,
    search: Search,
    directory: StudyDirectory,
    *,
    name: str,
    question: str,
    executor: Executor,
    options: Options,
) -> SearchResult:
    """Runs the rest of a search, and returns its result; see `search_and_train`."""
    prepared = _prepare(config, search, directory)
    history = prepared.history
    run(
        prepared.first.configs,
        prepared.directory,
        name=f"{name}, search",
        question=question,
        executor=executor,
        options=options,
        search=to_tree(search),
        grow=history.more,
        **prepared.how,
    )
    number = search.method.best(history.losses)
    loss = [loss for batch in history.losses for loss in batch][number]
    if not math.isfinite(loss):
        raise UserError("all trials of the search diverged; search elsewhere")
    configs = [override(config, history.trials[number].point)]
    earlier = history.trials[number].continues if search.method.CHANGES_WHILE_TRAINING else None
    while earlier is not None:
        configs.insert(0, history.configs[earlier])
        earlier = history.trials[earlier].continues
    sign = -1.0 if _metric(search.method.objective).higher_is_better else 1.0
    return SearchResult(configs, number, sign * loss, 1 + max(config.seed for config in history.configs))


def member_id(config: Config) -> str:
    """Returns the id that the results of a config's autoencoder have."""
    return config_id(find_method(SUBJECT).reduce(config))


def _trial_config(config: Config, method: SearchMethod) -> Config:
    """Returns the config without what is of no use to a trial."""
    measure = measure_of(_metric(method.objective))
    enough = measure.by_default and not measure.reads_features  # Then no classifier is fitted.
    evaluation = dataclasses.replace(
        config.evaluation,
        measures=(measure.name,) if enough else config.evaluation.measures,
        baselines=(),
        tell_test=False,
        transfer=None,
        outliers=None,
        layers=(),
    )
    return dataclasses.replace(
        config, evaluation=evaluation, fine_tuning=FineTuningConfig(), semi_supervised=SemiSupervisedConfig()
    )


def _but_for_its_length(tree: Mapping[str, Any]) -> Any:
    """Returns a search's tree, recorded or not, without what may grow."""
    method = {name: value for name, value in tree.get("method", {}).items() if name != "trials"}
    return {name: value for name, value in tree.items() if name != "trials"} | {"method": method}


def _departures(config: Config, other: Config) -> dict[str, Any]:
    own = dict(flatten(to_tree(config)))
    return {path: value for path, value in flatten(to_tree(other)) if path not in own or own[path] != value}


class _History:
    """The trials that a method has asked for so far, and their losses."""

    def __init__(self, config: Config, search: Search):
        self._config, self._metric = config, _metric(search.method.objective)
        self._changes = search.method.CHANGES_WHILE_TRAINING
        self._proposals: Proposals = search.method.propose(search.space, config.training.epochs, search.candidates)
        self.trials: list[Proposal] = []
        self.configs: list[Config] = []
        self.losses: list[list[float]] = []

    def more(self, rows: Sequence[Row]) -> Growth | None:
        """Returns the next members that have no results yet, after telling those that have; None at the end."""
        results = {row["id"]: row for row in rows if row["method"] == SUBJECT}
        while True:
            num_losses = sum(map(len, self.losses))
            waiting = self.configs[num_losses:]
            if any(member_id(config) not in results for config in waiting):
                raise UserError("a trial has no results; run the same command again")
            try:
                if waiting:
                    self.losses.append([self._loss(results[member_id(config)]) for config in waiting])
                    batch = self._proposals.send(self.losses[-1])
                else:
                    batch = next(self._proposals)
            except StopIteration:
                return None
            first = len(self.trials)
            self.trials += batch
            self.configs += [self._member(trial) for trial in batch]
            # A method may ask for a member twice.
            new = {name: config for config in self.configs[first:] if (name := member_id(config)) not in results}
            if new:
                lineage = {
                    member_id(config): member_id(self.configs[trial.continues])
                    for config, trial in zip(self.configs[first:], batch, strict=True)
                    if trial.continues is not None
                }
                return Growth(list(new.values()), lineage)

    def _member(self, trial: Proposal) -> Config:
        config = override(self._config, trial.point)
        training = dataclasses.replace(config.training, until_epoch=trial.until_epoch)
        # Where states change hands, members that agree in their numbers must be told apart.
        seed = config.seed + (trial.slot if self._changes else 0)
        return dataclasses.replace(config, training=training, seed=seed)

    def _loss(self, row: Row) -> float:
        name = self._metric.validation
        if name not in row["metrics"]:
            measured = [metric for metric in row["metrics"] if metric.startswith("validation_")]
            raise UserError(
                f"objective={name}: it was not measured (evaluation.measures); there are {', '.join(measured)}"
            )
        value = row["metrics"][name]
        if row["status"] == "diverged" or not math.isfinite(value):
            return math.inf
        return -value if self._metric.higher_is_better else value
