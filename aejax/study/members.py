"""Trained members of a study, opened to be looked at: their models with what these learned, and their data."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aejax.data import preprocessing
from aejax.data.resident import EXAMPLES_AT_ONCE, ResidentData, map_examples
from aejax.errors import DataError, UserError
from aejax.evaluation.suite import Representation
from aejax.experiment import Config, check_layers
from aejax.methods.base import find_method
from aejax.samplers.drawing import to_stored
from aejax.study.directory import StudyDirectory
from aejax.study.evidence import read_rows
from aejax.study.execute import restore_trained
from aejax.study.job import Options, Work
from aejax.study.plan import Roster, read_data, recorded_configs
from aejax.study.record import require_record
from aejax.study.results import Row
from aejax.study.status import PopulationStatus, read_statuses
from aejax.study.worker import Worker


@dataclasses.dataclass(frozen=True)
class Member:
    """One trained member: its model with variables, and the data that it was trained on."""

    row: Row
    config: Config
    model: Any
    variables: Any
    work: Work

    @property
    def id(self) -> str:
        """The member's id."""
        return str(self.row["id"])

    @property
    def data(self) -> ResidentData:
        """The data on the devices."""
        return self.work.data

    def represent(self, variables: Any) -> Representation:
        """Returns what its method offers for evaluation, with its own variables or others of their shapes."""
        return self.work.represent(self.config, variables, self.data)

    def map(self, function: Callable[[Representation, jax.Array], Any], stored: np.ndarray) -> Any:
        """Returns what a function gives per image of the representation and stored images, a block at a time."""

        def of_block(variables: Any, block: jax.Array) -> Any:
            return function(self.represent(variables), block)

        return self._map(of_block, jnp.asarray(stored), self.represent(self.variables).at_once)

    def encode(self, stored: np.ndarray) -> jax.Array:
        """Returns the latents of images as they are stored, [n, size]."""

        def of_block(variables: Any, block: jax.Array) -> Any:
            return self.model.apply(variables, preprocessing.apply(self.data.preprocessing, block), method="encode")

        return self._map(of_block, jnp.asarray(stored))

    def _map(
        self, function: Callable[[Any, jax.Array], Any], values: jax.Array, at_once: int = EXAMPLES_AT_ONCE
    ) -> Any:
        """Returns what a function of the variables gives of all rows of an array, a block at a time."""

        @jax.jit
        def run(variables: Any, values: jax.Array) -> Any:
            return map_examples(lambda indices: function(variables, values[indices]), len(values), at_once)

        return run(self.variables, values)

    def decode(self, latent: jax.Array) -> np.ndarray:
        """Returns the expected images of latents [n, size], in the form in which those of the data are stored."""
        return np.asarray(to_stored(self.data, self.decode_exactly(latent)))

    def decode_exactly(self, latent: jax.Array) -> jax.Array:
        """Returns the expected images of latents [n, size] in pixel space, float32 and neither cut nor rounded."""

        def of_block(variables: Any, block: jax.Array) -> jax.Array:
            seen = self.model.config.likelihood.mean(self.model.apply(variables, block, method="decode"))
            return preprocessing.invert(self.data.preprocessing, seen, seen)

        return self._map(of_block, latent)


