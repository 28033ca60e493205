"""What a study consists of: its data, its members, and the populations that are to be trained."""

import contextlib
import dataclasses
import json
import pathlib
import shutil
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from aejax import registry
from aejax.config import config_id, departures, partition, share_parts
from aejax.data.load import DataConfig, Dataset
from aejax.data.locate import NO_CLUES, Clues, load_from, locate
from aejax.data.summary import summarize
from aejax.errors import ConfigError, UserError
from aejax.experiment import Config, check_data, load_recorded
from aejax.methods.base import Method, find_method
from aejax.methods.zoo import METHODS, SUBJECT
from aejax.store.directory import StudyDirectory
from aejax.store.files import Damaged
from aejax.store.record import Parent, Record
from aejax.store.status import FILE as STATUS
from aejax.store.status import PopulationStatus, read_status, read_statuses, write_status
from aejax.study.job import Job
from aejax.sweep import Population, group

# From whose state a member of the autoencoder goes on, by their ids; who is not in it begins anew.
Lineage = Mapping[str, str]
NO_LINEAGE: Lineage = types.MappingProxyType({})
CluesOf = Callable[[DataConfig], Clues]


def recorded_configs(directory: StudyDirectory, record: Record) -> list[Config]:
    """Returns the configs of a study, perhaps of an earlier version: fields that it did not have get their defaults.

    Raises:
      UserError: if one is no config of this version, or if it takes a file of the user's that was not imported.
    """
    _require_plugins(directory, record)
    try:
        return share_parts(map(load_recorded, record.configs))
    except ConfigError as error:
        raise UserError(
            f"{directory.record} has a config that this version does not read ({error}); use the version that it names"
        ) from None


def _require_plugins(directory: StudyDirectory, record: Record) -> None:
    here = registry.origins()
    for name, digest in record.plugins.items():
        if digest is None or digest in here.values():
            continue
        if name in here:
            raise UserError(
                f"{name} is another than the one that {directory.path} was trained with (SHA-256 {digest[:12]}...); "
                "bring that one back, or choose another workdir"
            )
        raise UserError(f"{directory.path} was trained with a file of yours; name it: --plugin={name}")


def load_data(
    configs: Sequence[Config],
    loaded: Mapping[DataConfig, Dataset] = types.MappingProxyType({}),
    clues_of: CluesOf = lambda data: NO_CLUES,
) -> dict[DataConfig, Dataset]:
    """Reads data as `read_data` does, and checks that they allow what every config asks of them.

    Raises:
      DataError: if they do not allow what a config asks for.
    """
    datasets = read_data(configs, loaded, clues_of)
    # Members of a population ask for the same.
    for config in {partition(config)[0]: config for config in configs}.values():
        others = {name: datasets[data] for name, data in config.evaluation.other_data(config.data).items()}
        check_data(config, datasets[config.data], others)
    return datasets


def read_data(
    configs: Sequence[Config],
    loaded: Mapping[DataConfig, Dataset] = types.MappingProxyType({}),
    clues_of: CluesOf = lambda data: NO_CLUES,
) -> dict[DataConfig, Dataset]:
    """Returns the data set of every data config, evaluation's too. Those that are `loaded` are not read again.

    Data of one name and directory are read from one place, that of the first.
    """
    wanted: dict[DataConfig, str] = {}
    for config in configs:
        for path, data in data_configs(config).items():
            wanted.setdefault(data, path)
    datasets, places = dict(loaded), places_of(loaded)
    for data, path in wanted.items():
        if data not in datasets:
            place = places.get(place_key(data))
            datasets[data] = locate(data, path, clues_of(data)) if place is None else load_from(data, place, path)
            places = places_of(datasets)
    return {data: datasets[data] for data in wanted}


def clues_in(record: Record | None, directory: StudyDirectory, beside: pathlib.Path | None = None) -> CluesOf:
    """Returns the function that says what a study knows of where its data lie.

    Args:
      record: of the study; None: it was not begun.
      directory: where the study lies, or will.
      beside: the folder of the experiment's file, if there is one.
    """

    def clues_of(data: DataConfig) -> Clues:
        if record is None:
            return Clues(beside)
        return Clues(
            beside, record.places.get(place_key(data), ""), record.data.get(data_key(data), ""), directory.path
        )

    return clues_of


