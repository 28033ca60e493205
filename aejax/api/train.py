"""Training from Python: `fit` trains one model, `run` a study; both as the command does."""

import contextlib
import dataclasses
import logging
import operator
import os
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from aejax.api.arrays import check_white, keep_arrays, to_arrays
from aejax.api.read_images import as_name
from aejax.api.study import Study
from aejax.autoencoders.family import Family
from aejax.autoencoders.plain import PlainConfig
from aejax.config import load, override, to_tree
from aejax.data.load import DataConfig
from aejax.errors import ConfigError, shortened
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, make_members
from aejax.methods.zoo import GENERATOR, SUBJECT
from aejax.samplers.zoo import GenerationConfig
from aejax.search.run import Search, check_search, search_and_train
from aejax.store.directory import StudyDirectory
from aejax.study import run as engine
from aejax.study.continuing import continue_study
from aejax.study.executors.local import Local
from aejax.study.job import Options
from aejax.sweep import MOST, Sweep, fields_of, swept_fields
from aejax.trackers.zoo import check_trackers
from aejax.trained.model import Trained
from aejax.training.setup import set_up_jax_if_unused

SEEDS = 5  # Of a study, as of the command.

Say = Callable[[str], None]

_log: Say = logging.getLogger("aejax").info


def fit(
    config: Config | Family | None = None,
    images: Any = None,
    labels: Any = None,
    *,
    epochs: int | None = None,
    seed: int | None = None,
    say: Say = _log,
) -> Trained:
    """Trains one autoencoder on images: a population of one, without measures and baselines.

        vae = aejax.fit(aejax.VaeConfig(latent_size=16), images, epochs=20)
        vae.encode(images)    # numpy, float32 [n, 16]

    A tenth of the images is set aside to validate on (`vae.curves["validation_loss"]`), and all others are trained on;
    `data=aejax.DataConfig(validation_size=0)` trains on all. Of named images, as of a study, a test split is set aside
    too: their own, or a sixth, unless `test_size=0`. JAX is set up as by the command, with a host device for
    each core and a cache of compiled programs, unless the process has used it before: then it stays as it is.

    Args:
      config: a family (`aejax.VaeConfig()`), or a whole `aejax.Config`, whose `evaluation` is not read; None: a plain
        autoencoder.
      images: numpy or JAX array, [n, height, width] or [n, height, width, channels], uint8, or floats in [0, 1]; or a
        path or name as `data.name` takes it ("photos/"); None: those that the config's `data` names, by default the
        digits.
      labels: [n], integers or texts, -1 or "" where there is none; only a sampler of `generation` is judged with them.
      epochs: in the place of the config's `training.epochs`.
      seed: in the place of the config's `seed`.
      say: called with lines on what goes on; default: the logger "aejax" at level INFO.

    Returns:
      The trained model; of a config with a `generation.sampler` the generator, which draws by it. A model that
      diverged is at its last finite state, and a warning says so.

    Raises:
      ConfigError: if the config is wrong, in one line.
      DataError: if the images are no images, in one line.
      UserError: if the machine does not allow it, in one line.
    """
    config, images = _named(_gate(config), images)
    arrays = to_arrays(images, labels)
    given = {"training.epochs": epochs, "seed": seed}
    config = override(config, {path: value for path, value in given.items() if value is not None})
    samples = config.generation.sampler != GenerationConfig().sampler
    data = config.data
    if arrays and data.test_size is None and not samples:
        data = dataclasses.replace(data, test_size=0)  # Nothing is measured, so all can be trained on.
    config = dataclasses.replace(config, data=data, evaluation=EvaluationConfig(measures=(), baselines=()))

    def train(config: Config, directory: StudyDirectory) -> None:
        engine.run(list(make_members(config, [{}], None)), directory, options=Options(say=say))

    study = _study(config, arrays, None, train)
    if "diverged" in set(study.results["status"]):
        warnings.warn("training diverged; the model is at its last finite state", stacklevel=2)
    return study.member(method=GENERATOR if samples else SUBJECT)


