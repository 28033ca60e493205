"""The commands about studies: a function for each, from its arguments to its exit status; its docstring is its help."""

import contextlib
import pathlib
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from aejax.cli.arguments import (
    define_keep_model,
    define_number,
    help_of,
    read_flags,
    read_one_study,
)
from aejax.errors import ConfigError, UserError
from aejax.store.directory import MODELS, SEARCH, StudyDirectory
from aejax.store.files import exists
from aejax.user_files import load_function

if TYPE_CHECKING:  # What these need takes long to import.
    from aejax.cli.request import Request
    from aejax.study.executors.base import Executor
    from aejax.study.job import FeatureFunction, Options

Say = Callable[[str], None]


def train(arguments: Sequence[str], say: Say = print) -> None:
    """Trains a study: every member of a sweep and its baselines, into a table with intervals.

    Examples:

      The five-seed quickstart on the embedded digits:
        aejax train quickstart

      A variant of an experiment, with another learning rate:
        aejax train article:fashion --set optimizer.learning_rate=3e-4

      Four learning rates times ten seeds, trained as one population; first what it would take:
        aejax train quickstart --sweep optimizer.learning_rate=1e-4,3e-4,1e-3,3e-3 --seeds=10 --dry_run

      Another optimizer, chosen by name and then refined:
        aejax train quickstart --set optimizer=momentum --set optimizer.learning_rate=0.05

      A search for the learning rate instead of a sweep, whose winner is trained again on five fresh seeds:
        aejax train quickstart --search=halving --search trials=27 --space optimizer.learning_rate=log:1e-4:1e-1

      A finished study, trained for longer:
        aejax train --continue_from=runs/quickstart --set training.epochs=100 --workdir=runs/longer

      An experiment of yours, a file that defines get_config():
        aejax train my/own.py

      Your own images, a folder of pictures, or an .npz with arrays `image` and `label`:
        aejax train --set data.name=photos/ --set data.size=32 --workdir=runs/photos
        aejax train --set data.name=images.npz --workdir=runs/mine

      On a GPU, to the same bits each time:
        aejax train article --deterministic

      Populations on eight GPUs at a time, of this machine or of a Ray cluster's:
        aejax train overfitting --executor=ray --workers=8 --gpus=1

    `aejax experiments` lists the experiments and their questions.

    The same command again trains only what is missing: it goes on where a killed or stopped process was, and seeds and
    points of the sweep can be added later. The exit status is 0 when all is done, 2 if a flag or config is wrong, 75
    after SIGTERM (what was done is saved; run the same command again), and 1 for every other trouble.
    """
    from aejax.cli.request import parse

    request = parse(arguments, help_of(train))
    if request is None:
        return
    from aejax.report.write import write_report
    from aejax.store.stop import stop_on_signals
    from aejax.study.executors.choose import make_executor
    from aejax.study.job import Options
    from aejax.study.run import Unfinished
    from aejax.trackers.zoo import check_trackers
    from aejax.training.population import is_leader
    from aejax.training.setup import DETERMINISTIC, add_xla_options, join_processes

    if request.deterministic:
        add_xla_options(DETERMINISTIC)
    features = load_function(request.features, "--features") if request.features else None
    check_trackers(request.trackers)
    directory, executor = StudyDirectory(request.workdir), make_executor(request.executor)
    if request.dry_run:
        say(_describe(request, directory, executor, features))
        return
    if request.processes is not None:
        join_processes(*request.processes)
        say = say if is_leader() else lambda _: None
    if request.cost:
        say(f"{request.name}: {request.cost}")
    with stop_on_signals() as stop:
        options = Options(request.trackers, request.checkpoint_seconds, stop, say, features, request.beside)
        # What is finished is worth a report even where the rest is not.
        failure = None
        try:
            _run(request, directory, executor, options)
        except Unfinished as error:
            failure = error
    with contextlib.suppress(OSError) if failure is not None else contextlib.nullcontext():  # A full disk is full.
        for study in (StudyDirectory(directory.path / SEARCH), directory):
            if is_leader() and exists(study.record):
                say("\n" + write_report([study], study.path))
                say(_written(study.path))
    if failure is not None:
        raise failure


def _describe(
    request: "Request", directory: StudyDirectory, executor: "Executor", features: "FeatureFunction | None"
) -> str:
    """Describes what would be trained and what it would cost."""
    from aejax.search.run import describe_search
    from aejax.study import dry_run

    how: dict[str, Any] = {"executor": executor, "features": features, "beside": request.beside}
    if request.search is None:
        return dry_run.describe(request.configs, directory, **how, **_origin(request))
    return describe_search(request.configs[0], request.search, directory, seeds=request.seeds, **how)


