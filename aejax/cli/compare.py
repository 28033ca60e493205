"""The commands that make a study's numbers again and compare them: evaluate and reproduce."""

import contextlib
import pathlib
import tempfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from absl import flags

from aejax.cli.arguments import (
    define_features,
    define_keep_model,
    define_number,
    help_of,
    one_study,
    read_flags,
    read_one_study,
)
from aejax.cli.experiments import DIRECTORY
from aejax.errors import ConfigError, Interrupted, UserError
from aejax.store.directory import StudyDirectory
from aejax.user_files import load_function

if TYPE_CHECKING:
    from aejax.store.results import Row

Say = Callable[[str], None]
# Published studies that `reproduce --nightly` runs if none is named: one of each of the experiments that take least.
# On 2 cores all three take about three minutes.
NIGHTLY = ("quickstart", "search-sobol", "anomaly-mnist")


def evaluate(arguments: Sequence[str], say: Say = print) -> int:
    """Evaluates the trained members of a finished study again, from their checkpoints, and compares with its results.

    Examples:

      Are the numbers still what they were?
        aejax evaluate runs/quickstart

      After a change to the evaluation: keep the new results, and renew tables and report.
        aejax evaluate runs/quickstart --update

    Prints for each metric whether it is bitwise equal, within --tolerance, or different, after what has changed in the
    environment and the data. The exit status is 1 where a metric is different, or where a population, its results or
    its checkpoint is missing or damaged. Without --update nothing is written.
    """
    values = flags.FlagValues()
    flags.DEFINE_bool("update", False, "Put the new results in the place of the old ones.", flag_values=values)
    define_features(values)
    _define_tolerance(values)
    path = read_one_study(values, arguments, evaluate)
    if path is None:
        return 0
    from aejax.report.write import write_report
    from aejax.store.compare import compare_rows, only_in_one, to_text
    from aejax.store.evidence import read_rows
    from aejax.store.record import require_record
    from aejax.store.stop import stop_on_signals
    from aejax.study import run
    from aejax.study.job import Options

    directory = StudyDirectory(path)
    require_record(directory)
    old = read_rows(directory)
    features = load_function(values.features, "--features") if values.features else None
    with stop_on_signals() as stop:
        options = Options(stop=stop, say=say, features=features)
        new, problems = run.evaluate_again(directory, update=values.update, options=options)
    comparisons = compare_rows(old, new, values.tolerance)
    problems += only_in_one(old, new)
    say("\n".join([*problems, to_text(comparisons, len(problems))]))
    if values.update:
        write_report([directory], directory.path)
    return int(bool(problems) or any(comparison.verdict == "different" for comparison in comparisons))


def _flags_of_reproduction() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_string(
        "workdir", None, "Where the second run lies; default: runs/<study>-reproduced.", flag_values=values
    )
    flags.DEFINE_bool(
        "nightly",
        False,
        f"Run the studies that are named, or three small published ones ({', '.join(NIGHTLY)}), and fail where a "
        "number left its interval. Default of --workdir: a directory that is removed afterwards.",
        flag_values=values,
    )
    define_keep_model(
        values, "Keep the best member's model (of at most 1 MB) in the published study, if all is bitwise equal."
    )
    _define_tolerance(values)
    define_features(values)
    return values


def reproduce(arguments: Sequence[str], say: Say = print) -> int:
    """Runs a study again from its study.json alone, and compares every metric with the study's own results.

    Examples:

      A published study:
        aejax reproduce experiments/results/article

      And if every number is bitwise equal, add the trained model of the best member to it:
        aejax reproduce experiments/results/quickstart --keep_model

      Elsewhere than in runs/<study>-reproduced, calling only differences below one in a thousand close:
        aejax reproduce runs/quickstart --workdir=/tmp/again --tolerance=1e-3

      Every night: three small published studies, anew, in about three minutes on 2 cores:
        aejax reproduce --nightly

    Prints for each metric whether it is bitwise equal (same versions, devices and cores), within --tolerance, or
    different, after what differs in the environment and the data. The exit status is 1 where a metric is different, or
    where results of the study are missing or damaged, which is said before anything is trained. Killed or stopped, the
    same command goes on where it was.

    With --nightly it prints a line for each number (a mean over seeds, of test images) that is outside of its published
    95 % interval or, where there is none, farther off than --tolerance. The exit status is 1 where there is a line.
    """
    values = _flags_of_reproduction()
    leftover = read_flags(values, arguments, help_of(reproduce))
    if leftover is None:
        return 0
    if values.nightly:
        return _nightly(leftover or [str(DIRECTORY / "results" / name) for name in NIGHTLY], values, say)
    from aejax.store.compare import compare_rows, to_text
    from aejax.store.record import require_record

    original = StudyDirectory(one_study(leftover))
    workdir = values.workdir or pathlib.Path("runs") / f"{require_record(original).name}-reproduced"
    copy = _second(original, workdir, values.keep_model)
    old, new, problems = _run_again(original, copy, values.features, say)
    comparisons = compare_rows(old, new, values.tolerance)
    say("\n".join([*problems, to_text(comparisons, len(problems))]))
    if values.keep_model:
        _keep_model(copy, original, not problems and {one.verdict for one in comparisons} == {"bitwise equal"}, say)
    return int(bool(problems) or any(comparison.verdict == "different" for comparison in comparisons))


