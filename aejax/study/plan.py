"""What a study consists of: its data, its members, and the populations that are to be trained."""

import json
import shutil
from collections.abc import Collection, Sequence

from aejax.config import config_id, departures, partition
from aejax.data.load import DataConfig, Dataset
from aejax.data.load import load as load_dataset
from aejax.evaluation.suite import available_baselines
from aejax.experiment import Config, check_data
from aejax.study.directory import StudyDirectory
from aejax.study.job import Job
from aejax.study.methods import METHODS
from aejax.study.status import PopulationStatus, read_status, read_statuses, write_status
from aejax.sweep import Population, group


def load_data(configs: Sequence[Config]) -> dict[DataConfig, Dataset]:
    """Returns the data set of every data config, evaluation's too, checked against every config that uses it."""
    wanted = [data for config in configs for data in (config.data, *config.evaluation.other_data().values())]
    datasets = {data: load_dataset(data) for data in dict.fromkeys(wanted)}
    for config in configs:
        others = {name: datasets[data] for name, data in config.evaluation.other_data().items()}
        check_data(config, datasets[config.data], others)
    return datasets


def members_of(configs: Sequence[Config], datasets: dict[DataConfig, Dataset]) -> dict[str, dict[str, Config]]:
    """Returns the members of every method by their id: the configs, reduced to what the method reads."""
    members: dict[str, dict[str, Config]] = {}
    for method in METHODS.values():
        wanted = [config for config in configs if method.name in ("autoencoder", *_baselines(config, datasets))]
        distinct = {method.inputs(config): config for config in wanted}.values()
        members[method.name] = {config_id(reduced): reduced for reduced in map(method.reduce, distinct)}
    return members


def _baselines(config: Config, datasets: dict[DataConfig, Dataset]) -> tuple[str, ...]:
    labelled = datasets[config.data].num_classes is not None
    fine_tuned = ("fine_tuned",) if labelled and config.fine_tuning.epochs else ()
    return (*available_baselines(config.evaluation, labelled=labelled), *fine_tuned)


def plan(
    configs: Sequence[Config],
    datasets: dict[DataConfig, Dataset],
    done: Collection[tuple[str, str]] = (),
    begun: Sequence[PopulationStatus] = (),
) -> list[Job]:
    """Returns the populations that the configs and their baselines fall into, without members that are done.

    Args:
      configs: the members of the study.
      datasets: as `load_data` returned them.
      done: (method, config id) of members whose results exist.
      begun: populations that were begun and not finished: they stay as they are.
    """
    jobs: list[Job] = []
    members = members_of(configs, datasets)
    for name, own in members.items():
        missing = {key: config for key, config in own.items() if (name, key) not in done}
        for status in begun:
            if status.method == name and set(status.members) <= set(missing):
                jobs.append(job_of(name, status.members, members))
                missing = {key: config for key, config in missing.items() if key not in status.members}
        jobs += [Job(METHODS[name], population) for population in group(list(missing.values()))]
    return jobs


def announce(directory: StudyDirectory, jobs: Sequence[Job]) -> None:
    """Writes which populations wait to be trained; others that waited, and were never begun, are forgotten."""
    waves = {
        directory.population(job.method.name, job.ids): (job, wave)
        for wave, together in enumerate(in_order(jobs))
        for job in together
    }
    for path, status in read_statuses(directory).items():
        if path not in waves and status.state == "waiting" and not status.begun:
            shutil.rmtree(path)
    for path, (job, wave) in waves.items():
        path.mkdir(parents=True, exist_ok=True)
        status = read_status(path) or PopulationStatus(job.method.name, job.ids, "waiting")
        write_status(path, status.enter("waiting")._replace(work=_work(job), wave=wave))


def _work(job: Job) -> float:
    training, fine_tuning = job.population.members[0].training, job.population.members[0].fine_tuning
    epochs = {
        "autoencoder": training.epochs + training.pretraining_epochs,
        "supervised": fine_tuning.scratch_epochs or training.epochs,
        "fine_tuned": fine_tuning.epochs,
    }
    return float(len(job.ids) * epochs.get(job.method.name, 0))


def in_order(jobs: Sequence[Job]) -> list[list[Job]]:
    """Returns the jobs in waves: those of a wave need only what the waves before it have trained."""
    first = [job for job in jobs if job.method.begins_with is None]
    then = [job for job in jobs if job.method.begins_with is not None]
    return [wave for wave in (first, then) if wave]


def job_of(method: str, ids: Sequence[str], members: dict[str, dict[str, Config]]) -> Job:
    """Returns the population of a method whose members have these ids, among those of a study."""
    together = tuple(members[method][name] for name in ids)
    return Job(METHODS[method], Population(partition(together[0])[0], together))


def data_key(data: DataConfig) -> str:
    """Returns by which name study.json knows the data of a config."""
    return json.dumps({"name": data.name} | departures(data), sort_keys=True)