def run(
    config: Config | Family | None = None,
    images: Any = None,
    labels: Any = None,
    *,
    sweep: Sweep | None = None,
    seeds: int | Sequence[int] | None = None,
    search: Search | None = None,
    test_images: Any = None,
    test_labels: Any = None,
    workdir: str | os.PathLike[str] | None = None,
    epochs: int | None = None,
    continue_from: str | os.PathLike[str] | None = None,
    name: str = "study",
    question: str = "",
    trackers: Sequence[str] = (),
    say: Say = _log,
) -> Study:
    """Trains and evaluates a study: every point of a sweep with every seed, and the baselines, as the command does.

        study = aejax.run(config, images, labels, sweep=aejax.grid("autoencoder.beta", [1, 4]), seeds=5)
        study.table()

    Members that differ in traced fields (most numbers) and seed are compiled once and trained together. With a
    `workdir` it is the same study as the command's, and each goes on with what the other has begun (arrays lie in
    `workdir/images.npz`, which is the command's `--set data.name`). JAX is set up as `fit` does. Ray, Slurm and
    several processes are for the command.

    Args:
      config: a whole `aejax.Config`, or a family with defaults for the rest.
      images: as of `fit`; None: those that `config.data` names.
      labels: [n], integers or texts, -1 or "" where there is none; None: what needs labels is left out.
      sweep: points, as `aejax.grid`, `aejax.zip`, `aejax.chain` and `aejax.product` make them; None: the config alone.
      seeds: how many, from 0 on, or which; None: 5, or those that the sweep has.
      search: how to search, instead of training all of the sweep (whose points are then the candidates, if it has
        any); the winner is trained on as many fresh seeds.
      test_images: of a test split; None: a sixth of the images.
      test_labels: likewise.
      workdir: where the study lies, or will: what is there is kept, and what is missing is trained; None: a temporary
        directory, which is removed with the `Study`, or when the process ends.
      epochs: in the place of the config's `training.epochs`.
      continue_from: the directory of a finished study whose autoencoders are trained further, for as many `epochs` in
        all; then there are no config, images, sweep, seeds or search.
      name: what to call it.
      question: what it is to answer, a sentence.
      trackers: names of the trackers that show its members as runs: "tensorboard", "wandb", "mlflow".
      say: called with lines on what goes on; default: the logger "aejax" at level INFO.

    Raises:
      ConfigError: if config or sweep are wrong, in one line; nothing has been written.
      DataError: if the images are no images, or do not allow what the config asks for, in one line; likewise.
      UserError: if something else goes wrong, in one line; what was done is kept in the workdir.
    """
    trackers = tuple(dict.fromkeys([trackers] if isinstance(trackers, str) else trackers))
    check_trackers(trackers)
    options = Options(trackers=trackers, say=say)
    if continue_from is not None:
        given = {"config": config, "images": images, "labels": labels, "sweep": sweep, "seeds": seeds, "search": search}
        given |= {"test_images": test_images, "test_labels": test_labels}
        for argument in [argument for argument, value in given.items() if value is not None]:
            raise ConfigError(f"continue_from={continue_from} says what is trained; leave out {argument}")
        return _continue(continue_from, workdir, epochs, question=question, options=options)
    config, images = _named(_gate(config), images)
    arrays = to_arrays(images, labels, test_images, test_labels)
    config = config if epochs is None else override(config, {"training.epochs": epochs})
    if isinstance(sweep, Mapping):
        raise ConfigError(f"sweep should be points, as aejax.grid makes them; got {shortened(repr(sweep), 60)}")
    if not isinstance(search, Search | None):
        raise ConfigError(f"search should be an aejax.Search; got {shortened(repr(search), 60)}")
    chosen, points = _seeds(sweep or [], seeds), sweep or [{}]
    if search is not None:
        candidates = search.candidates if sweep is None else tuple(dict(fields_of(point)) for point in sweep)
        search = load(Search, to_tree(dataclasses.replace(search, candidates=candidates)))

    def train(config: Config, directory: StudyDirectory) -> None:
        if search is None:
            members = make_members(config, points, chosen)
            engine.run(list(members), directory, name=name, question=question, options=options, labels=members)
            return
        (config,) = make_members(config, [{}], None)
        check_search(config, search)
        num = len(chosen or range(SEEDS))
        search_and_train(
            config, search, directory, seeds=num, name=name, question=question, executor=Local(), options=options
        )

    study = _study(config, arrays, workdir, train)
    if workdir is not None:
        study.report()
    return study


