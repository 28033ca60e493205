"""The trained members of a study, opened to be used, and their data."""

import contextlib
import dataclasses
import functools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax

from aejax.data import preprocessing
from aejax.data.description import DataDescription
from aejax.data.load import DataConfig, Dataset
from aejax.data.locate import locate
from aejax.errors import ConfigError, DataError, UserError
from aejax.experiment import Config, check_layers
from aejax.measures.zoo import find_metric, without_split
from aejax.methods.base import find_method
from aejax.methods.zoo import METHODS, SUBJECT
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.store.files import Damaged, exists
from aejax.store.metrics import read_curves
from aejax.store.record import read_record, require_record
from aejax.store.results import Row
from aejax.store.status import PopulationStatus, read_statuses
from aejax.study.checkpoint import Checkpoints
from aejax.study.execute import NotTrained, check_trained
from aejax.study.job import Options, Source
from aejax.study.plan import clues_in, members_of, recorded_configs
from aejax.trained.model import Trained
from aejax.trained.saved import is_saved
from aejax.training.loop import state_shapes
from aejax.training.population import Members


class Opener:
    """Opens members of the finished populations of one study; its data are read once, if they are asked for."""

    def __init__(self, directory: StudyDirectory, options: Options):
        """Takes the study.

        Raises:
          UserError: if there is none.
        """
        record = require_record(directory)
        self.directory, self._options = directory, options
        self._clues_of = clues_in(record, directory)
        configs = recorded_configs(directory, record)
        # Labels or none: populations that are there say enough of the data, which need not be read for it.
        self._members: dict[str, dict[str, Config]] = {}
        for method in map(find_method, METHODS):
            wanted = [config for config in configs if method.wanted(config, labelled=True)]
            self._members[method.name] = members_of(method, wanted)
        statuses = read_statuses(directory).values()
        self._populations = [one for one in statuses if set(one.members) <= set(self._members.get(one.method, ()))]
        own = {(population.method, name) for population in self._populations for name in population.members}
        rows = [row for row in read_rows(directory) if (row["method"], row["id"]) in own]
        # Those from whom others go on are stages on the way.
        self.rows = rows if record.search else [row for row in rows if row["id"] not in record.lineage.values()]
        self._sources: dict[DataConfig, Source] = {}

    def rows_of(self, method: str) -> list[Row]:
        """Returns the rows of a method, at least one.

        Raises:
          UserError: if there is none.
        """
        rows = [row for row in self.rows if row["method"] == method]
        if not rows and self._members[method]:
            raise UserError(f"{self.directory.path} has no finished {method}; run its command again")
        if not rows:
            raise UserError(f"{self.directory.path} has no {method}, because {find_method(method).absent}")
        return rows

    def best(self, method: str, metric: str | None = None) -> Row:
        """The row of the member of a method that validation images find best.

        Args:
          method: by its name.
          metric: by its name; None: by the method's own, or where that was not measured, any member.

        Raises:
          UserError: if there is no such metric, or no finished member that has it on validation images.
        """
        ranking = find_metric(metric or find_method(method).chosen_by)
        everyone = self.rows_of(method)
        rows = [row for row in everyone if row["status"] != "diverged"]
        measured = [row for row in rows if not math.isnan(row["metrics"].get(ranking.validation, math.nan))]
        if measured:
            sign = -1 if ranking.higher_is_better else 1
            return min(measured, key=lambda row: sign * row["metrics"][ranking.validation])
        if metric is None:
            return (rows or everyone)[0]
        names = {name for row in rows for name in row["metrics"] if name.startswith("validation_")}
        raise UserError(
            f"no finished {method} of {self.directory.path} has {ranking.name} on validation images, by which members "
            f"are chosen; there are {', '.join(sorted(map(without_split, names))) or 'none'}"
        )

    def check_layer(self, method: str, rows: Sequence[Row], layer: str) -> None:
        """Checks that of members that have these rows one has such a layer.

        Raises:
          DataError: if none has, naming the layers of the last.
        """
        failure = None
        for row in rows:
            config = self._members[method][row["id"]]
            try:
                check_layers(config, [layer], self._source(config.data).dataset.train.image.shape[1:])
            except DataError as error:
                failure = error
            else:
                return
        if failure is not None:
            raise failure

    def open(self, method: str, rows: Sequence[Row]) -> Iterator[Trained]:
        """Yields the members of a method that have these rows, population by population.

        Raises:
          UserError: see `open_population`.
        """
        for status, own in self.populations(method, rows):
            yield from self.open_population(status, own)

    def populations(self, method: str, rows: Sequence[Row]) -> list[tuple[PopulationStatus, list[Row]]]:
        """Returns the populations of a method that have members with these rows, each with the rows of its own."""
        populations = []
        for status in self._populations:
            own = [row for row in rows if row["id"] in status.members]
            if status.method == method and own:
                populations.append((status, own))
        return populations

    def open_population(self, status: PopulationStatus, rows: Iterable[Row]) -> list[Trained]:
        """Returns the members of a population that have these rows.

        Raises:
          UserError: if there is no checkpoint of it; or if an earlier version wrote that, and its data have changed.
        """
        wanted, path = {row["id"]: row for row in rows}, self.directory.population(status.method, status.members)
        if self.directory.is_published:
            return [self._open_kept(status.method, name) for name in status.members if name in wanted]
        configs = [self._members[status.method][name] for name in status.members]
        checkpoint = Checkpoints(path, status.members).newest(status.checkpoint, self._options.say, writes=False)
        if checkpoint is None:
            raise NotTrained(path)
        kind = configs[0].data.preprocessing
        if checkpoint.facts.data is None:  # An earlier version wrote it.
            dataset = self._source(configs[0].data).dataset
            described, fitted = DataDescription.of(dataset), preprocessing.fit(kind, dataset.train.image)
            trained_on = wanted[next(iter(wanted))]["data"]["fingerprint"]
            check_fingerprint(dataset, trained_on, self.directory.path)
        else:
            described, fitted = checkpoint.facts.data, preprocessing.from_arrays(kind, checkpoint.read_preprocessing())
        shape, num_classes = described.image_shape, described.num_classes
        make_task: Any = functools.partial(find_method(status.method).task, image_shape=shape, num_classes=num_classes)
        states = checkpoint.read(state_shapes(Members(configs, 1), make_task, described.outline(fitted)))
        check_trained(path, states)
        curves: dict[str, Any] = {}
        with contextlib.suppress(Damaged):  # The report says so.
            curves, _ = read_curves(path)

        def member(index: int, name: str) -> Trained:
            variables = jax.tree.map(lambda leaf: leaf[index], states.evaluated_variables())
            own = curves.get(name, {})
            return Trained(status.method, configs[index], described, fitted, variables, own, self.directory.path)

        return [member(index, name) for index, name in enumerate(status.members) if name in wanted]

    def _open_kept(self, method: str, name: str) -> Trained:
        """Returns a member that is kept with a published study.

        Raises:
          UserError: if it is not kept, saying how to have it, or if it is damaged.
        """
        path, study = self.directory.model(method, name), self.directory.path
        if not path.is_dir():
            kept = [name for name in self._members[method] if self.directory.model(method, name).is_dir()]
            others = f" (of its {method}s it keeps {', '.join(kept)})" if kept else ""
            raise UserError(
                f"{study} is published without the trained {method} {name}{others}; train it again: "
                f"aejax reproduce {study}, and open the study that this writes"
            )
        return dataclasses.replace(Trained.load(path), study=study)

    def source(self, member: Trained) -> Source:
        """The data that a member was trained on, which are read once.

        Raises:
          UserError: if they are not there, or have changed since.
        """
        source = self._source(member.config.data)
        check_fingerprint(source.dataset, member.trained_on.fingerprint, self.directory.path)
        return source

    def _source(self, data: DataConfig) -> Source:
        if data not in self._sources:
            dataset = locate(data, clues=self._clues_of(data))
            if dataset.found:
                self._options.say(f"{dataset.name}: {dataset.found}")
            self._sources[data] = Source.of(dataset, data.preprocessing)
        return self._sources[data]