def places_of(datasets: Mapping[DataConfig, Dataset]) -> dict[str, str]:
    """The places of data sets as study.json records them."""
    return {place_key(data): dataset.place for data, dataset in datasets.items() if dataset.place}


def place_key(data: DataConfig) -> str:
    """Returns by which name study.json knows the place of the data of a config."""
    return data_key(DataConfig(name=data.name, directory=data.directory))


def data_configs(config: Config) -> dict[str, DataConfig]:
    """Returns the data that a member reads, by their paths in the config."""
    others = config.evaluation.other_data(config.data).items()
    return {"data": config.data} | {f"evaluation.{name}": data for name, data in others}


def describe_data(configs: Sequence[Config], datasets: Mapping[DataConfig, Dataset]) -> list[str]:
    """Returns lines on the data of a study: the images and classes of each, and what cannot be measured of the own."""
    lines = []
    for path, data in dict.fromkeys(item for config in configs for item in data_configs(config).items()):
        dataset = datasets[data]
        lines += [f"{path}: {line}" for line in (*summarize(dataset), *filter(None, [dataset.found]))]
        if path == "data" and dataset.num_classes is None:
            lines.append(
                f"{dataset.name} {dataset.unlabelled}: linear probe, k-NN, pixels, the supervised baseline, "
                "fine-tuning and semi-supervised training are left out"
            )
    return lines


def _wanted(configs: Sequence[Config], datasets: Mapping[DataConfig, Dataset]) -> Iterator[tuple[Method, list[Config]]]:
    """Yields every method, and the configs that want it."""
    labelled = {data: dataset.num_classes is not None for data, dataset in datasets.items()}
    for method in map(find_method, METHODS):
        yield method, [config for config in configs if method.wanted(config, labelled=labelled[config.data])]


def labels_of_members(
    labels: Mapping[Config, str], configs: Sequence[Config], datasets: Mapping[DataConfig, Dataset]
) -> dict[str, str]:
    """The labels of members of all methods by their ids; a member that configs of several labels share has none."""
    found: dict[str, set[str]] = {}
    for method, wanted in _wanted(configs, datasets) if any(labels.values()) else ():
        for config in wanted:
            found.setdefault(config_id(method.reduce(config)), set()).add(labels.get(config, ""))
    return {name: next(iter(own)) for name, own in found.items() if len(own) == 1 and own != {""}}


def members_of(method: Method, configs: Sequence[Config]) -> dict[str, Config]:
    """The members of a method by their ids: the configs, each reduced to what it reads."""
    distinct = {method.inputs(config): config for config in configs}.values()
    return {config_id(reduced): reduced for reduced in map(method.reduce, distinct)}


def recorded_labels(record: Record, configs: Sequence[Config]) -> dict[Config, str]:
    """The label of each config that has one in a study's record, where labels are kept by the ids of members."""
    reduce = [find_method(method).reduce for method in METHODS] if record.labels else []

    def label_of(config: Config) -> str:
        labels = (record.labels.get(config_id(of_method(config)), "") for of_method in reduce)
        return next(filter(None, labels), "")

    return {config: label for config in configs if (label := label_of(config))}