class Opener:
    """Opens members of the finished populations of one study, whose data it reads once."""

    def __init__(self, directory: StudyDirectory, options: Options):
        """Takes the study.

        Raises:
          UserError: if there is none.
        """
        record = require_record(directory)
        configs = recorded_configs(directory, record)
        datasets = read_data(configs)
        self._worker = Worker(Roster(configs, datasets, record.lineage), datasets, directory, options)
        self.directory = directory
        self._populations = [one for one in read_statuses(directory).values() if self._worker.roster.has(one)]
        own = {(population.method, name) for population in self._populations for name in population.members}
        rows = [row for row in read_rows(directory) if (row["method"], row["id"]) in own]
        # Those from whom others go on are stages on the way.
        self.rows = rows if record.search else [row for row in rows if row["id"] not in record.lineage.values()]

    def rows_of(self, method: str) -> list[Row]:
        """Returns the rows of a method, at least one.

        Raises:
          UserError: if there is none.
        """
        rows = [row for row in self.rows if row["method"] == method]
        if not rows and any(own == method for own, _ in self._worker.roster.members):
            raise UserError(f"{self.directory.path} has no finished {method}; run its command again")
        if not rows:
            raise UserError(f"{self.directory.path} has no {method}, because {find_method(method).absent}")
        return rows

    def check_layer(self, method: str, rows: Sequence[Row], layer: str) -> None:
        """Checks that of members that have these rows one has such a layer.

        Raises:
          DataError: if none has, naming the layers of the last.
        """
        failure = None
        for row in rows:
            (config,) = self._worker.roster.job(method, [row["id"]]).population.members
            try:
                check_layers(config, [layer], self._worker.datasets[config.data].train.image.shape[1:])
            except DataError as error:
                failure = error
            else:
                return
        if failure is not None:
            raise failure

    def open(self, method: str, rows: Sequence[Row]) -> Iterator[Member]:
        """Yields the members of a method that have these rows, population by population.

        Raises:
          UserError: see `open_population`.
        """
        for status, own in self.populations(method, rows):
            yield from self.open_population(status, own)

    def populations(self, method: str, rows: Sequence[Row]) -> list[tuple[PopulationStatus, list[Row]]]:
        """Returns the populations of a method that have members with these rows, each with the rows of its own."""
        found = []
        for status in self._populations:
            own = [row for row in rows if row["id"] in status.members]
            if status.method == method and own:
                found.append((status, own))
        return found

    def open_population(self, status: PopulationStatus, rows: Iterable[Row]) -> Iterator[Member]:
        """Returns the members of a population that have these rows, one after another.

        Raises:
          UserError: if there is no checkpoint of it, its data have changed since, or they do not allow what is made by
            a model.
        """
        wanted = {row["id"]: row for row in rows}
        job = self._worker.roster.job(status.method, status.members)
        work = Work(job, self._worker.place, self.directory, self._worker.options)
        if work.configs[0].data.preprocessing == "per_image":
            raise UserError(
                f"{self.directory.path}: data.preprocessing=per_image takes from each image what made ones do not "
                "have, its mean and contrast; train with another"
            )
        trained_on = wanted[next(name for name in job.ids if name in wanted)]["data"]["fingerprint"]
        if trained_on != work.dataset.fingerprint:
            raise UserError(
                f"{work.dataset.name} holds other images than those that {self.directory.path} was trained on "
                f"({work.dataset.fingerprint}, not {trained_on}); bring those back, or train again"
            )
        states = restore_trained(work).state

        def member(index: int) -> Member:
            config, state = work.configs[index], jax.tree.map(lambda leaf: leaf[index], states)
            return Member(wanted[job.ids[index]], config, work.task(config).model, state.evaluated_variables(), work)

        return (member(index) for index, name in enumerate(job.ids) if name in wanted)


def open_member(directory: StudyDirectory, method: str, name: str | None, say: Callable[[str], None]) -> Member:
    """Returns a member of a finished population.

    Args:
      directory: of the study.
      method: by its name.
      name: the first characters of its id; None: the one that validation images find best.
      say: told which it is.

    Raises:
      UserError: if there is no such member, or no checkpoint of it.
    """
    opener = Opener(directory, Options(say=say))
    row = _choose(directory, opener.rows_of(method), method, name)
    (member,) = opener.open(method, [row])
    diverged = "; it diverged, and is at its last finite state" if row["status"] == "diverged" else ""
    say(f"member {row['id']}: {describe(row)}{diverged}")
    return member


def describe(row: Row) -> str:
    """Returns what a person knows a member by: family, sampler and seed."""
    config = row["config"]
    parts = [config.get("autoencoder.kind"), config.get("generation.sampler.kind"), f"seed {config.get('seed')}"]
    return ", ".join(str(part) for part in parts if part)


def find_row(directory: StudyDirectory, rows: list[Row], method: str, name: str) -> Row:
    """Returns the one row whose id begins so.

    Raises:
      UserError: if there is none, or several, naming some that are.
    """
    found = [row for row in rows if row["id"].startswith(name)]
    if len(found) != 1:
        known = "; ".join(f"{row['id']} ({describe(row)})" for row in rows[:6])
        more = f"; and {len(rows) - 6} more in results.csv" if len(rows) > 6 else ""
        what = "no member" if not found else f"{len(found)} members"
        raise UserError(f"{directory.path} has {what} '{name}' among its {method}s: choose of {known}{more}")
    return found[0]


def _choose(directory: StudyDirectory, rows: list[Row], method: str, name: str | None) -> Row:
    if name is not None:
        return find_row(directory, rows, method, name)
    trained = [row for row in rows if row["status"] != "diverged"] or rows
    metric = find_method(method).chosen_by
    return min(trained, key=lambda row: row["metrics"].get(metric, np.inf))
