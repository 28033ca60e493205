"""Values that papers have published, each beside what a study of ours has: declared in one file, judged by one rule."""

import dataclasses
import functools
import math
import pathlib
import tomllib
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import Field

from aejax.config import FiniteFloat, NonNegativeFloat, load
from aejax.errors import ConfigError, UserError
from aejax.measures.base import Metric
from aejax.measures.zoo import find_metric
from aejax.methods.roles import Role
from aejax.statistics import Interval
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.store.files import exists
from aejax.store.results import Setting, settings

MEMORY = "memory"  # The source of a value that was not looked up.
RESULTS = "results"  # The folder beside the file that holds our records.
PaperVerdict = Literal["reached", "within the interval", "not reached", "not run"]
VERDICTS: tuple[PaperVerdict, ...] = get_args(PaperVerdict)
Text = Annotated[str, Field(min_length=1)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PaperCell:
    """A number of a paper, and which number of our study it is compared with.

    `metric` is named as in results, without its split; of test images it is read. With `error` the paper has the share
    of errors, and ours is 100 % minus the metric. `method` and `settings`, values of the config by dotted path, say
    which setting of the study is meant; without a method it is the autoencoder.
    """

    title: Text
    value: FiniteFloat
    half_width: NonNegativeFloat = 0.0  # What the paper has after ±, whatever that is there.
    metric: Text
    error: bool = False
    method: str | None = None
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PaperTable:
    """Numbers of a paper that are compared with one study of ours.

    The study's record is the folder `results/<record>` beside the file, by default that of the experiment's name; where
    there is none, the cells are not run. `flags` come after `aejax train <experiment>`. An experiment that is `planned`
    need not be there yet, and neither its metrics. `departures` says how our protocol differs from the paper's; with
    `misleading`, so much that neither a number that is better nor one that is worse says anything of the method.
    """

    task: Text
    paper: Text
    source: Text  # Where the values were read, or "memory".
    experiment: Text
    flags: str = ""
    record: str | None = None
    planned: bool = False
    departures: Text
    misleading: bool = False
    cell: Annotated[tuple[PaperCell, ...], Field(min_length=1)]

    @property
    def command(self) -> str:
        """What trains our study."""
        return f"aejax train {self.experiment} {self.flags}".rstrip()

    @property
    def folder(self) -> str:
        """The name of our study's record."""
        return self.record or self.experiment.replace(":", "-")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Papers:
    """The content of the file: `[[paper]]` is a `PaperTable`, `[[paper.cell]]` one of its cells."""

    paper: Annotated[tuple[PaperTable, ...], Field(min_length=1)]


class ComparedCell(NamedTuple):
    """A number of a paper beside ours, in the unit of the results: shares are in [0, 1] also where people read percent.

    `metric` has the paper's direction; `ours` and `setting` are None where our study was not run.
    """

    table: PaperTable
    cell: PaperCell
    metric: Metric
    ours: Interval | None
    setting: Setting | None

    @property
    def verdict(self) -> PaperVerdict:
        """What our number is beside the paper's; see `judge`."""
        ours = self.ours
        if ours is not None:
            ours = ours._replace(mean=self.metric.value(ours.mean), half_width=self.metric.value(ours.half_width))
        return judge(self.cell.value, self.cell.half_width, ours, self.metric.higher_is_better)


def judge(value: float, half_width: float, ours: Interval | None, higher_is_better: bool) -> PaperVerdict:
    """Returns the verdict on a number of ours beside a published one, both in the same unit.

    It is reached if our mean is at least as good. If it is worse, it is within the interval if ours contains the
    published value, or if the two intervals overlap; a number without an interval is an interval of one point.

    Args:
      value: the published number.
      half_width: what it has after ±, or 0.
      ours: our mean with its 95 % interval; None if the study was not run.
      higher_is_better: of this metric.
    """
    if ours is None:
        return "not run"
    if ours.mean >= value if higher_is_better else ours.mean <= value:
        return "reached"
    own = 0.0 if math.isnan(ours.half_width) else ours.half_width
    return "within the interval" if abs(ours.mean - value) <= own + half_width else "not reached"


def read_papers(path: pathlib.Path) -> list[ComparedCell]:
    """Returns every cell of a file of papers with our number, where our study has a record.

    Raises:
      UserError: in one line, if the file is missing or damaged, or if an entry names an experiment that is not there,
        or a setting or a metric that our record does not have.
    """
    try:
        papers = load(Papers, tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; name a file such as experiments/papers.toml") from None
    except (ConfigError, ValueError) as error:
        raise UserError(f"{path}: {error}") from None
    recorded = functools.cache(lambda folder: _recorded(path.parent / RESULTS / folder))
    compared = []
    for table in papers.paper:
        if not table.planned and not (path.parent / f"{table.experiment.partition(':')[0]}.py").is_file():
            raise UserError(
                f"{path}: {table.paper}: there is no experiment '{table.experiment}' beside this file; correct the "
                "name, or write planned = true"
            )
        for cell in table.cell:
            try:
                compared.append(_compare(table, cell, recorded(table.folder)))
            except UserError as error:
                raise UserError(f"{path}: {table.paper}: {cell.title}: {error}") from None
    return compared


def _recorded(folder: pathlib.Path) -> list[Setting] | None:
    directory = StudyDirectory(folder)
    return settings(read_rows(directory)) if exists(directory.record) else None


def _compare(table: PaperTable, cell: PaperCell, recorded: list[Setting] | None) -> ComparedCell:
    metric = _metric(cell, table.planned)
    if cell.error:
        metric = metric._replace(title="error", higher_is_better=False)
    if recorded is None:
        return ComparedCell(table, cell, metric, None, None)
    setting = _only(list(_chosen(cell, recorded)), table.folder)
    ours = setting.interval(metric.test)
    if ours is None:
        known = sorted(name for name in setting.rows[0]["metrics"] if name.startswith("test_"))
        raise UserError(f"{table.folder} has no {metric.test} of this setting; it has {', '.join(known)}")
    if cell.error:
        ours = ours._replace(mean=1.0 - ours.mean)
    return ComparedCell(table, cell, metric, ours, setting)


def _metric(cell: PaperCell, planned: bool) -> Metric:
    try:
        return find_metric(cell.metric)
    except UserError:
        if not planned:
            raise
        return Metric(cell.metric, cell.metric, "", higher_is_better=True)  # It comes with the experiment.


def _chosen(cell: PaperCell, recorded: list[Setting]) -> Iterator[Setting]:
    for setting in recorded:
        is_method = Role.SUBJECT in setting.role if cell.method is None else setting.method == cell.method
        configs = [row["config"] for row in setting.rows]  # All: a seed chooses no setting.
        if is_method and all(
            path in config and config[path] == value for config in configs for path, value in cell.settings.items()
        ):
            yield setting


def _only(chosen: list[Setting], folder: str) -> Setting:
    if not chosen:
        raise UserError(f"{folder} has no setting of this method and with these settings; see its results.md")
    if len(chosen) > 1:
        names = "; ".join(setting.name for setting in chosen)
        raise UserError(f"{folder} has {len(chosen)} such settings, {names}: say in settings which is meant")
    return chosen[0]