def check_fingerprint(dataset: Dataset, trained_on: str, path: str | os.PathLike[str]) -> None:
    """Checks that a data set is the one with a fingerprint, on which what lies at a path was trained.

    Raises:
      UserError: if it is not.
    """
    if trained_on != dataset.fingerprint:
        raise UserError(
            f"{dataset.name} holds other images than those that {path} was trained on "
            f"({dataset.fingerprint}, not {trained_on}); bring those back, or train again"
        )


def open_model(
    path: str | os.PathLike[str], method: str | None, name: str | None, say: Callable[[str], None]
) -> Trained:
    """Returns a member of a finished population, as `open_member` does, or the model that `Trained.save` saved.

    Args:
      path: of the study, or of the saved model.
      method: of the member, by its name; None: the autoencoder.
      name: the first characters of its id; None: the best.
      say: told which it is.

    Raises:
      UserError: if there is neither, or it has no such member.
    """
    directory = StudyDirectory(path)
    if exists(directory.record) or not is_saved(directory.path):
        return open_member(directory, method or SUBJECT, name, say)[1]
    if name is not None or method is not None:
        raise ConfigError(f"{path} holds a single model that Trained.save saved; leave out --member and --method")
    return Trained.load(path)


def read_data_of(trained: Trained, path: str | os.PathLike[str]) -> Dataset:
    """Reads the data that a model was trained on; `path` is where it lies, for messages.

    Raises:
      UserError: if they are not there, or have changed since.
    """
    directory, data = StudyDirectory(path), trained.config.data
    clues = clues_in(read_record(directory), directory)(data)
    dataset = locate(data, clues=clues._replace(fingerprint=trained.trained_on.fingerprint, study=directory.path))
    check_fingerprint(dataset, trained.trained_on.fingerprint, path)
    return dataset