def _nightly(paths: Sequence[str], values: flags.FlagValues, say: Say) -> int:
    """Runs studies again; returns 1 if a number left its interval or a study failed, else 0."""
    if values.keep_model:
        raise ConfigError("--nightly keeps no model; leave out --keep_model")
    from aejax.store.compare import outside_intervals

    lines: list[str] = []
    with contextlib.ExitStack() as stack:
        place = values.workdir or stack.enter_context(tempfile.TemporaryDirectory(prefix="aejax-nightly-"))
        for path in paths:
            original = StudyDirectory(path)
            say(f"{original.path} again")
            try:
                copy = _second(original, pathlib.Path(place) / original.path.name, keep_model=False)
                old, new, problems = _run_again(original, copy, values.features, say)
                found = [*problems, *outside_intervals(old, new, values.tolerance)]
            except Interrupted:
                raise
            except UserError as error:  # The other studies are worth running.
                found = [str(error)]
            lines += [f"{original.path}: {line}" for line in found]
    say("\n".join([*lines, f"{len(lines)} numbers left their interval, or could not be made again"]))
    return int(bool(lines))


class _TwoRuns(NamedTuple):
    """The rows of a study and of its second run, and what is missing or damaged of either."""

    old: "list[Row]"
    new: "list[Row]"
    problems: list[str]


def _run_again(original: StudyDirectory, copy: StudyDirectory, features: str | None, say: Say) -> _TwoRuns:
    """Runs a study again from its study.json, or goes on with that, and writes the second run's report."""
    from aejax.report.write import write_report
    from aejax.store.compare import only_in_one
    from aejax.store.evidence import read_all, read_rows, rows_of
    from aejax.store.record import require_record
    from aejax.store.stop import stop_on_signals
    from aejax.study import run
    from aejax.study.continuing import moved_parent
    from aejax.study.job import Options
    from aejax.study.plan import clues_in, load_data, recorded_configs, recorded_labels
    from aejax.training.setup import DETERMINISTIC, add_xla_options

    record = require_record(original)
    # Before hours of training: the results that the second run is to be compared with.
    found = read_all(original, record)
    old, problems = rows_of(found), [str(fault) for one in found for fault in one.faults]
    for line in problems:
        say(line)
    if not old:
        raise UserError(f"{original.path} has no results to compare a second run with; train it, or report it")
    add_xla_options(option for option in DETERMINISTIC if option in record.flags.get("XLA_FLAGS", "").split())
    function = load_function(features, "--features") if features else None
    configs = recorded_configs(original, record)
    parent = None if record.parent is None else moved_parent(record.parent, original, copy)
    datasets = load_data(configs, clues_of=clues_in(record, original))
    for line in run.changes_since(record, datasets):
        say(line)
    with stop_on_signals() as stop:
        run.run(
            configs,
            copy,
            name=record.name,
            question=record.question,
            options=Options(stop=stop, say=say, features=function),
            lineage=record.lineage,
            parent=parent,
            search=record.search,
            labels=recorded_labels(record, configs),
            loaded=datasets,
        )
    write_report([copy], copy.path)
    new = read_rows(copy)
    return _TwoRuns(old, new, problems + only_in_one(old, new))


def _second(original: StudyDirectory, workdir: str | pathlib.Path, keep_model: bool) -> StudyDirectory:
    """The directory of a second run of a study, after checking the flags that say where it lies and what is kept."""
    copy = StudyDirectory(workdir)
    if copy.path.resolve() == original.path.resolve():
        raise ConfigError(f"--workdir={copy.path} is the study itself; choose another")
    if keep_model and not original.is_published:
        raise ConfigError(f"{original.path} is not published, and has its checkpoints; leave out --keep_model")
    return copy


def _keep_model(copy: StudyDirectory, original: StudyDirectory, equal: bool, say: Say) -> None:
    """Keeps the trained model of a second run in the published study that it repeats to the last bit."""
    from aejax.trained.keeping import keep_model, model_to_keep

    if not equal:
        raise UserError(f"{original.path} keeps no model: not all numbers of {copy.path} are bitwise equal to its own")
    say(keep_model(model_to_keep(copy), original))


def _define_tolerance(values: flags.FlagValues) -> None:
    define_number(
        "tolerance",
        0.02,
        "Relative difference up to which numbers count as close, where they are not bitwise equal.",
        at_least=0,
        values=values,
    )