def _continue(
    path: str | os.PathLike[str],
    workdir: str | os.PathLike[str] | None,
    epochs: int | None,
    *,
    question: str,
    options: Options,
) -> Study:
    """Trains the autoencoders of a finished study for more epochs, as another study."""

    def train(config: Config, directory: StudyDirectory) -> None:
        del config
        changes = {} if epochs is None else {"training.epochs": epochs}
        goes_on = continue_study(StudyDirectory(path), directory, changes)
        engine.run(
            goes_on.configs,
            directory,
            name=goes_on.name,
            question=question or goes_on.question,
            options=options,
            lineage=goes_on.lineage,
            parent=goes_on.parent,
            labels=goes_on.labels,
        )

    study = _study(Config(), {}, workdir, train)
    if workdir is not None:
        study.report()
    return study


def _gate(config: Config | Family | None) -> Config:
    """Returns the whole config, through the gate.

    Raises:
      ConfigError: if it does not pass, or is no config.
    """
    if config is None or isinstance(config, Family):
        config = Config(autoencoder=config or PlainConfig())
    if not isinstance(config, Config):
        got = shortened(repr(config), 60)
        raise ConfigError(f"config should be an aejax.Config, or a family such as aejax.VaeConfig(); got {got}")
    return load(Config, dataclasses.asdict(config))


def _named(config: Config, images: Any) -> tuple[Config, Any]:
    """Returns a config that names the images of a path, and None in their place; anything else as it is."""
    if not isinstance(images, str | os.PathLike):
        return config, images
    if config.data.name not in (DataConfig().name, as_name(images)):
        raise ConfigError(f"images={images} and data.name={config.data.name} name two data sets; leave one of them out")
    return override(config, {"data.name": as_name(images)}), None


def _seeds(sweep: Sweep, seeds: int | Sequence[int] | None) -> Sequence[int] | None:
    """Returns the seeds of a study; None: the sweep has them."""
    if "seed" in swept_fields(sweep):
        if seeds is not None:
            raise ConfigError("seeds are given, and the sweep has some of its own; leave one of them out")
        return None
    seeds = SEEDS if seeds is None else seeds
    try:
        chosen = seeds if isinstance(seeds, Sequence | np.ndarray) else range(operator.index(seeds))
    except TypeError:
        raise ConfigError(f"seeds={seeds!r}: should be a number of seeds, or a list of seeds") from None
    if not 0 < len(chosen) <= MOST:
        raise ConfigError(f"seeds={seeds!r}: a study has at least one, and at most {MOST}")
    return [seed.item() if isinstance(seed, np.integer) else seed for seed in chosen]


def _study(
    config: Config,
    arrays: Mapping[str, Any],
    workdir: str | os.PathLike[str] | None,
    train: Callable[[Config, StudyDirectory], None],
) -> Study:
    """Trains a study in its workdir, or in a temporary directory, with the arrays in it, if there are any."""
    if arrays and config.data.name != DataConfig().name:
        raise ConfigError(f"there are images, and data.name={config.data.name} names others; leave one of them out")
    if arrays:
        check_white(arrays, config.data.maximum)
    set_up_jax_if_unused()
    with _directory(workdir) as path:
        directory = StudyDirectory(path)
        if arrays:
            with keep_arrays(directory, arrays) as name:
                train(dataclasses.replace(config, data=dataclasses.replace(config.data, name=name)), directory)
        else:
            train(config, directory)
        study = Study(path)
        if workdir is None:
            weakref.finalize(study, shutil.rmtree, path, ignore_errors=True)
    return study


@contextlib.contextmanager
def _directory(workdir: str | os.PathLike[str] | None) -> Iterator[str | os.PathLike[str]]:
    """Gives the workdir, or a temporary directory, which is removed if the block fails."""
    if workdir is not None:
        yield workdir
        return
    path = tempfile.mkdtemp(prefix="aejax-")
    try:
        yield path
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