def open_member(
    directory: StudyDirectory, method: str, name: str | None, say: Callable[[str], None]
) -> tuple[Opener, Trained]:
    """Returns a member of a finished population, and what opened it.

    Args:
      directory: of the study.
      method: by its name.
      name: the first characters of its id; None: the one that validation images find best.
      say: told which it is.

    Raises:
      UserError: if there is no such member, or no checkpoint of it.
    """
    opener = Opener(directory, Options(say=say))
    row = opener.best(method) if name is None else find_row(directory, opener.rows_of(method), method, name)
    (member,) = opener.open(method, [row])
    diverged = "; it diverged, and is at its last finite state" if row["status"] == "diverged" else ""
    say(f"member {row['id']}: {describe(row)}{diverged}")
    return opener, member


def describe(row: Row) -> str:
    """A member's name for people: family, sampler and seed."""
    config = row["config"]
    parts = [config.get("autoencoder.kind"), config.get("generation.sampler.kind"), f"seed {config.get('seed')}"]
    return ", ".join(str(part) for part in parts if part)


def find_row(directory: StudyDirectory, rows: list[Row], method: str, name: str) -> Row:
    """Returns the one row whose id begins so.

    Raises:
      UserError: if there is none, or several, naming some that are.
    """
    matches = [row for row in rows if row["id"].startswith(name)]
    if len(matches) != 1:
        choices = "; ".join(f"{row['id']} ({describe(row)})" for row in rows[:6])
        more = f"; and {len(rows) - 6} more in results.csv" if len(rows) > 6 else ""
        what = "no member" if not matches else f"{len(matches)} members"
        raise UserError(f"{directory.path} has {what} '{name}' among its {method}s: choose of {choices}{more}")
    return matches[0]
