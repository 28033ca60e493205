"""A study, opened from its directory: its results as tables, and its members as trained models."""

import functools
import html
import math
import os
import pathlib
from typing import TYPE_CHECKING, Any

from aejax.errors import UserError
from aejax.measures.base import Metric
from aejax.measures.zoo import all_metrics
from aejax.methods.zoo import SUBJECT
from aejax.store.directory import SEARCH, StudyDirectory
from aejax.store.files import exists
from aejax.store.record import Record, require_record

if TYPE_CHECKING:  # Reading results needs no JAX.
    import altair as alt
    import pandas as pd

    from aejax.store.results import Row
    from aejax.trained.model import Trained
    from aejax.trained.opening import Opener

SPLITS = ("validation_", "test_")


class Study:
    """A study that lies in a directory, finished or not. It needs no data set.

        study = aejax.load("runs/quickstart")
        study.results                                  # a DataFrame: one row for each member and baseline
        study.table()                                  # one row for each setting, means and intervals over seeds
        study.best("probe_accuracy").encode(images)    # the member that validation images find best

    Everything is read when it is asked for, so a study that goes on shows how far it is.
    """

    def __init__(self, path: str | os.PathLike[str]):
        """Opens the study in a directory.

        Raises:
          UserError: if there is none.
        """
        self._directory = StudyDirectory(path)
        require_record(self._directory)

    @property
    def path(self) -> pathlib.Path:
        """The directory."""
        return self._directory.path

    @property
    def name(self) -> str:
        """The study's name."""
        return self._record.name

    @property
    def results(self) -> "pd.DataFrame":
        """The rows of results.csv: method, swept fields, metrics, status, cost and id of each member and baseline."""
        import pandas as pd

        from aejax.report.tables import make_member_table

        table = make_member_table(self._rows)
        return pd.DataFrame(table.rows, columns=table.heading)

    def table(self) -> "pd.DataFrame":
        """Returns the table of settings: test metrics as texts, means ± half the 95 % interval over seeds."""
        import pandas as pd

        from aejax.report.tables import make_table
        from aejax.store.results import settings

        table = make_table(settings(self._rows))
        return pd.DataFrame(table.rows, columns=table.heading)

    def report(self, output: str | os.PathLike[str] | None = None) -> pathlib.Path:
        """Writes report.html, results.csv, results.md and results.tex; returns the path of report.html.

        Args:
          output: the directory to write them to; None: the study's own.
        """
        from aejax.report.write import write_report

        target = self.path if output is None else pathlib.Path(output)
        trials = StudyDirectory(self.path / SEARCH)
        if output is None and exists(trials.record):
            write_report([trials], trials.path)
        write_report([self._directory], target)
        return target / "report.html"

    def chart(self, name: str) -> "alt.TopLevelMixin":
        """Returns one of the report's charts by its name, such as "curves", "sweep" or "pareto", as an Altair chart.

        Raises:
          UserError: with the names that there are.
        """
        from aejax.report.charts import chart

        return chart(name, self.path)

    def best(self, metric: str = "mse", *, method: str = SUBJECT) -> "Trained":
        """Opens the member that validation images find best.

        Args:
          metric: by its name in the results, without its split: "mse", "probe_accuracy".
          method: whose members are compared: "autoencoder", or one of the others that have parameters: "generator",
            "supervised".

        Raises:
          UserError: if there is no such metric, or no finished member that has it on validation images.
        """
        ranking = _find_metric(metric)
        opener = self._opener()
        rows = [row for row in opener.rows_of(method) if row["status"] != "diverged"]
        measured = [row for row in rows if not math.isnan(row["metrics"].get(ranking.validation, math.nan))]
        if not measured:
            there = sorted({_bare(name) for row in rows for name in row["metrics"] if name.startswith("validation_")})
            raise UserError(
                f"no finished {method} of {self.path} has {ranking.name} on validation images, by which members are "
                f"chosen; there are {', '.join(there) or 'none'}"
            )
        sign = -1 if ranking.higher_is_better else 1
        return _open(opener, method, min(measured, key=lambda row: sign * row["metrics"][ranking.validation]))

    def member(self, name: str = "", *, method: str = SUBJECT) -> "Trained":
        """Opens the member whose id, as in `results`, begins with a text; without one, the only member.

        Raises:
          UserError: if there is no such member, or several.
        """
        opener = self._opener()
        from aejax.trained.opening import find_row

        return _open(opener, method, find_row(self._directory, opener.rows_of(method), method, name))

    @functools.cached_property
    def _record(self) -> Record:
        return require_record(self._directory)

    @property
    def _rows(self) -> "list[Row]":
        from aejax.report.content import gather
        from aejax.store.contents import read_study

        return gather([read_study(self._directory)]).rows

    def _opener(self) -> "Opener":
        from aejax.study.job import Options
        from aejax.trained.opening import Opener
        from aejax.training.setup import set_up_jax_if_unused

        set_up_jax_if_unused()
        return Opener(self._directory, Options(say=lambda line: None))

    def __repr__(self) -> str:
        return f"<aejax.Study {self.name} in {self.path}>"

    def _repr_html_(self) -> str:
        """The name, the question and the table of settings, for notebooks."""
        record = self._record
        head = f"<b>{html.escape(record.name)}</b> in {html.escape(str(self.path))}"
        question = f"<br>{html.escape(record.question)}" if record.question else ""
        return f"<p>{head}{question}</p>{self.table().to_html(index=False, border=0)}"


def load(path: str | os.PathLike[str]) -> Any:
    """Opens what lies in a directory: a study (`Study`), or a model that `Trained.save` saved (`Trained`).

    Raises:
      UserError: if there is neither, or it is damaged.
    """
    folder = pathlib.Path(path)
    if not exists(StudyDirectory(folder).record):
        from aejax.trained.model import Trained, is_saved

        if is_saved(folder):
            return Trained.load(folder)
    return Study(folder)


def _open(opener: "Opener", method: str, row: "Row") -> "Trained":
    (trained,) = opener.open(method, [row])
    return trained


def _bare(name: str) -> str:
    for split in SPLITS:
        name = name.removeprefix(split)
    return name


def _find_metric(name: str) -> Metric:
    """Finds a metric by its name, with its split or without.

    Raises:
      UserError: if there is none, naming those that there are.
    """
    by_name = {metric.name: metric for metric in all_metrics()}
    if _bare(name) not in by_name:
        raise UserError(f"there is no metric '{name}'; choose one of {', '.join(by_name)}")
    return by_name[_bare(name)]