def _run(request: "Request", directory: StudyDirectory, executor: "Executor", options: "Options") -> None:
    """Trains the study, or searches and trains what won."""
    from aejax.search.run import search_and_train
    from aejax.study import run

    how: dict[str, Any] = {"name": request.name, "question": request.question, "executor": executor, "options": options}
    if request.search is None:
        run.run(request.configs, directory, labels=request.labels, **how, **_origin(request))
    else:
        search_and_train(request.configs[0], request.search, directory, seeds=request.seeds, **how)


def _origin(request: "Request") -> dict[str, Any]:
    """Returns from which study's members those of a request go on, as arguments of `prepare`; none if they begin."""
    goes_on = request.continuation
    return {} if goes_on is None else {"parent": goes_on.parent, "lineage": goes_on.lineage}


def _written(path: pathlib.Path) -> str:
    return f"{path}: report.html (open it in a browser), results.csv (every member), results.md, results.tex"


def report(arguments: Sequence[str], say: Say = print) -> None:
    """Makes a study's tables (CSV, Markdown, LaTeX) and its report, one HTML file, from what lies in its directory.

    Examples:

      A study that is finished, or still runs:
        aejax report runs/quickstart

      Several studies beside each other:
        aejax report runs/article runs/article-fashion --output=runs/compared

      The small files of a study, for others to read and reproduce; with --keep_model also its best model:
        aejax report runs/article --publish=experiments/results/article
        aejax report runs/quickstart --publish=experiments/results/quickstart --keep_model

      The tables of README.md, made from what is published:
        aejax report --readme=README.md
    """
    values = flags.FlagValues()
    flags.DEFINE_string(
        "output", None, "Where to write them; default: into the study, if it is one.", flag_values=values
    )
    flags.DEFINE_string("publish", None, "Copy the small files of one study to this directory.", flag_values=values)
    define_keep_model(values, "With --publish, also the model of the best member, which may take at most 1 MB.")
    flags.DEFINE_string(
        "readme", None, "Renew the tables of published studies in this Markdown file.", flag_values=values
    )
    paths = read_flags(values, arguments, help_of(report))
    if paths is None:
        return
    from aejax.report.publish import renew_tables
    from aejax.report.write import write_report

    if values.readme:
        say(f"{values.readme}: {renew_tables(pathlib.Path(values.readme))} tables renewed")
        return
    if not paths:
        raise ConfigError("name at least one study's directory, see --help")
    if len(paths) > 1 and (values.publish or not values.output):
        raise ConfigError("several studies are compared in a directory of their own: give --output=DIR, no --publish")
    if values.keep_model and not values.publish:
        raise ConfigError("--keep_model keeps a model in what is published: give --publish=DIR")
    directories = [StudyDirectory(path) for path in paths]
    output = pathlib.Path(values.output or paths[0])
    say(write_report(directories, output))
    say(_written(output))
    if values.publish:
        _publish(directories[0], StudyDirectory(values.publish), values.keep_model, say)


def _publish(directory: StudyDirectory, target: StudyDirectory, with_model: bool, say: Say) -> None:
    """Publishes a study, and with it the model of its best member."""
    from aejax.report.publish import publish

    if not with_model and (target.path / MODELS).is_dir():
        raise UserError(
            f"{target.path} keeps a model, which would be lost: add --keep_model, or remove {MODELS}/ there"
        )
    if not with_model:
        say(f"{target.path}: {publish(directory, target.path) / 1000:.0f} kB published")
        return
    from aejax.trained.keeping import keep_model, model_to_keep

    trained = model_to_keep(directory)
    say(f"{target.path}: {publish(directory, target.path) / 1000:.0f} kB published")
    say(keep_model(trained, target))


def status(arguments: Sequence[str], say: Say = print) -> None:
    """Shows how far a study is: a line for each population, and how long the rest will take.

    Examples:

      What is finished, running, waiting and failed:
        aejax status runs/article-sweep

      The same every ten seconds, until all is done:
        aejax status runs/article-sweep --every=10

    It reads files alone, so it may run on any machine that sees the study's directory.
    """
    values = flags.FlagValues()
    define_number("every", None, "Show it again after so many seconds, until all is done.", at_least=0.1, values=values)
    path = read_one_study(values, arguments, status)
    if path is None:
        return
    from aejax.store.progress import describe, read_progress
    from aejax.store.record import require_record

    directory = StudyDirectory(path)
    require_record(directory)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    while True:
        say(describe(directory, width))
        now = read_progress(directory)
        if values.every is None or not now.running + now.waiting:
            return
        time.sleep(values.every)