class Roster:
    """The members of a study, by method and id, and who goes on from whom."""

    def __init__(
        self,
        configs: Sequence[Config],
        datasets: Mapping[DataConfig, Dataset],
        lineage: Lineage = NO_LINEAGE,
        parent: Parent | None = None,
    ):
        """Takes the configs, reduced for each method to what it reads; `datasets` are as `load_data` returned them."""
        self._lineage, self.parent = lineage, parent
        self._members: dict[str, dict[str, Config]] = {}
        for method, wanted in _wanted(configs, datasets):
            self._members[method.name] = members_of(method, wanted)

    @property
    def members(self) -> list[tuple[str, str]]:
        """The method and id of every member."""
        return [(method, name) for method, own in self._members.items() for name in own]

    @property
    def configs(self) -> list[tuple[str, Config]]:
        """The method and config of every member."""
        return [(method, config) for method, own in self._members.items() for config in own.values()]

    def has(self, status: PopulationStatus) -> bool:
        """Whether the members of a population are the study's."""
        return set(status.members) <= set(self._members.get(status.method, ()))

    def job(self, method: str, ids: Sequence[str]) -> Job:
        """Returns the population of a method whose members have these ids."""
        members = self._members[method]
        together = tuple(members[name] for name in ids)
        continues = tuple(self._before(members, name) for name in ids if self._generation(method, name))
        return Job(find_method(method), Population(partition(together[0])[0], together), continues)

    def plan(self, done: Collection[tuple[str, str]] = (), begun: Sequence[PopulationStatus] = ()) -> list[list[Job]]:
        """Returns the populations that are to be trained, in waves: those of a wave need only what went before it.

        Args:
          done: (method, config id) of members whose results exist.
          begun: populations that were begun and not finished: they stay as they are.
        """
        waves: dict[tuple[bool, int], list[Job]] = {}
        for method, own in self._members.items():
            missing = {name: config for name, config in own.items() if (method, name) not in done}
            together = [list(status.members) for status in begun if status.method == method]
            together = [ids for ids in together if set(ids) <= set(missing)]
            kept = {name for ids in together for name in ids}
            generations: dict[int, dict[Config, str]] = {}
            for name, config in missing.items():
                if name not in kept:
                    generations.setdefault(self._generation(method, name), {})[config] = name
            for names in generations.values():
                together += [[names[config] for config in population.members] for population in group(list(names))]
            for ids in together:
                wave = (
                    find_method(method).warm_start_from is not None,
                    max(self._generation(method, name) for name in ids),
                )
                waves.setdefault(wave, []).append(self.job(method, ids))
        return [jobs for _, jobs in sorted(waves.items(), key=lambda item: item[0])]

    def jobs_of_parent(self, statuses: Iterable[PopulationStatus]) -> Iterator[Job]:
        """Yields, of the finished populations of the parent, those whose members others go on from."""
        members = self._members[SUBJECT]
        before = {self._lineage[name]: self._before(members, name) for name in members if name in self._lineage}
        for status in statuses:
            if (status.method, status.state) == (SUBJECT, "finished") and before.keys() >= set(status.members):
                together = tuple(before[name] for name in status.members)
                yield Job(find_method(SUBJECT), Population(partition(together[0])[0], together))

    def _before(self, members: Mapping[str, Config], name: str) -> Config:
        """Returns the config of the member from whose state one goes on: of these, or of the parent's."""
        before = self._lineage[name]
        if before in members or self.parent is None:
            return members[before]
        training = dataclasses.replace(members[name].training, epochs=self.parent.epochs)
        return dataclasses.replace(members[name], training=training)

    def _generation(self, method: str, name: str) -> int:
        if method != SUBJECT or name not in self._lineage:
            return 0
        return 1 + self._generation(method, self._lineage[name])


def announce(directory: StudyDirectory, waves: Sequence[Sequence[Job]]) -> None:
    """Writes which populations wait to be trained; others that waited, and were never begun, are forgotten.

    A status that is damaged stays for whoever executes the population.
    """
    wanted = {
        directory.population(job.method.name, job.ids): (job, wave) for wave, jobs in enumerate(waves) for job in jobs
    }
    for path, status in read_statuses(directory).items():
        if path not in wanted and status.state == "waiting" and not status.begun:
            _forget(path)
    for path, (job, wave) in wanted.items():
        path.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(Damaged):
            status = read_status(path) or PopulationStatus(job.method.name, job.ids, "waiting")
            write_status(path, status.enter("waiting")._replace(work=_num_epochs(job), wave=wave))


def _forget(path: pathlib.Path) -> None:
    """Removes the directory of a population, if there is nothing in it but its status."""
    if {file.name for file in path.iterdir()} <= {STATUS, ".lock"}:
        shutil.rmtree(path)


def _num_epochs(job: Job) -> float:
    begun = sum(job.method.epochs(config) for config in job.continues)
    return float(len(job.ids) * job.method.epochs(job.population.members[0]) - begun)


def data_key(data: DataConfig) -> str:
    """Returns by which name study.json knows the data of a config."""
    return json.dumps({"name": data.name} | departures(data), sort_keys=True)


def check_unchanged(record: Record, datasets: Mapping[DataConfig, Dataset], since: str, advice: str) -> None:
    """Checks that data are those that a study recorded.

    Raises:
      UserError: if they have changed `since`, with the `advice`.
    """
    for data, dataset in datasets.items():
        then = record.data.get(data_key(data), dataset.fingerprint)
        if then != dataset.fingerprint:
            raise UserError(
                f"{dataset.name} has changed since {since} (fingerprint {then} then, {dataset.fingerprint} now); "
                f"{advice}"
            )
